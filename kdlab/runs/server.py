"""The desk: accepts runs from visitors, queues them, records their events and stores them."""

import itertools
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdlab.registry import InputError
from kdlab.runs.active_run import LiveRun
from kdlab.runs.caretaker import Caretaker
from kdlab.runs.dispatch import Dispatcher
from kdlab.runs.inbox import Inbox
from kdlab.runs.keeper import Keeper
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Engine, Hearing, Job
from kdlab.runs.worker import ENDS

if TYPE_CHECKING:
    from kdlab.runs.store import Row, Store

__all__ = ["Desk"]


class Desk:
    """The server of all runs; any thread may call its methods, and receivers are called on any thread.

    Without `shared`, all visitors are one person. `pieces`: the folder of networks that experiments trained, which
    shares the limits on space and age. A receiver must not block: the run would wait for it.

    Calls of pages and the caretaker's thread, which handles the workers' messages, both take the one lock; the
    dispatcher and its runs take none.
    """

    def __init__(
        self, engine: Engine, store: "Store", limits: Limits | None = None, shared: bool = False,
        pieces: Path | None = None,
    ) -> None:  # fmt: skip
        self._engine, self._store, self._shared = engine, store, shared
        self._limits = limits or Limits()
        self._lock = threading.RLock()
        self._keys = itertools.count()
        self._keeper = Keeper(store, self._limits, pieces)
        inbox = Inbox()
        self._dispatcher = Dispatcher(
            engine, self._keeper, self._limits, shared, inbox.put, lambda run: store.files(run, "checkpoint")
        )
        self._caretaker = Caretaker(self._lock, inbox, self._dispatcher, self._keeper, self._limits)

    def submit(self, job: Job, visitor: str = "", paused: bool = False, run: str = "") -> str:
        """Queue a job and return its run's id; with the id of an ended `run`, resume from its last checkpoint.

        Raises InputError for exceeded limits, and where there is no checkpoint.
        """
        visitor = self._who(visitor)
        self._limits.check(job.asks)
        with self._lock:
            self._check_room(visitor)
            live = self._again(run, job, visitor) if run else self._anew(job, visitor)
            live.paused = paused
            self._dispatcher.add(live)
        return live.run

    def watch(self, run: str, receive: Callable[[Hearing], None], visitor: str = "") -> int:
        """Subscribe `receive` to a run, beginning with `Attached`; return the key for `unwatch`. Raises InputError."""
        with self._lock:
            live, visitor = self._find(run), self._who(visitor)
            self._dispatcher.runs[run] = live
            key = next(self._keys)
            live.watch(key, receive, visitor)
            return key

    def unwatch(self, run: str, key: int) -> None:
        """Unsubscribe the receiver with this key; the run continues."""
        with self._lock:
            if live := self._dispatcher.runs.get(run):
                live.watchers.pop(key, None)
                self._dispatcher.forget(live)

    def tell(self, run: str, command: str, value: Any = None, visitor: str = "") -> None:
        """Send a command to a run: pause, resume, step, stop, or turn with values. Others' runs are left alone."""
        with self._lock:
            live = self._dispatcher.runs.get(run)
            if live and live.visitor == self._who(visitor):
                self._dispatcher.tell(live, command, value)

    def limits(self) -> Limits:
        """Return the limits for visitors."""
        return self._limits

    def rows(self, visitor: str = "") -> "list[Row]":
        """Return the visitor's runs, newest first."""
        return self._store.rows(self._who(visitor) if self._shared else None)

    def row(self, run: str) -> "Row | None":
        """Return a stored run, or None; raises InputError."""
        return self._store.one(run)

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """Return the files of a run's "result" or "checkpoint", or None; raises InputError when they are damaged."""
        return self._store.files(run, part)

    def delete(self, run: str, visitor: str = "") -> None:
        """Delete an ended run; raises InputError for an active run, and for another visitor's."""
        with self._lock:
            row, live = self._store.one(run), self._dispatcher.runs.get(run)
            if row is None or row.visitor != self._who(visitor):
                raise InputError("This run is not among yours.")
            if (live and not live.ended) or (not live and row.state not in ENDS):
                raise InputError("This run is still going on: stop it first.")
            self._keeper.delete(run)
        self._keeper.measure()  # at once, because visitors delete runs to make space

    def close(self) -> None:
        """End all runs and their processes; they are stored as interrupted."""
        with self._lock:
            self._dispatcher.closed = True
        self._caretaker.close()
        self._engine.close()
        self._caretaker.take_rest()
        with self._lock:
            self._dispatcher.interrupt()
        self._store.close()

    # --- with the lock ------------------------------------------------------------------------------------------------

    def _who(self, visitor: str) -> str:
        if self._shared and not visitor:
            raise InputError("This page does not know yet who is looking: reload it.")
        return visitor if self._shared else ""

    def _check_room(self, visitor: str) -> None:
        if self._dispatcher.closed:
            raise InputError("kdlab is being closed: open it again, and start the run then.")
        waiting = self._dispatcher.turns.waiting
        counts = {
            "queue_each": sum(live.visitor == visitor for live in waiting),
            "queue": len(waiting),
            "disk_bytes": self._keeper.taken,
        }
        for key, count in counts.items():
            if 0 < getattr(self._limits, key) <= count:
                raise InputError(self._limits.sentence(key))

    def _anew(self, job: Job, visitor: str) -> LiveRun:
        live = LiveRun.of(secrets.token_urlsafe(12), job, visitor)
        self._store.begin(
            live.run, visitor=visitor, kind=job.kind, label=job.label, page=job.page, about=dict(job.about)
        )
        return live

    def _again(self, run: str, job: Job, visitor: str) -> LiveRun:
        """Return an ended run, prepared to resume with its watchers."""
        previous = self._find(run)
        if previous.visitor != visitor:
            raise InputError("This run is not among yours: start one of your own with its settings.")
        if not previous.ended or any(live.run == run for live in self._dispatcher.turns.busy):
            raise InputError("This run is still going on.")
        row = self._store.one(run)
        if row is None or not row.resumable:
            raise InputError("There is nothing that this run could go on from: start it again.")
        live = LiveRun.of(run, job, visitor)
        # The record stays until the run reports from where it resumes.
        live.goes_on, live.record = True, previous.record
        live.watchers, live.working = previous.watchers, previous.working
        self._dispatcher.note(live)  # at once, so that no other desk on this store resumes it too
        return live

    def _find(self, run: str) -> LiveRun:
        """Return a run in memory or from the store; raises InputError."""
        if live := self._dispatcher.runs.get(run):
            return live
        row = self._store.one(run)
        if row is None:
            raise InputError("This run is not here any more: it was deleted, or kept for as long as was agreed.")
        if row.state not in ENDS:
            raise InputError("This run goes on in another kdlab on this store: open it there, or wait for its end.")
        return LiveRun.kept_as(row, self._store.files(run, "result"))
