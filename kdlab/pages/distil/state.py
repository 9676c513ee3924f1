"""The choices on the page "Distil"."""

from collections.abc import Mapping
from contextlib import suppress

from traitlets import Float, HasTraits, Instance, Int, Unicode

from kdlab.pages.distil.view import Cell
from kdlab.pages.url_state import read_spec, write_spec
from kdlab.registry import LOSSES, InputError
from kdlab.train.spec import Spec

__all__ = ["DistilState"]


class DistilState(HasTraits):
    """The choices on the page: the names and numbers of a run and the loss's knobs, each a trait of its own.

    `opening`: the spec with which the page opens.
    """

    chosen = Int(0, help="the validation image whose soft targets are shown")
    cell = Instance(Cell, allow_none=True)

    def __init__(self, opening: Spec) -> None:
        super().__init__()
        self.opening = opening
        self._settings_of = ""  # the data set whose settings are filled in
        knobs = {knob.key: Float(knob.default) for entry in LOSSES.values() for knob in entry.knobs}
        self.add_traits(
            **knobs, **{name: Unicode() for name in Spec.names()}, **{key: Float() for key in Spec.run_knobs()}
        )
        self.apply(opening)

    def apply(self, spec: Spec) -> None:
        """Set every choice to that of `spec`, without the suggestions of its data set."""
        self._settings_of = spec.dataset
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

    def texts(self) -> dict[str, str]:
        """Return the choices that differ from the opening, as short texts by key."""
        chosen = {name: getattr(self, name) for name in (*Spec.names(), *Spec.run_knobs())}
        return write_spec(chosen | self.knobs(), self.opening)

    def read(self, texts: Mapping[str, str], afresh: bool) -> list[str]:
        """Apply choices that `texts` returned, and return a sentence for each that cannot be used.

        The choices that are left out are those of the opening (`afresh`), or stay.
        """
        base = self.opening
        if not afresh:
            with suppress(InputError):
                base = self.spec()
        spec, unusable = read_spec(texts, base)
        self.apply(spec)
        return unusable

    def suggest(self) -> bool:
        """Fill in the settings that suit a data set that was just chosen, unless they came with it; return whether.

        Raises InputError for a data set that does not exist.
        """
        if self.dataset in (self._settings_of, ""):
            return False
        self._settings_of = self.dataset
        unchanged = {"loss": self.loss, "knobs": self.knobs(), "seed": self.seed}
        self.apply(Spec.suggested(self.dataset, **unchanged))
        return True
