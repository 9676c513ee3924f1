"""What a page holds to have a run: it starts one at the desk, or finds one again by its id."""

import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from kdlab.paths import runs_folder
from kdlab.registry import InputError
from kdlab.runs.protocol import Hearing, Job
from kdlab.runs.worker import Status

if TYPE_CHECKING:
    from kdlab.runs.limits import Limits
    from kdlab.runs.remote import RemoteDesk
    from kdlab.runs.server import Desk
    from kdlab.runs.store import Store

__all__ = ["Session", "offered", "open_store", "the_desk"]


def open_store() -> "Store":
    """Return the store of runs: files in that folder, rows in a database there or in the one `KDLAB_STORE` names."""
    from kdlab.runs.store import Store

    return Store(runs_folder(), os.environ.get("KDLAB_STORE"))


def offered() -> "Limits":
    """Return the limits that a page opens with: none where they are wrong, which the desk says when it is asked."""
    from kdlab.runs.limits import Limits

    try:
        return Limits.read(None, public=False)
    except InputError:
        return Limits()


@cache
def the_desk() -> "Desk | RemoteDesk":
    """Return the desk that `KDLAB_DESK` names, or one in this process, within the environment's limits, where none is.

    Raises InputError.
    """
    if address := os.environ.get("KDLAB_DESK"):
        from kdlab.runs.remote import RemoteDesk

        return RemoteDesk(address)
    import atexit

    from kdlab.runs.executors.local import LocalEngine
    from kdlab.runs.limits import Limits
    from kdlab.runs.server import Desk

    limits = Limits.read(None, public=False)  # first, as a store is to be closed
    desk = Desk(LocalEngine(), open_store(), limits)
    atexit.register(desk.close)
    return desk


class Session:
    """A page's one run at a time; `receive` gets what is heard of it, on whatever thread.

    `visitor`: who the page's visitor is, where a desk has several. `run`: the id of the run, or "".
    """

    def __init__(self, receive: Callable[[Hearing], None], desk: "Desk | RemoteDesk | None" = None) -> None:
        self._receive, self._given = receive, desk
        self.visitor = ""
        self.run = ""
        self._key = -1

    @property
    def _desk(self) -> "Desk | RemoteDesk":
        return self._given or the_desk()

    def start(self, job: Job, paused: bool = False) -> None:
        """Stop what this page runs and begin a new run; raises InputError."""
        run = self._desk.submit(job, self.visitor, paused)
        self.stop()
        self.attach(run)

    def go_on(self, job: Job) -> None:
        """Go on with this page's run, which has ended, from its last checkpoint; raises InputError."""
        # Found again as well, because the desk may be another than the one that it was watched at.
        self.attach(self._desk.submit(job, self.visitor, run=self.run))

    def attach(self, run: str) -> None:
        """Show another run from now on; raises InputError when there is none of this id."""
        self._leave()
        self.run = run  # before it is watched, which tells what happened so far at once
        try:
            self._key = self._desk.watch(run, partial(self._hear, run), self.visitor)
        except InputError:
            self.run = ""
            raise

    def resumable(self) -> bool:
        """Whether the run, which has ended, can go on from a checkpoint; raises InputError."""
        row = self._desk.row(self.run) if self.run else None
        return row is not None and row.resumable

    def pause(self) -> None:
        """Ask for no further event until `resume` or `step`."""
        self._tell("pause")

    def resume(self) -> None:
        """Go on after `pause`."""
        self._tell("resume")

    def step(self) -> None:
        """Go on until one more unit has happened, then pause."""
        self._tell("step")

    def stop(self) -> None:
        """End the run; what has happened stays."""
        self._tell("stop")

    def send(self, values: Mapping[str, float]) -> None:
        """Send values into the run with the next event that is asked for."""
        self._tell("turn", dict(values))

    def abandon(self) -> None:
        """Stop the run, hear no more of it, and be idle."""
        self.stop()
        self._leave()
        self._receive(Status("idle"))

    def close(self) -> None:
        """Hear no more of the run, which goes on."""
        self._leave()

    def _tell(self, command: str, value: object = None) -> None:
        if self.run:
            self._desk.tell(self.run, command, value, self.visitor)

    def _leave(self) -> None:
        if self._key >= 0:
            self._desk.unwatch(self.run, self._key)
        self.run, self._key = "", -1

    def _hear(self, run: str, message: Hearing) -> None:
        if run == self.run:  # what an earlier run still had to say no longer matters
            self._receive(message)
