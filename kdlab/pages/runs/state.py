"""What is chosen on the page "Your runs", and what it knows."""

from traitlets import Bool, Bunch, HasTraits, Instance, List, Unicode, validate

from kdlab.figures.overlay import MARKS
from kdlab.runs.run_info import Row

__all__ = ["MOST", "RunsState"]

MOST = len(MARKS)  # runs that can be told apart in a figure


class RunsState(HasTraits):
    """`rows`: the visitor's runs, newest first; `chosen`: the ids of those to compare, no more than `MOST`.

    `known`: whether it was asked which runs there are; `trouble`: a sentence, or "".
    """

    rows = List(Instance(Row))
    chosen = List(Unicode())
    known = Bool(False)
    trouble = Unicode("")

    @validate("chosen")
    def _of_those_there_are(self, proposal: Bunch) -> list[str]:
        there = {row.run for row in self.rows}
        return [run for run in dict.fromkeys(proposal.value) if run in there][:MOST]

    def take(self, rows: list[Row]) -> None:
        """Set the runs; what was chosen and is no longer there is left out."""
        self.rows, self.known = rows, True
        self.chosen = list(self.chosen)

    def compared(self) -> list[Row]:
        """Return the chosen runs in the order in which they were chosen."""
        by_id = {row.run: row for row in self.rows}
        return [by_id[run] for run in self.chosen]
