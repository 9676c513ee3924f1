"""The server of all runs: a scheduler on an event loop in a thread of its own."""

import asyncio
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from kdlab.registry import InputError
from kdlab.runs.active_run import Receive
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import CLOSED, Command, Executor, RunRequest
from kdlab.runs.run_info import RunInfo
from kdlab.runs.run_writer import RunWriter
from kdlab.runs.scheduler import Scheduler
from kdlab.runs.store import RunStore

__all__ = ["RunServer"]

T = TypeVar("T")
LIMIT_CHECK_INTERVAL = 1.0  # seconds between two checks of the limits
HEARTBEAT_INTERVAL = 10.0  # seconds between two heartbeats in the store, each with a retry of failed writes
CLEANUP_INTERVAL = 3600.0  # seconds between two deletions of expired runs
log = logging.getLogger("kdlab")


class RunServer:
    """The server of runs; any thread may call its methods.

    Without `shared`, all visitors are one person. `weights_folder`: the folder of networks that experiments trained,
    which shares the limits on space and age. Receivers of messages are called on the server's thread: they must neither
    block nor call the server. A thread of its own, because in JupyterLab a cell may keep the kernel's thread busy.
    """

    def __init__(
        self,
        executor: Executor,
        store: RunStore,
        limits: Limits | None = None,
        shared: bool = False,
        weights_folder: Path | None = None,
    ) -> None:
        self._executor, self._store, self._shared = executor, store, shared
        limits = limits or Limits()
        self._writer = RunWriter(store, limits, weights_folder)
        self._scheduler = Scheduler(executor, store, self._writer, limits, shared)
        self._keys = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._timers = self._loop.create_task(self._repeat_checks())
        self._thread = threading.Thread(target=self._serve, name="kdlab-server", daemon=True)
        self._thread.start()

    def submit(self, request: RunRequest, visitor: str = "", paused: bool = False, resumed_run: str = "") -> str:
        """Queue a run and return its id; with the id of an ended `resumed_run`, resume it from its last checkpoint.

        Raises InputError for exceeded limits, and where there is no checkpoint.
        """
        return self._call(self._scheduler.submit(request, self._who(visitor), paused, resumed_run))

    def subscribe(self, run: str, receive: Receive, visitor: str = "") -> int:
        """Send a run's messages to `receive`, first a `RunSnapshot`; return the key for `unsubscribe`.

        Raises InputError.
        """
        key = next(self._keys)
        self._call(self._scheduler.runs.subscribe(run, key, receive, self._who(visitor)))
        return key

    def unsubscribe(self, run: str, key: int) -> None:
        """Remove the subscriber with this key; the run continues."""
        self._post(self._scheduler.runs.unsubscribe, run, key)

    def send_command(
        self, run: str, command: Command, values: Mapping[str, float] | None = None, visitor: str = ""
    ) -> None:
        """Send a command to a run, without waiting for its effect; others' runs are left alone."""
        self._post(self._scheduler.send_command, run, command, values, self._who(visitor))

    def runs(self, visitor: str = "") -> list[RunInfo]:
        """Return the visitor's runs, newest first; raises InputError."""
        return self._store.runs(self._who(visitor) if self._shared else None)

    def info(self, run: str) -> RunInfo | None:
        """Return a stored run, or None."""
        return self._store.info(run)

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """Return the files of a run's "result" or "checkpoint", or None; raises InputError when they are damaged."""
        unsaved = self._writer.unsaved_result(run) if part == "result" else None
        return dict(unsaved) if unsaved else self._store.files(run, part)

    def delete(self, run: str, visitor: str = "") -> None:
        """Delete an ended run; raises InputError for an active run, and for another visitor's."""
        self._call(self._scheduler.delete(run, self._who(visitor)))

    def close(self) -> None:
        """End all runs and their processes; they are stored as interrupted."""
        if self._loop.is_closed():
            return
        self._scheduler.closed = True
        self._executor.close()  # on this thread, because executions may wait for the loop
        self._call(self._scheduler.interrupt_all())
        self._loop.call_soon_threadsafe(self._timers.cancel)
        self._thread.join()
        self._writer.close()

    # --- on the server's thread ---------------------------------------------------------------------------------------

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._timers)
        while tasks := asyncio.all_tasks(self._loop):
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _repeat_checks(self) -> None:
        """Check limits, heartbeats and old runs periodically, until cancelled."""
        last_heartbeat, last_cleanup = time.monotonic(), -math.inf
        while True:
            if time.monotonic() - last_cleanup > CLEANUP_INTERVAL:
                last_cleanup = time.monotonic()
                await self._log_failure(self._writer.run(self._writer.delete_old))
            await asyncio.sleep(min(LIMIT_CHECK_INTERVAL, HEARTBEAT_INTERVAL))
            await self._log_failure(self._scheduler.check_limits())
            if time.monotonic() - last_heartbeat > HEARTBEAT_INTERVAL:
                last_heartbeat = time.monotonic()
                await self._log_failure(self._scheduler.heartbeat())

    @staticmethod
    async def _log_failure(work: Coroutine[Any, Any, object]) -> None:
        """Await work and log any exception: a failure of one run must not affect the others."""
        try:
            await work
        except Exception:
            log.exception("the server of runs failed")

    # --- on any thread ------------------------------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise InputError(CLOSED)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _post(self, function: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _who(self, visitor: str) -> str:
        if self._shared and not visitor:
            raise InputError("This page does not know yet who is looking: reload it.")
        return visitor if self._shared else ""
