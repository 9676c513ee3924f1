"""The choices on the page "Distil"."""

from traitlets import Float, HasTraits, Instance, Int, Unicode

from kdlab.pages.distil.view import Cell
from kdlab.registry import LOSSES
from kdlab.train.spec import Spec

__all__ = ["DistilState"]


class DistilState(HasTraits):
    """The choices on the page: the names and numbers of a run and the loss's knobs, each a trait of its own."""

    chosen = Int(0, help="the validation image whose soft targets are shown")
    cell = Instance(Cell, allow_none=True)

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        knobs = {knob.key: Float(knob.default) for entry in LOSSES.values() for knob in entry.knobs}
        self.add_traits(
            **knobs, **{name: Unicode() for name in Spec.names()}, **{key: Float() for key in Spec.run_knobs()}
        )
        self.apply(spec)

    def apply(self, spec: Spec) -> None:
        """Set every choice to that of `spec`."""
        for name in (*Spec.names(), *Spec.run_knobs()):
            setattr(self, name, getattr(spec, name))
        for key, value in spec.knobs.items():
            setattr(self, key, float(value))

    def knobs(self) -> dict[str, float]:
        """Return the loss's knobs as they stand; those that came to it after the page was made as they begin."""
        knobs = LOSSES.find(self.loss)[0].knobs
        return {knob.key: getattr(self, knob.key, knob.default) for knob in knobs}

    def spec(self) -> Spec:
        """Return the spec of the next run; raises InputError when a choice cannot be used."""
        names = (*Spec.names(), *Spec.run_knobs())
        return Spec(knobs=self.knobs(), **{name: getattr(self, name) for name in names})
