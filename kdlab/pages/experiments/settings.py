"""The settings of an experiment as controls."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import ipywidgets
from traitlets import link

from kdlab.experiments.framework.experiment import NAMES, Experiment
from kdlab.pages.experiments.state import ExperimentState
from kdlab.registry import DATASETS, EXPERIMENTS, knob_fields
from kdlab.runs.client import shown_limits
from kdlab.widgets.element import Group
from kdlab.widgets.pickers import NamePicker, number_field
from kdlab.widgets.slider import Slider

__all__ = ["Settings", "for_worker"]

FOLDER = "folder:/path/to/images"
HINTS = {"dataset": FOLDER, "other": FOLDER, "augmentation": "shift:pixels=1 …"}
NETWORK = "mlp:400x2, cnn:width=16 …"


class Settings(Group):
    """A control for each setting, linked to `state`: names first, then text, switches and numbers."""

    def __init__(self, state: ExperimentState, kind: type) -> None:
        knobs, allowed = knob_fields(kind), shown_limits().datasets
        names, texts, switches = [], [], []
        self.controls: dict[str, ipywidgets.Widget] = {}
        for name in (field.name for field in fields(kind)):
            value, label = getattr(state, name), _label(name)
            if name in NAMES:
                only = allowed if NAMES[name] is DATASETS else ()
                control = NamePicker(NAMES[name], label, value, HINTS.get(name, NETWORK), only)
                names.append(control)
            elif name in knobs and knobs[name].kind is bool:
                control = Slider(knobs[name], float(value))  # which is then a switch
                switches.append(control)
            elif name in knobs:
                control = number_field(knobs[name], value)
            else:
                control = ipywidgets.Text(value, description=label, continuous_update=False)
                control.add_class("kd-field")
                texts.append(control)
            self.controls[name] = control
            link((state, name), (control, "value"))
        counts = [self.controls[name] for name, knob in knobs.items() if knob.kind is not bool]
        super().__init__("kd-setup", *names, *texts, *switches, Group("kd-number-fields", *counts))


def for_worker(name: str, quick: bool, settings: Mapping[str, Any]) -> Experiment:
    """Return the experiment called `name` for a worker; raises InputError for a name that the worker does not know."""
    EXPERIMENTS.check_worker(name)
    experiment: Experiment = EXPERIMENTS[name].build.of_size(quick, **settings)
    for field in NAMES.keys() & settings.keys():
        NAMES[field].check_worker(settings[field])
    return experiment


def _label(name: str) -> str:
    return "Data set" if name == "dataset" else name.replace("_", " ").capitalize()
