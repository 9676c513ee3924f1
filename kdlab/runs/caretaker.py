"""The desk's thread: it handles the workers' messages, and checks runs and store periodically."""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from kdlab.runs.active_run import ActiveRun
from kdlab.runs.dispatch import Dispatcher
from kdlab.runs.inbox import Inbox
from kdlab.runs.keeper import Keeper
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import RunWarning
from kdlab.runs.worker import Happened, Message

__all__ = ["Caretaker"]

LIMIT_CHECK_INTERVAL = 1.0  # seconds between two checks of the limits
HEARTBEAT_INTERVAL = 10.0  # seconds between two heartbeats in the store, each with a retry of failed writes
CLEANUP_INTERVAL = 3600.0  # seconds between two deletions of expired runs
log = logging.getLogger("kdlab")


class Caretaker:
    """A thread that holds the desk's `lock` while it changes runs, and writes their files without it."""

    def __init__(
        self, lock: AbstractContextManager[Any], inbox: Inbox, dispatcher: Dispatcher, keeper: Keeper, limits: Limits
    ) -> None:
        self._lock, self._inbox, self._dispatcher, self._keeper = lock, inbox, dispatcher, keeper
        self._limits = limits
        self._thread = threading.Thread(target=self._work, name="kdlab-desk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; `take_rest` handles the remaining messages."""
        self._inbox.close()
        self._thread.join()

    def take_rest(self) -> None:
        """Handle messages that arrived after the thread ended: one may be the end of a run."""
        for live, message in self._inbox.rest():
            self._take(live, message)

    def _work(self) -> None:
        last_check = last_heartbeat = time.monotonic()
        last_cleanup = -math.inf
        while not self._inbox.closed:
            if received := self._inbox.get(LIMIT_CHECK_INTERVAL):
                self._safely(partial(self._take, *received))
            timestamp = time.monotonic()
            if timestamp - last_check > LIMIT_CHECK_INTERVAL:
                last_check = timestamp
                self._safely(self._look)
            if timestamp - last_heartbeat > HEARTBEAT_INTERVAL:
                last_heartbeat = timestamp
                self._safely(self._beat)
            if timestamp - last_cleanup > CLEANUP_INTERVAL:
                last_cleanup = timestamp
                self._safely(self._keeper.tidy)

    def _safely(self, work: Callable[[], None]) -> None:
        """Do something and log any exception: a failure of one run must not affect the others."""
        try:
            work()
        except Exception:
            log.exception("the desk failed")

    def _take(self, live: ActiveRun, message: Message) -> None:
        try:
            if isinstance(message, Happened) and hasattr(message.event, "files"):
                self._keep(live, message.event)
            else:
                with self._lock:
                    self._dispatcher.hear(live, message)
        except Exception as error:
            log.exception("the desk failed")
            with self._lock:
                self._dispatcher.fail(live, error)

    def _keep(self, live: ActiveRun, saved: Any) -> None:
        """Write the files before taking the lock, because it may take long."""
        try:
            if live.ended:
                return
            live.kept = live.kept or saved.final
            part = "result" if saved.final else "checkpoint"
            if trouble := self._keeper.keep(live.run, part, saved.files):
                with self._lock:
                    live.tell(RunWarning(trouble))
        finally:
            live.saving = False

    def _look(self) -> None:
        """Check the time limits of runs, and write their states to the store."""
        with self._lock:
            for live in list(self._dispatcher.turns.busy):
                live.count()
                self._check_time(live)
                if not live.ended and not live.noted:
                    self._dispatcher.note(live)
            self._dispatcher.begin()  # more workers may be available

    def _check_time(self, live: ActiveRun) -> None:
        """Stop a run that has used its training time, or that is paused too long while others wait."""
        limits, key = self._limits, ""
        if 0 < limits.seconds < live.working:
            key = "seconds"
        elif 0 < limits.pause_seconds < live.held and self._dispatcher.turns.waiting:
            key = "pause_seconds"
        if key and not live.ended and not live.stopped_because:
            live.stopped_because = limits.sentence(key)
            self._dispatcher.stop(live)
        elif live.stop_asked:
            self._dispatcher.stop(live)

    def _beat(self) -> None:
        """Write heartbeats of the runs, measure the used disk space, and retry failed writes."""
        with self._lock:
            for live in self._dispatcher.turns.busy:
                if not live.ended:
                    self._dispatcher.note(live)
            for live in self._dispatcher.turns.waiting:
                self._keeper.note(live.run)
        self._keeper.measure()
        for run in self._keeper.retry():
            with self._lock:
                if ended := self._dispatcher.runs.get(run):
                    self._dispatcher.forget(ended)
