"""A client's current run: it starts a run at the server of runs, or attaches to one by its id."""

import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from kdlab.paths import runs_folder
from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Command, RunMessage, RunRequest, Status

if TYPE_CHECKING:
    from kdlab.runs.connection import ServerConnection
    from kdlab.runs.server import RunServer

__all__ = ["RunClient", "shown_limits", "the_server"]


def shown_limits() -> Limits:
    """Return the limits that a page shows, from the environment: none where they are invalid, as the server says so."""
    try:
        return Limits.read(None, public=False)
    except InputError:
        return Limits()


@cache
def the_server() -> "RunServer | ServerConnection":
    """Return the server that `KDLAB_RUN_SERVER` names, or else one in this process with the environment's limits.

    Raises InputError.
    """
    if address := os.environ.get("KDLAB_RUN_SERVER"):
        from kdlab.runs.connection import ServerConnection

        return ServerConnection(address)
    import atexit

    from kdlab.runs.executors.local import LocalExecutor
    from kdlab.runs.server import RunServer
    from kdlab.runs.store import RunStore

    limits = Limits.read(None, public=False)  # may raise, so before the store is opened
    server = RunServer(LocalExecutor(), RunStore(runs_folder()), limits)
    atexit.register(server.close)
    return server


class RunClient:
    """The current run of a page or a command; `receive` gets its messages, on any thread.

    `visitor`: the id of the page's visitor, where a server has several. `run`: the id of the run, or "".
    """

    def __init__(
        self, receive: Callable[[RunMessage], None], server: "RunServer | ServerConnection | None" = None
    ) -> None:
        self._receive, self._given = receive, server
        self.visitor = ""
        self.run = ""
        self._key = -1

    @property
    def _server(self) -> "RunServer | ServerConnection":
        return self._given or the_server()

    def start(self, request: RunRequest, paused: bool = False) -> None:
        """Stop the current run and begin a new one; raises InputError."""
        run = self._server.submit(request, self.visitor, paused)
        self.send_command("stop")
        self.attach(run)

    def resume_from_checkpoint(self, request: RunRequest) -> None:
        """Resume this client's ended run from its last checkpoint; raises InputError."""
        # Attach again, because the server may be a new process.
        self.attach(self._server.submit(request, self.visitor, False, self.run))

    def attach(self, run: str) -> None:
        """Switch to another run; raises InputError when no run has this id."""
        self.close()
        self.run = run  # before `subscribe`, which sends the record at once
        try:
            self._key = self._server.subscribe(run, partial(self._pass_on, run), self.visitor)
        except InputError:
            self.run = ""
            raise

    def is_resumable(self) -> bool:
        """Return whether the ended run can resume from a checkpoint; raises InputError."""
        info = self._server.info(self.run) if self.run else None
        return info is not None and info.resumable

    def send_command(self, command: Command, values: Mapping[str, float] | None = None) -> None:
        """Send a command to the run, if there is one; raises InputError where the server cannot be reached."""
        if self.run:
            self._server.send_command(self.run, command, values, self.visitor)

    def abandon(self) -> None:
        """Stop the run, unsubscribe from it, and become idle."""
        self.send_command("stop")
        self.close()
        self._receive(Status("idle"))

    def close(self) -> None:
        """Unsubscribe from the run, which continues."""
        if self._key >= 0:
            self._server.unsubscribe(self.run, self._key)
        self.run, self._key = "", -1

    def _pass_on(self, run: str, message: RunMessage) -> None:
        if run == self.run:  # ignore late messages of an earlier run
            self._receive(message)
