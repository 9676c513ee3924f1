"""What the page of an experiment can be given to show beside findings and charts."""

from typing import ClassVar

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.pages.experiments.state import ExperimentState
from kdlab.registry import Entry
from kdlab.widgets.element import Group

__all__ = ["Panel"]


class Panel(Group):
    """A part of the page, made for an experiment and the page's `state`; derive one, and give the page the class.

    `follows`: the traits of the state after whose change it is drawn anew. `above`: it stands above the findings, not
    below the sliders.
    """

    follows: ClassVar[tuple[str, ...]] = ()
    above: ClassVar[bool] = False
    css_class: ClassVar[str]

    def __init__(self, entry: Entry, state: ExperimentState) -> None:
        super().__init__(self.css_class)
        self._entry, self._state = entry, state

    def show(self, result: Result | None, live: ExperimentRecord) -> None:
        """Show another result, or nothing, and draw; `live`: the run, which has noted something or concluded."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show the current state."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise InputError when the choices of this panel cannot be run."""
