"""The desk's own thread: it takes what workers say, and looks after runs and store in regular turns."""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from kdlab.runs.active_run import LiveRun
from kdlab.runs.dispatch import Dispatcher
from kdlab.runs.inbox import Inbox
from kdlab.runs.keeper import Keeper
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Notice
from kdlab.runs.worker import Happened, Message

__all__ = ["Caretaker"]

PULSE = 1.0  # seconds between two looks at limits
BEAT = 10.0  # seconds between two signs of life in the store, which also tries again to keep what could not be kept
TIDY = 3600.0  # seconds between two looks for runs that have been kept for long enough
log = logging.getLogger("kdlab")


class Caretaker:
    """A thread that asks for the desk's `lock` where it changes runs, and writes their files without it."""

    def __init__(
        self, lock: AbstractContextManager[Any], inbox: Inbox, dispatcher: Dispatcher, keeper: Keeper, limits: Limits
    ) -> None:
        self._lock, self._inbox, self._dispatcher, self._keeper = lock, inbox, dispatcher, keeper
        self._limits = limits
        self._thread = threading.Thread(target=self._work, name="kdlab-desk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; what workers still say is left to `take_rest`."""
        self._inbox.close()
        self._thread.join()

    def take_rest(self) -> None:
        """Take what came after the thread had ended: it may be the end of a run."""
        for live, message in self._inbox.rest():
            self._take(live, message)

    def _work(self) -> None:
        looked = beaten = time.monotonic()
        tidied = -math.inf
        while not self._inbox.closed:
            if said := self._inbox.get(PULSE):
                self._safely(partial(self._take, *said))
            now = time.monotonic()
            if now - looked > PULSE:
                looked = now
                self._safely(self._look)
            if now - beaten > BEAT:
                beaten = now
                self._safely(self._beat)
            if now - tidied > TIDY:
                tidied = now
                self._safely(self._keeper.tidy)

    def _safely(self, work: Callable[[], None]) -> None:
        """Do something, and go on whatever comes of it: no run's trouble is to be all runs'."""
        try:
            work()
        except Exception:
            log.exception("the desk failed")

    def _take(self, live: LiveRun, message: Message) -> None:
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

    def _keep(self, live: LiveRun, saved: Any) -> None:
        """Write what is to be kept before the lock is asked for, because it may take long."""
        try:
            if live.ended:
                return
            live.kept = live.kept or saved.final
            part = "result" if saved.final else "checkpoint"
            if trouble := self._keeper.keep(live.run, part, saved.files):
                with self._lock:
                    live.tell(Notice(trouble))
        finally:
            live.saving = False

    def _look(self) -> None:
        """Hold runs to their time, and write down in which states they are."""
        with self._lock:
            for live in list(self._dispatcher.turns.busy):
                live.count()
                self._check_time(live)
                if not live.ended and not live.noted:
                    self._dispatcher.note(live)
            self._dispatcher.begin()  # there may be more workers now

    def _check_time(self, live: LiveRun) -> None:
        """End a run that has trained for as long as is allowed, or one that is paused for long while others wait."""
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
        """Say that runs are in hand, look how much room there is, and write what could not be written before."""
        with self._lock:
            for live in self._dispatcher.turns.busy:
                if not live.ended:
                    self._dispatcher.note(live)
            for live in self._dispatcher.turns.waiting:
                self._keeper.note(live.run)
        self._keeper.measure()
        for run in self._keeper.retry():
            with self._lock:
                if found := self._dispatcher.runs.get(run):
                    self._dispatcher.forget(found)
