"""The settings of an experiment as fields."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kdlab.experiments.framework.experiment import NAMES, Experiment
from kdlab.pages.experiments.state import ExperimentState
from kdlab.registry import DATASETS, EXPERIMENTS, knob_fields
from kdlab.runs.client import shown_limits
from kdlab.widgets.form import Field, Form, NameField, NumberField, SwitchField, TextField

__all__ = ["Settings", "for_worker"]

FOLDER = "folder:/path/to/images"
HINTS = {"dataset": FOLDER, "other": FOLDER, "augmentation": "shift:pixels=1 …"}
NETWORK = "mlp:400x2, cnn:width=16 …"


class Settings(Form):
    """A field for each setting, which sets `state`: names first, then texts, switches and numbers."""

    def __init__(self, state: ExperimentState, kind: type) -> None:
        knobs, allowed = knob_fields(kind), shown_limits().datasets
        settings: dict[str, Field] = {}
        for name in (field.name for field in fields(kind)):
            label = _label(name)
            if name in NAMES:
                only = allowed if NAMES[name] is DATASETS else ()
                settings[name] = NameField(NAMES[name], label, HINTS.get(name, NETWORK), only)
            elif name in knobs:
                settings[name] = (SwitchField if knobs[name].kind is bool else NumberField)(knobs[name])
            else:
                settings[name] = TextField(label)
        order = [NameField, TextField, SwitchField, NumberField]
        super().__init__(state, dict(sorted(settings.items(), key=lambda pair: order.index(type(pair[1])))))
        self.add_class("kd-setup")


def for_worker(name: str, quick: bool, settings: Mapping[str, Any]) -> Experiment:
    """Return the experiment called `name` for a worker; raises InputError for a name that the worker does not know."""
    EXPERIMENTS.check_worker(name)
    experiment: Experiment = EXPERIMENTS[name].build.of_size(quick, **settings)
    for field in NAMES.keys() & settings.keys():
        NAMES[field].check_worker(settings[field])
    return experiment


def _label(name: str) -> str:
    return "Data set" if name == "dataset" else name.replace("_", " ").capitalize()
