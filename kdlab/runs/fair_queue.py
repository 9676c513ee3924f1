"""A fair queue: which runs have a slot, and in which order the others wait."""

from collections.abc import Sequence

from kdlab.runs.active_run import ActiveRun
from kdlab.runs.worker import Status

__all__ = ["FairQueue"]

MAX_REMEMBERED_VISITORS = 1000  # visitors in the list of recently served ones


class FairQueue:
    """The queue; `one_each`: a visitor has at most one slot at a time. Callers hold the desk's lock."""

    def __init__(self, one_each: bool) -> None:
        self._one_each = one_each
        self._served: list[str] = []  # visitors by their last turn, the latest last
        self.waiting: list[ActiveRun] = []
        self.busy: list[ActiveRun] = []

    def begin(self, places: int) -> ActiveRun | None:
        """Give one of `places` slots to the next run and return the run; None where no run can start."""
        if len(self.busy) >= places:
            return None
        placed = {live.visitor for live in self.busy} if self._one_each else set()
        for live in in_turn(self.waiting, self.busy, self._served):
            if live.visitor not in placed:
                self.waiting.remove(live)
                self.busy.append(live)
                others = [visitor for visitor in self._served if visitor != live.visitor]
                self._served = [*others, live.visitor][-MAX_REMEMBERED_VISITORS:]
                return live
        return None

    def leave(self, live: ActiveRun) -> None:
        """Remove a run from the queue or from its slot."""
        for runs in (self.waiting, self.busy):
            if live in runs:
                runs.remove(live)

    def tell_places(self) -> None:
        """Send each waiting run its position, where that has changed."""
        for place, live in enumerate(in_turn(self.waiting, self.busy, self._served)):
            if live.status != (status := queued(place)):
                live.tell(status)


def in_turn(waiting: Sequence[ActiveRun], busy: Sequence[ActiveRun], served: Sequence[str]) -> list[ActiveRun]:
    """Return the waiting runs in their order: every visitor's first run comes before any visitor's second.

    `busy`: active runs, which count as their visitors' first. `served`: visitors by their last turn, the latest last;
    they come after visitors who had none.
    """
    rounds: dict[str, int] = {}
    for live in busy:
        rounds[live.visitor] = rounds.get(live.visitor, 0) + 1
    turns: list[tuple[int, int, int, ActiveRun]] = []
    for place, live in enumerate(waiting):
        rounds[live.visitor] = turn = rounds.get(live.visitor, 0) + 1
        last = served.index(live.visitor) if live.visitor in served else -1
        turns.append((turn, last, place, live))
    return [live for *_, live in sorted(turns, key=lambda turn: turn[:3])]


def queued(ahead: int) -> Status:
    """Return the status of a queued run with `ahead` runs before it."""
    place = {0: "yours is the next as soon as a worker is free", 1: "one run is before yours"}
    return Status("queued", message=f"In the queue: {place.get(ahead, f'{ahead} runs are before yours')}.")
