"""The desk: takes runs from visitors, lets them have their turns, records what happens and keeps it."""

import itertools
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from kdlab.desk.job import Engine, Files, Hearing, Job, Notice
from kdlab.desk.limits import Limits
from kdlab.desk.live import LiveRun, discreet, in_turn, queued
from kdlab.registry import InputError
from kdlab.runner import ENDS, Happened, Message, Status

if TYPE_CHECKING:
    from kdlab.desk.store import Row, Store

__all__ = ["Desk"]

PULSE = 1.0  # seconds between two looks at limits
TIDY = 3600.0  # seconds between two looks for runs that have been kept for long enough
REMEMBERED = 1000  # visitors of whom it is known when they had a turn
MOST_UNHEARD = 1000  # messages that wait for the desk's thread before workers wait for it
BEAT = 10.0  # seconds between two signs of life in the store, which also tries again to keep what could not be kept
log = logging.getLogger("kdlab")


class Desk:
    """Where pages have their runs; its methods may be called from any thread, and receivers are called from any.

    Without `shared`, all who come are one person. A receiver must not wait: the run would wait with it.
    """

    def __init__(self, engine: Engine, store: "Store", limits: Limits | None = None, shared: bool = False) -> None:
        self._engine, self._store, self._shared = engine, store, shared
        self._limits = limits or Limits()
        self._runs: dict[str, LiveRun] = {}
        self._waiting: list[LiveRun] = []
        self._busy: list[LiveRun] = []
        self._served: list[str] = []  # visitors who had a turn, the latest last
        self._unkept: dict[str, Files] = {}
        self._lock = threading.RLock()
        self._keys = itertools.count()
        # What workers say waits here, so that an engine never waits for the desk, which may be waiting for the engine.
        self._inbox: queue.SimpleQueue[tuple[LiveRun, Message] | None] = queue.SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="kdlab-desk", daemon=True)
        self._thread.start()

    # --- what pages ask -----------------------------------------------------------------------------------------------

    def submit(self, job: Job, visitor: str = "", paused: bool = False, run: str = "") -> str:
        """Queue a job and return its run's id; with the id of a `run` that ended, go on from its last checkpoint.

        Raises InputError for what the limits do not allow, and where there is nothing to go on from.
        """
        visitor = self._who(visitor)
        self._limits.check(job)
        with self._lock:
            self._check_room(visitor)
            live = self._again(run, job, visitor) if run else self._anew(job, visitor)
            live.paused = paused
            self._runs[live.run] = live
            self._waiting.append(live)
            self._next()
        return live.run

    def watch(self, run: str, receive: Callable[[Hearing], None], visitor: str = "") -> int:
        """Tell `receive` of a run, beginning with `Attached`; return the key to `unwatch`. Raises InputError."""
        with self._lock:
            live = self._find(run)
            key = next(self._keys)
            live.watch(key, receive, self._who(visitor))
            return key

    def unwatch(self, run: str, key: int) -> None:
        """Tell no more of a run to the receiver of this key; the run goes on."""
        with self._lock:
            if live := self._runs.get(run):
                live.watchers.pop(key, None)
                self._forget(live)

    def tell(self, run: str, command: str, value: Any = None, visitor: str = "") -> None:
        """Send a command to a run: pause, resume, step, stop, or turn with values. Others' runs are left alone."""
        with self._lock:
            live = self._runs.get(run)
            if live is None or live.visitor != self._who(visitor) or live.ended:
                return
            if live in self._busy:
                self._engine.tell(run, command, value)
            elif command == "stop":
                self._waiting.remove(live)
                self._hear(live, Status("stopped"))
            elif command in ("pause", "resume", "step"):
                live.paused = command != "resume"

    def limits(self) -> Limits:
        """Return what visitors may do."""
        return self._limits

    def rows(self, visitor: str = "") -> "list[Row]":
        """Return the visitor's runs, newest first."""
        return self._store.rows(self._who(visitor) if self._shared else None)

    def row(self, run: str) -> "Row | None":
        """Return what is kept of a run, or None; raises InputError."""
        return self._store.one(run)

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """Return the files of a run's "result" or "checkpoint", or None; raises InputError when they are damaged."""
        return self._store.files(run, part)

    def delete(self, run: str, visitor: str = "") -> None:
        """Delete a run that has ended; raises InputError for one that goes on, and for another visitor's."""
        with self._lock:
            row, live = self._store.one(run), self._runs.get(run)
            if row is None or row.visitor != self._who(visitor):
                raise InputError("This run is not among yours.")
            if live and not live.ended:
                raise InputError("This run is still going on: stop it first.")
            self._unkept.pop(run, None)
            self._store.delete(run)

    def close(self) -> None:
        """End all runs and their processes; what they had is kept as interrupted."""
        self._closing = True
        self._inbox.put(None)
        self._thread.join()
        self._engine.close()
        with self._lock:
            for live in [*self._busy, *self._waiting]:
                self._hear(live, Status("interrupted", "Closed", "kdlab was closed while this run went on."))
            self._waiting.clear()
        self._store.close()

    # --- taking turns -------------------------------------------------------------------------------------------------

    def _who(self, visitor: str) -> str:
        return visitor if self._shared else ""

    def _check_room(self, visitor: str) -> None:
        counts = {
            "queue_each": sum(live.visitor == visitor for live in self._waiting),
            "queue": len(self._waiting),
            "disk_bytes": self._store.size(),
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
        """The run that ended, to be gone on with by those who look at it."""
        before = self._find(run)
        if before.visitor != visitor:
            raise InputError("This run is not among yours: start one of your own with its settings.")
        if not before.ended:
            raise InputError("This run is still going on.")
        live = LiveRun.of(run, job, visitor)
        live.checkpoint = self._store.files(run, "checkpoint")
        live.watchers, live.working = before.watchers, before.working if live.checkpoint else 0.0
        for watcher in live.watchers.values():
            live.introduce(watcher)
        return live

    def _next(self) -> None:
        """Begin the runs whose turn it is, and tell the others their place."""
        order = in_turn(self._waiting, self._busy, self._served)
        most = min(self._engine.slots, self._limits.runs_at_once or self._engine.slots)
        for live in order:
            if live not in self._waiting:
                continue  # begun meanwhile, because one before it ended at once
            one_already = self._shared and any(other.visitor == live.visitor for other in self._busy)
            if len(self._busy) < most and not one_already:
                self._waiting.remove(live)
                self._busy.append(live)
                self._served = [*(one for one in self._served if one != live.visitor), live.visitor][-REMEMBERED:]
                self._launch(live)
        for place, live in enumerate(live for live in order if live in self._waiting):
            if live.status != (status := queued(place)):
                live.tell(status)

    def _launch(self, live: LiveRun) -> None:
        try:
            self._engine.start(live.run, live.job, live.paused, live.checkpoint, partial(self._receive, live))
        except InputError as error:
            self._hear(live, Status("failed", "InputError", str(error)))
        live.checkpoint = None  # which may be large

    # --- what workers say ---------------------------------------------------------------------------------------------

    def _receive(self, live: LiveRun, message: Message) -> None:
        """Take a message on an engine's thread, which waits while the desk is far behind; never with an end."""
        while isinstance(message, Happened) and self._inbox.qsize() > MOST_UNHEARD and not self._closing:
            time.sleep(0.01)
        self._inbox.put((live, message))

    def _hear(self, live: LiveRun, message: Message) -> None:
        if live.ended:
            return
        if isinstance(message, Happened):
            if hasattr(message.event, "files"):
                live.kept = live.kept or message.event.final
                self._keep(live, "result" if message.event.final else "checkpoint", message.event.files)
            else:
                live.tell(message)
        elif message.state in ENDS:
            if message.state == "stopped" and live.stopped_because:
                message = Status("stopped", "Limit", live.stopped_because)
            self._end(live, discreet(message) if self._shared else message)
        else:
            live.tell(message)
            self._note(live, message)

    def _end(self, live: LiveRun, message: Status) -> None:
        if live in self._busy:
            self._busy.remove(live)
        # Kept first, so that whoever hears of the end finds all of it in the store.
        if not live.kept and (files := live.record.files()):
            self._keep(live, "result", files)
        if message.state == "done":
            self._keep(live, "checkpoint", {})
        self._note(live, message)
        live.tell(message)
        self._forget(live)
        if not self._closing:
            self._next()

    def _keep(self, live: LiveRun, part: str, files: Files) -> None:
        try:
            self._store.put(live.run, part, files)
        except InputError as error:
            if part == "result":
                self._unkept[live.run] = files
            log.error("%s", error)
            live.tell(Notice(f"{error} The run's numbers stay on this page; kdlab goes on trying to keep them."))

    def _note(self, live: LiveRun, status: Status) -> None:
        live.count()
        summary, seconds = live.record.summary(), round(live.working, 1)
        try:
            self._store.note(live.run, state=status.state, message=status.message, summary=summary, seconds=seconds)
        except InputError as error:
            log.error("%s", error)

    # --- finding runs again -------------------------------------------------------------------------------------------

    def _find(self, run: str) -> LiveRun:
        """A run that is known here, or was kept; raises InputError."""
        if live := self._runs.get(run):
            return live
        row = self._store.one(run)
        if row is None:
            raise InputError("This run is not here any more: it was deleted, or kept for as long as was agreed.")
        if row.state not in ENDS:
            raise InputError("This run goes on in another kdlab on this store: open it there, or wait for its end.")
        self._runs[run] = live = LiveRun.kept_as(row, self._store.files(run, "result"))
        return live

    def _forget(self, live: LiveRun) -> None:
        """Let go of what has ended and nobody looks at; the store has it."""
        if live.ended and not live.watchers and live.run not in self._unkept:
            self._runs.pop(live.run, None)

    # --- the desk's own thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Take what workers say; now and then look at limits, and every BEAT give signs of life to the store."""
        looked = beaten = time.monotonic()
        tidied = 0.0
        while not self._closing:
            try:
                said = self._inbox.get(timeout=PULSE)
            except queue.Empty:
                said = None
            with self._lock:
                if said:
                    self._hear(*said)
                if (now := time.monotonic()) - looked > PULSE:
                    looked = now
                    self._look()
                if now - beaten > BEAT:
                    beaten = now
                    self._beat()
            if now - tidied > TIDY:
                tidied = now
                self._tidy()

    def _look(self) -> None:
        for live in list(self._busy):
            live.count()
            self._check_time(live)
        self._next()

    def _tidy(self) -> None:
        try:
            self._store.tidy(self._limits.keep_days)
        except InputError as error:
            log.error("%s", error)

    def _beat(self) -> None:
        for live in [*self._busy, *self._waiting]:
            self._note(live, live.status)
        for run, files in list(self._unkept.items()):
            try:
                self._store.put(run, "result", files)
            except InputError:
                continue  # it was said when it was first tried
            del self._unkept[run]

    def _check_time(self, live: LiveRun) -> None:
        """End a run that has trained for as long as is allowed, or one that is paused for long while others wait."""
        limits = self._limits
        if 0 < limits.seconds < live.working:
            key = "seconds"
        elif 0 < limits.pause_seconds < live.held and self._waiting:
            key = "pause_seconds"
        else:
            return
        if not live.stopped_because:
            live.stopped_because = limits.sentence(key)
            self._engine.tell(live.run, "stop")
