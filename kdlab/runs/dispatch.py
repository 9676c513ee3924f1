"""Start runs at the engine in their order, and follow each to its end."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from kdlab.registry import InputError
from kdlab.runs.active_run import ActiveRun, redact
from kdlab.runs.fair_queue import FairQueue
from kdlab.runs.keeper import Keeper
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Executor, Files, RunWarning
from kdlab.runs.worker import ENDS, Message, Status

__all__ = ["Dispatcher"]

KILL_AFTER = 30.0  # seconds from the stop command until the worker is killed
log = logging.getLogger("kdlab")


class Dispatcher:
    """The active runs. Callers hold the desk's lock.

    `runs`: by id, the runs in `turns`, and ended ones that still have watchers or an unwritten result. `receive` gets
    the workers' messages on the engine's threads. `checkpoint` returns the checkpoint of a run, or None.
    """

    def __init__(
        self, engine: Executor, keeper: Keeper, limits: Limits, shared: bool,
        receive: Callable[[ActiveRun, Message], None], checkpoint: Callable[[str], Files | None],
    ) -> None:  # fmt: skip
        self._engine, self._keeper, self._limits, self._shared = engine, keeper, limits, shared
        self._receive, self._checkpoint = receive, checkpoint
        self.runs: dict[str, ActiveRun] = {}
        self.turns = FairQueue(one_each=shared)
        self.closed = False

    def add(self, live: ActiveRun) -> None:
        """Queue a run."""
        self.runs[live.run] = live
        self.turns.waiting.append(live)
        self.begin()

    def begin(self) -> None:
        """Start the runs for which there are slots, and tell the others their position."""
        if self.closed:
            return
        slots = self._engine.slots
        while live := self.turns.begin(min(slots, self._limits.runs_at_once or slots)):
            self._launch(live)
        self.turns.tell_places()

    def tell(self, live: ActiveRun, command: str, value: Any) -> None:
        """Send a command to a run; for a queued run apply it here."""
        if live.ended or self.closed:
            return
        if live in self.turns.busy and command == "stop":
            self.stop(live)
        elif live in self.turns.busy:
            self._engine.tell(live.run, command, value)
        elif command == "stop":
            self.hear(live, Status("stopped"))
        elif command in ("pause", "resume", "step"):
            live.paused = command != "resume"

    def stop(self, live: ActiveRun) -> None:
        """Tell a run to stop, or kill its worker when the stop command was sent long ago."""
        timestamp = time.monotonic()
        if not live.stop_asked:
            live.stop_asked = timestamp
            self._engine.tell(live.run, "stop")
        elif timestamp - live.stop_asked > KILL_AFTER:
            log.error("run %s did not stop: its worker is ended", live.run)
            live.stop_asked = timestamp
            self._engine.kill(live.run)

    def hear(self, live: ActiveRun, message: Message) -> None:
        """Handle a worker's message about its run."""
        if isinstance(message, Status) and message.state in ENDS:
            if live.ended:  # its record failed before; now its worker is free too
                self.turns.leave(live)
            else:
                self._end(live, message)
            self.begin()
        elif not live.ended:
            live.tell(message)
            live.noted = live.noted and not isinstance(message, Status)

    def fail(self, live: ActiveRun, error: Exception) -> None:
        """End a run whose record failed, without using the record; its slot is free when its worker stops."""
        if live in self.turns.busy:
            self.stop(live)
        self._keeper.note(live.run, Status("failed", message="The run's record failed."))
        end = Status("failed", type(error).__name__, str(error))
        live.tell(redact(end) if self._shared else end)
        self.forget(live)
        self.begin()

    def note(self, live: ActiveRun) -> None:
        """Write the state of a run to the store."""
        live.noted = True
        self._keeper.note(live.run, live.status, **live.facts())

    def forget(self, live: ActiveRun) -> None:
        """Drop an ended run without watchers; the store has it."""
        if live.ended and not live.watchers and not self._keeper.lacks(live.run):
            self.runs.pop(live.run, None)

    def interrupt(self) -> None:
        """Mark all runs as interrupted, after the engine was closed."""
        for live in [*self.turns.busy, *self.turns.waiting]:
            self.hear(live, Status("interrupted", "Closed", "kdlab was closed while this run went on."))

    def _launch(self, live: ActiveRun) -> None:
        try:
            checkpoint = self._checkpoint(live.run) if live.goes_on else None
            self._engine.start(live.run, live.job, live.paused, checkpoint, partial(self._receive, live))
        except Exception as error:  # any failure to start must free the slot
            if not isinstance(error, InputError):
                log.exception("a run could not be begun")
            self._end(live, Status("failed", type(error).__name__, str(error)))

    def _end(self, live: ActiveRun, end: Status) -> None:
        self.turns.leave(live)
        if live.stopped_because:
            end = Status("stopped", "Limit", live.stopped_because)
        if self._shared:
            end = redact(end)
        # Save before notifying, so that the store is complete when watchers learn of the end.
        files = {} if live.kept else live.record.files()
        if files and (trouble := self._keeper.keep(live.run, "result", files)):
            live.tell(RunWarning(trouble))
        if end.state == "done":
            self._keeper.keep(live.run, "checkpoint", {})
        self._keeper.note(live.run, end, **live.facts())
        live.tell(end)
        self.forget(live)
