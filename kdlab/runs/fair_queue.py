"""A fair queue: which runs have a slot, and in which order the others wait."""

from collections.abc import Sequence

from kdlab.runs.active_run import ActiveRun
from kdlab.runs.protocol import Status

__all__ = ["FairQueue"]

MAX_REMEMBERED_VISITORS = 1000  # visitors in the list of recently served ones


class FairQueue:
    """The runs that wait and those that have a slot; `one_each`: a visitor has at most one slot at a time."""

    def __init__(self, one_each: bool) -> None:
        self._one_each = one_each
        self._served: list[str] = []  # visitors by their last turn, the latest last
        self.waiting: list[ActiveRun] = []
        self.executing: list[ActiveRun] = []

    def take_next(self, slots: int) -> ActiveRun | None:
        """Give one of `slots` to the next run and return the run; None where no run can start."""
        if len(self.executing) >= slots:
            return None
        placed = {run.visitor for run in self.executing} if self._one_each else set()
        for run in in_turn(self.waiting, self.executing, self._served):
            if run.visitor not in placed:
                self.waiting.remove(run)
                self.executing.append(run)
                others = [visitor for visitor in self._served if visitor != run.visitor]
                self._served = [*others, run.visitor][-MAX_REMEMBERED_VISITORS:]
                return run
        return None

    def remove(self, run: ActiveRun) -> None:
        """Remove a run from the queue or from its slot."""
        for runs in (self.waiting, self.executing):
            if run in runs:
                runs.remove(run)

    def publish_positions(self) -> None:
        """Send each waiting run its position, where that has changed."""
        for position, run in enumerate(in_turn(self.waiting, self.executing, self._served)):
            if run.status != (status := queued(position)):
                run.publish(status)


def in_turn(waiting: Sequence[ActiveRun], executing: Sequence[ActiveRun], served: Sequence[str]) -> list[ActiveRun]:
    """Return the waiting runs in their order: every visitor's first run comes before any visitor's second.

    `executing`: active runs, which count as their visitors' first. `served`: visitors by their last turn, the latest
    last; they come after visitors who had none.
    """
    rounds: dict[str, int] = {}
    for run in executing:
        rounds[run.visitor] = rounds.get(run.visitor, 0) + 1
    turns: list[tuple[int, int, int, ActiveRun]] = []
    for position, run in enumerate(waiting):
        rounds[run.visitor] = turn = rounds.get(run.visitor, 0) + 1
        last = served.index(run.visitor) if run.visitor in served else -1
        turns.append((turn, last, position, run))
    return [run for *_, run in sorted(turns, key=lambda turn: turn[:3])]


def queued(ahead: int) -> Status:
    """Return the status of a queued run with `ahead` runs before it."""
    place = {0: "yours is the next as soon as a worker is free", 1: "one run is before yours"}
    return Status("queued", message=f"In the queue: {place.get(ahead, f'{ahead} runs are before yours')}.")
