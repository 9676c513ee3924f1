"""The choices and the data of the page "Your runs"."""

from traitlets import Bool, Bunch, HasTraits, Instance, List, Unicode, validate

from kdlab.figures.overlay import RUN_COLOURS
from kdlab.runs.run_info import RunInfo

__all__ = ["MAX_CHOSEN", "RunsState"]

MAX_CHOSEN = len(RUN_COLOURS)  # runs that can be told apart in a figure


class RunsState(HasTraits):
    """`rows`: the visitor's runs, newest first; `chosen`: the ids of those to compare, no more than `MAX_CHOSEN`.

    `loaded`: whether the runs were loaded; `trouble`: a sentence, or "".
    """

    rows = List(Instance(RunInfo))
    chosen = List(Unicode())
    loaded = Bool(False)
    trouble = Unicode("")

    @validate("chosen")
    def _of_those_there_are(self, proposal: Bunch) -> list[str]:
        ids = {row.run for row in self.rows}
        return [run for run in dict.fromkeys(proposal.value) if run in ids][:MAX_CHOSEN]

    def set_rows(self, rows: list[RunInfo]) -> None:
        """Set the runs; chosen runs that do not exist any more are left out."""
        self.rows, self.loaded = rows, True
        self.chosen = list(self.chosen)

    def compared(self) -> list[RunInfo]:
        """Return the chosen runs in the order in which they were chosen."""
        by_id = {row.run: row for row in self.rows}
        return [by_id[run] for run in self.chosen]
