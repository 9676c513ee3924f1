"""The desk: takes runs from visitors, lets them have their turns, records what happens and keeps it."""

import itertools
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
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
STUBBORN = 30.0  # seconds that a run may take to stop
TIDY = 3600.0  # seconds between two looks for runs that have been kept for long enough
REMEMBERED = 1000  # visitors of whom it is known when they had a turn
MOST_UNHEARD = 1000  # messages that wait for the desk's thread before workers wait for it
BEAT = 10.0  # seconds between two signs of life in the store, which also tries again to keep what could not be kept
log = logging.getLogger("kdlab")


class Desk:
    """Where pages have their runs; its methods may be called from any thread, and receivers are called from any.

    Without `shared`, all who come are one person. `pieces`: the folder of what experiments train, which shares the room
    and the days of the runs. A receiver must not wait: the run would wait with it.
    """

    def __init__(
        self, engine: Engine, store: "Store", limits: Limits | None = None, shared: bool = False,
        pieces: Path | None = None,
    ) -> None:  # fmt: skip
        self._engine, self._store, self._shared, self._pieces = engine, store, shared, pieces
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
        self._room_taken = self._measure()
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
            if live in self._busy and command == "stop":
                self._stop(live)
            elif live in self._busy:
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
            if (live and not live.ended) or (not live and row.state not in ENDS):
                raise InputError("This run is still going on: stop it first.")
            self._unkept.pop(run, None)
            self._store.delete(run)

    def close(self) -> None:
        """End all runs and their processes; what they had is kept as interrupted."""
        self._closing = True
        self._inbox.put(None)
        self._thread.join()
        self._engine.close()
        while not self._inbox.empty():  # what came meanwhile may be the end of a run
            if said := self._inbox.get():
                self._take(*said)
        with self._lock:
            for live in [*self._busy, *self._waiting]:
                self._hear(live, Status("interrupted", "Closed", "kdlab was closed while this run went on."))
            self._waiting.clear()
        self._store.close()

    # --- taking turns -------------------------------------------------------------------------------------------------

    def _who(self, visitor: str) -> str:
        if self._shared and not visitor:
            raise InputError("This page does not know yet who is looking: reload it.")
        return visitor if self._shared else ""

    def _check_room(self, visitor: str) -> None:
        counts = {
            "queue_each": sum(live.visitor == visitor for live in self._waiting),
            "queue": len(self._waiting),
            "disk_bytes": self._room_taken,
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
        row = self._store.one(run)
        if row is None or not row.resumable:
            raise InputError("There is nothing that this run could go on from: start it again.")
        live = LiveRun.of(run, job, visitor)
        # What it had stays, until the run itself says where it goes on.
        live.goes_on, live.record = True, before.record
        live.watchers, live.working = before.watchers, before.working
        self._note(live, live.status)  # at once, so that no other desk on this store goes on with it too
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
            checkpoint = self._store.files(live.run, "checkpoint") if live.goes_on else None
            self._engine.start(live.run, live.job, live.paused, checkpoint, partial(self._receive, live))
        except Exception as error:  # the turn is not to be lost, whatever hinders this run
            if not isinstance(error, InputError):
                log.exception("a run could not be begun")
            self._hear(live, Status("failed", type(error).__name__, str(error)))

    # --- what workers say ---------------------------------------------------------------------------------------------

    def _receive(self, live: LiveRun, message: Message) -> None:
        """Take a message on an engine's thread, which waits while the desk is far behind; never with an end.

        Of what is to be kept, which may be large, one waits at a time.
        """
        if isinstance(message, Happened):
            saved = hasattr(message.event, "files")
            while (self._inbox.qsize() > MOST_UNHEARD or (saved and live.saving)) and not self._closing:
                time.sleep(0.01)
            live.saving = live.saving or saved
        self._inbox.put((live, message))

    def _hear(self, live: LiveRun, message: Message) -> None:
        if live.ended:
            return
        if isinstance(message, Happened):
            live.tell(message)
        elif message.state in ENDS:
            if live.stopped_because:
                message = Status("stopped", "Limit", live.stopped_because)
            self._end(live, discreet(message) if self._shared else message)
        else:
            live.tell(message)
            live.noted = False

    def _end(self, live: LiveRun, message: Status) -> None:
        if live in self._busy:
            self._busy.remove(live)
        # Kept first, so that whoever hears of the end finds all of it in the store.
        files = {} if live.kept else live.record.files()
        if files:
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
            if said:
                self._take(*said)
            now = time.monotonic()
            if now - looked > PULSE:
                looked = now
                self._safely(self._look)
            if now - beaten > BEAT:
                beaten = now
                self._safely(self._beat)
            if now - tidied > TIDY:
                tidied = now
                self._safely(self._tidy)

    def _safely(self, work: Callable[[], None]) -> None:
        """Do something, and go on whatever comes of it: no run's trouble is to be all runs'."""
        try:
            work()
        except Exception:
            log.exception("the desk failed")

    def _take(self, live: LiveRun, message: Message) -> None:
        """Hear a message; what is to be kept is written before the lock is asked for, because it may take long."""
        try:
            if isinstance(message, Happened) and hasattr(message.event, "files"):
                if not live.ended:
                    live.kept = live.kept or message.event.final
                    self._keep(live, "result" if message.event.final else "checkpoint", message.event.files)
                live.saving = False
                return
            with self._lock:
                self._hear(live, message)
        except Exception as error:
            log.exception("the desk failed")
            with self._lock:
                self._abort(live, error)

    def _abort(self, live: LiveRun, error: Exception) -> None:
        """End a run whose record failed, without asking it for anything."""
        if live in self._busy:
            self._busy.remove(live)
            self._engine.tell(live.run, "stop")
        end = Status("failed", type(error).__name__, str(error))
        live.status = discreet(end) if self._shared else end
        self._safely(lambda: self._store.note(live.run, state="failed", message="The run's record failed."))
        for watcher in live.watchers.values():
            self._safely(partial(watcher.receive, live.status))
        self._forget(live)
        self._next()

    def _look(self) -> None:
        with self._lock:
            for live in list(self._busy):
                live.count()
                self._check_time(live)
                if not live.noted:
                    live.noted = True
                    self._note(live, live.status)
            self._next()

    def _tidy(self) -> None:
        days = self._limits.keep_days
        try:
            self._store.tidy(days)
            for piece, facts in self._kept_pieces().items():
                if days and time.time() - facts.st_mtime > 86400 * days:
                    piece.unlink(missing_ok=True)
        except (InputError, OSError) as error:
            log.error("%s", error)

    def _kept_pieces(self) -> dict[Path, os.stat_result]:
        """What experiments have kept; a file that another process removes meanwhile is left out."""
        found: dict[Path, os.stat_result] = {}
        for one in self._pieces.iterdir() if self._pieces and self._pieces.is_dir() else ():
            with suppress(FileNotFoundError):
                found[one] = one.stat()
        return found

    def _measure(self) -> int:
        return self._store.size() + sum(facts.st_size for facts in self._kept_pieces().values())

    def _beat(self) -> None:
        with self._lock:
            for live in self._busy:
                self._note(live, live.status)
            for live in self._waiting:
                self._store.note(live.run)  # which only says that somebody has it in hand
            for run, files in list(self._unkept.items()):
                if self._store.one(run) is None:
                    del self._unkept[run]  # deleted meanwhile
                    continue
                try:
                    self._store.put(run, "result", files)
                except InputError:
                    continue  # it was said when it was first tried
                del self._unkept[run]
        self._room_taken = self._measure()

    def _check_time(self, live: LiveRun) -> None:
        """End a run that has trained for as long as is allowed, or one that is paused for long while others wait."""
        limits = self._limits
        if live.stop_asked and time.monotonic() - live.stop_asked > STUBBORN:
            log.error("run %s did not stop: its worker is ended", live.run)
            live.stop_asked = time.monotonic()
            self._engine.kill(live.run)
        if 0 < limits.seconds < live.working:
            key = "seconds"
        elif 0 < limits.pause_seconds < live.held and self._waiting:
            key = "pause_seconds"
        else:
            return
        if not live.stopped_because:
            live.stopped_because = limits.sentence(key)
            self._stop(live)

    def _stop(self, live: LiveRun) -> None:
        """Ask a run to stop, and end its worker when it does not: one that hangs would keep its place for ever."""
        if not live.stop_asked:
            live.stop_asked = time.monotonic()
            self._engine.tell(live.run, "stop")
