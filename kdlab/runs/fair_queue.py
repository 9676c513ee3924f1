"""Turns: which runs have a place, and in which order the others wait for one."""

from collections.abc import Sequence

from kdlab.runs.active_run import LiveRun
from kdlab.runs.worker import Status

__all__ = ["Turns"]

REMEMBERED = 1000  # visitors of whom it is known when they had a turn


class Turns:
    """The queue; `one_each`: no visitor has two places at once. Whoever uses it has the desk's lock."""

    def __init__(self, one_each: bool) -> None:
        self._one_each = one_each
        self._served: list[str] = []  # visitors who had a turn, the latest last
        self.waiting: list[LiveRun] = []
        self.busy: list[LiveRun] = []

    def begin(self, places: int) -> LiveRun | None:
        """Give one of so many places to the run whose turn it is, and return it; None where no run can have one."""
        if len(self.busy) >= places:
            return None
        placed = {live.visitor for live in self.busy} if self._one_each else set()
        for live in in_turn(self.waiting, self.busy, self._served):
            if live.visitor not in placed:
                self.waiting.remove(live)
                self.busy.append(live)
                self._served = [*(one for one in self._served if one != live.visitor), live.visitor][-REMEMBERED:]
                return live
        return None

    def leave(self, live: LiveRun) -> None:
        """Let a run neither wait nor have a place any more."""
        for runs in (self.waiting, self.busy):
            if live in runs:
                runs.remove(live)

    def tell_places(self) -> None:
        """Tell those that wait how many turns come before theirs, where that has changed."""
        for place, live in enumerate(in_turn(self.waiting, self.busy, self._served)):
            if live.status != (status := queued(place)):
                live.tell(status)


def in_turn(waiting: Sequence[LiveRun], busy: Sequence[LiveRun], served: Sequence[str]) -> list[LiveRun]:
    """Return those that wait in the order of their turns: everybody's first run comes before anybody's second.

    `busy`: runs that go on, which count as their visitors' first. `served`: visitors who had a turn, the latest last,
    and who therefore come after the others.
    """
    rounds: dict[str, int] = {}
    for live in busy:
        rounds[live.visitor] = rounds.get(live.visitor, 0) + 1
    turns: list[tuple[int, int, int, LiveRun]] = []
    for place, live in enumerate(waiting):
        rounds[live.visitor] = turn = rounds.get(live.visitor, 0) + 1
        last = served.index(live.visitor) if live.visitor in served else -1
        turns.append((turn, last, place, live))
    return [live for *_, live in sorted(turns, key=lambda turn: turn[:3])]


def queued(before: int) -> Status:
    """Say how many turns come before one's own."""
    place = {0: "yours is the next as soon as a worker is free", 1: "one run is before yours"}
    return Status("queued", message=f"In the queue: {place.get(before, f'{before} runs are before yours')}.")
