"""The choices on the page of an experiment."""

from dataclasses import fields
from typing import Any

from traitlets import Bool, Dict, Float, HasTraits, Unicode

from kdlab.experiments.framework.experiment import Experiment
from kdlab.registry import knob_fields

__all__ = ["ExperimentState"]


class ExperimentState(HasTraits):
    """The settings of an experiment, each a trait of its own by its name, and the choices of what is shown."""

    quick = Bool(True, help="whether the settings begin from the quick experiment's or from the full one's")
    shown = Unicode("shipped", help="whose result is shown: the shipped one or that of the run")
    choice = Unicode(help="what the sliders' panel is about, where there is a choice")
    turned = Dict(help="values of the sliders by key")

    def __init__(self, kind: type[Experiment]) -> None:
        super().__init__()
        self._kind = kind
        self.turned = {knob.key: float(knob.default) for knob in kind.sliders}
        knobs = knob_fields(kind)
        self.settings = {field.name: Float() if field.name in knobs else Unicode() for field in fields(kind)}
        if duplicates := set(self.settings) & set(self.trait_names()):
            raise ValueError(
                f"{kind.__name__} has a setting called {duplicates.pop()!r}, which the page needs for itself."
            )
        self.add_traits(**self.settings)
        self.apply(quick=True)

    def apply(self, quick: bool) -> None:
        """Fill in the quick or the full experiment's settings."""
        self.quick = quick
        experiment = self._kind.of_size(quick)
        for name in self.settings:
            setattr(self, name, getattr(experiment, name))

    def experiment(self) -> Experiment:
        """Return the experiment to run; raises InputError when a setting cannot be used."""
        return self._kind.of_size(self.quick, **self.chosen())

    def chosen(self) -> dict[str, Any]:
        """Return the settings as they stand."""
        return {name: getattr(self, name) for name in self.settings}
