"""A page's connection to its run: it starts a run at the desk, or attaches to one by id."""

import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from kdlab.paths import runs_folder
from kdlab.registry import InputError
from kdlab.runs.protocol import RunMessage, RunRequest
from kdlab.runs.worker import Status

if TYPE_CHECKING:
    from kdlab.runs.connection import ServerConnection
    from kdlab.runs.limits import Limits
    from kdlab.runs.server import RunServer
    from kdlab.runs.store import RunStore

__all__ = ["RunClient", "open_store", "shown_limits", "the_server"]


def open_store() -> "RunStore":
    """Return the store of runs: files in `runs_folder()`, rows in a database there or at `KDLAB_STORE`."""
    from kdlab.runs.store import RunStore

    return RunStore(runs_folder(), os.environ.get("KDLAB_STORE"))


def shown_limits() -> "Limits":
    """Return the limits for a page that opens: none where they are invalid, because the desk reports that."""
    from kdlab.runs.limits import Limits

    try:
        return Limits.read(None, public=False)
    except InputError:
        return Limits()


@cache
def the_server() -> "RunServer | ServerConnection":
    """Return the desk that `KDLAB_DESK` names, or one in this process, within the environment's limits, where none is.

    Raises InputError.
    """
    if address := os.environ.get("KDLAB_DESK"):
        from kdlab.runs.connection import ServerConnection

        return ServerConnection(address)
    import atexit

    from kdlab.runs.executors.local import LocalExecutor
    from kdlab.runs.limits import Limits
    from kdlab.runs.server import RunServer

    limits = Limits.read(None, public=False)  # may raise, so before the store is opened
    desk = RunServer(LocalExecutor(), open_store(), limits)
    atexit.register(desk.close)
    return desk


class RunClient:
    """The current run of a page; `receive` gets its messages, on any thread.

    `visitor`: the id of the page's visitor, where a desk has several. `run`: the id of the run, or "".
    """

    def __init__(
        self, receive: Callable[[RunMessage], None], desk: "RunServer | ServerConnection | None" = None
    ) -> None:
        self._receive, self._given = receive, desk
        self.visitor = ""
        self.run = ""
        self._key = -1

    @property
    def _desk(self) -> "RunServer | ServerConnection":
        return self._given or the_server()

    def start(self, job: RunRequest, paused: bool = False) -> None:
        """Stop the current run and begin a new one; raises InputError."""
        run = self._desk.submit(job, self.visitor, paused)
        self.stop()
        self.attach(run)

    def go_on(self, job: RunRequest) -> None:
        """Resume this page's ended run from its last checkpoint; raises InputError."""
        # Attach again, because the desk may be a new process.
        self.attach(self._desk.submit(job, self.visitor, run=self.run))

    def attach(self, run: str) -> None:
        """Switch to another run; raises InputError when no run has this id."""
        self._leave()
        self.run = run  # before `watch`, which sends the record at once
        try:
            self._key = self._desk.watch(run, partial(self._hear, run), self.visitor)
        except InputError:
            self.run = ""
            raise

    def resumable(self) -> bool:
        """Return whether the ended run can resume from a checkpoint; raises InputError."""
        row = self._desk.row(self.run) if self.run else None
        return row is not None and row.resumable

    def pause(self) -> None:
        """Pause until `resume` or `step`."""
        self._tell("pause")

    def resume(self) -> None:
        """Continue after `pause`."""
        self._tell("resume")

    def step(self) -> None:
        """Run one more unit, then pause."""
        self._tell("step")

    def stop(self) -> None:
        """Stop the run; its record stays."""
        self._tell("stop")

    def send(self, values: Mapping[str, float]) -> None:
        """Send values of knobs to the run, which uses them from its next event on."""
        self._tell("turn", dict(values))

    def abandon(self) -> None:
        """Stop the run, unsubscribe from it, and become idle."""
        self.stop()
        self._leave()
        self._receive(Status("idle"))

    def close(self) -> None:
        """Unsubscribe from the run, which continues."""
        self._leave()

    def _tell(self, command: str, value: object = None) -> None:
        if self.run:
            self._desk.tell(self.run, command, value, self.visitor)

    def _leave(self) -> None:
        if self._key >= 0:
            self._desk.unwatch(self.run, self._key)
        self.run, self._key = "", -1

    def _hear(self, run: str, message: RunMessage) -> None:
        if run == self.run:  # ignore late messages of an earlier run
            self._receive(message)
