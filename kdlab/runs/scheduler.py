"""The scheduler of runs: it owns their state, and starts them in fair turns, within limits.

All methods run on one event loop. What takes long, a write to the disk, runs on the writer's thread and is awaited.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from kdlab.registry import InputError
from kdlab.runs.active_run import ActiveRun, redact
from kdlab.runs.fair_queue import FairQueue
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import (
    CLOSED,
    ENDS,
    Command,
    EventBatch,
    Executor,
    RunRequest,
    RunWarning,
    Status,
    WorkerMessage,
)
from kdlab.runs.run_directory import RunDirectory
from kdlab.runs.run_writer import RunWriter
from kdlab.runs.store import ELSEWHERE, RunStore

__all__ = ["Scheduler"]

KILL_AFTER = 30.0  # seconds from the stop command until the execution is killed
log = logging.getLogger("kdlab")


class Scheduler:
    """Starts and ends the runs in `queue`; `runs` has those in memory.

    `shared`: visitors are told apart, each has at most one slot, and none reads details of this machine.
    """

    def __init__(self, executor: Executor, store: RunStore, writer: RunWriter, limits: Limits, shared: bool) -> None:
        self._executor, self._store, self._writer = executor, store, writer
        self._limits, self._shared = limits, shared
        self._submitting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.runs = RunDirectory(store, writer)
        self.queue = FairQueue(one_each=shared)
        self.closed = False

    # --- requests of visitors -----------------------------------------------------------------------------------------

    async def submit(self, request: RunRequest, visitor: str, paused: bool, resumed_run: str) -> str:
        """Queue a run and return its id; `resumed_run`: the ended run that resumes from its checkpoint, or "".

        Raises InputError for exceeded limits, and where there is no checkpoint.
        """
        self._limits.check(request.limits_input)
        async with self._submitting:  # so that two at once cannot share the last place
            self._check_room(visitor)
            if resumed_run:
                run = await self._prepare_resume(resumed_run, request, visitor)
            else:
                run = await self._create(request, visitor)
            run.paused = paused
            self.runs.add(run)
            self.queue.waiting.append(run)
        self.fill_slots()
        return run.run

    def send_command(self, run_id: str, command: Command, values: Mapping[str, float] | None, visitor: str) -> None:
        """Send a command to a run; to a queued run apply it here. Others' and ended runs are left alone."""
        run = self.runs.get(run_id)
        if run is None or run.visitor != visitor or run.ended or run.finishing or self.closed:
            return
        if command == "stop":
            self._stop(run)
        elif run in self.queue.executing:
            run.execution.send_command(command, values)
        elif command != "set_params":
            run.paused = command != "resume"

    async def delete(self, run_id: str, visitor: str) -> None:
        """Delete an ended run; raises InputError for an active run, and for another visitor's."""
        async with self._submitting:  # which may resume it
            info, run = self._store.info(run_id), self.runs.get(run_id)
            if info is None or info.visitor != visitor:
                raise InputError(f"The run {run_id} is not among yours.")
            if (run and not run.ended) or (not run and info.state not in ENDS):
                raise InputError("This run is still going on: stop it first.")
            await self._writer.run(self._writer.delete, run_id)

    # --- runs from their start to their end ---------------------------------------------------------------------------

    def fill_slots(self) -> None:
        """Start the runs for which there are slots, and send the others their position."""
        slots = self._executor.slots
        while not self.closed and (run := self.queue.take_next(min(slots, self._limits.runs_at_once or slots))):
            self._background(self._start(run))
        self.queue.publish_positions()

    async def on_message(self, run: ActiveRun, message: WorkerMessage) -> None:
        """Handle a message of a run's execution, which waits for the return before it sends the next."""
        try:
            if isinstance(message, Status) and message.state in ENDS:
                self.queue.remove(run)
                self.fill_slots()
                await self._finish(run, message)
            elif run.ended or run.finishing:
                pass
            elif isinstance(message, EventBatch):
                await self._on_events(run, message)
            else:
                run.publish(message)
        except Exception as error:
            log.exception("a run failed at the server")
            await self._fail(run, error)

    async def check_limits(self) -> None:
        """Stop runs that have used their time, kill those that do not stop, and write the states of the others."""
        for run in list(self.queue.executing):
            run.count_time()
            self._check_time(run)
            if not run.state_saved:
                await self._save_state(run)
        self.fill_slots()  # more workers may be available

    async def heartbeat(self) -> None:
        """Write a sign of life of each run, measure the used disk space, and retry failed writes."""
        for run in list(self.queue.executing):
            await self._save_state(run)
        for run in list(self.queue.waiting):
            await self._writer.run(self._writer.heartbeat, run.run)
        await self._writer.run(self._writer.measure)
        for run_id in await self._writer.run(self._writer.retry):
            if saved := self.runs.get(run_id):
                self.runs.forget(saved)

    async def interrupt_all(self) -> None:
        """End all runs as interrupted, after the executor was closed."""
        async with self._submitting:  # so that no run is queued later
            for run in [*self.queue.executing, *self.queue.waiting]:
                closed = Status("interrupted", "Closed", "kdlab was closed while this run went on.")
                await self.on_message(run, closed)

    def _check_room(self, visitor: str) -> None:
        if self.closed:
            raise InputError(CLOSED)
        waiting = self.queue.waiting
        counts = {
            "queue_each": sum(run.visitor == visitor for run in waiting),
            "queue": len(waiting),
            "disk_bytes": self._writer.used_bytes,
        }
        for key, count in counts.items():
            if 0 < getattr(self._limits, key) <= count:
                raise InputError(self._limits.sentence(key))

    async def _create(self, request: RunRequest, visitor: str) -> ActiveRun:
        run = ActiveRun.create(secrets.token_hex(8), request, visitor)
        fields = {name: getattr(request, name) for name in ("kind", "label", "page", "config")}
        await self._writer.run(self._store.create, run.run, visitor=visitor, **fields)
        return run

    async def _prepare_resume(self, run_id: str, request: RunRequest, visitor: str) -> ActiveRun:
        """Return an ended run, prepared to resume with its subscribers."""
        previous = self.runs.find(run_id)
        if previous.visitor != visitor:
            raise InputError("This run is not among yours: start one of your own with its settings.")
        if not previous.ended or any(run.run == run_id for run in self.queue.executing):
            raise InputError("This run is still going on.")
        info = self._store.info(run_id)
        if info is not None and info.state == "done":
            raise InputError("This run is done: there is nothing left to train.")
        if info is None or not info.resumable:
            raise InputError("There is nothing that this run could go on from: start it again.")
        self.runs.add(previous)  # whoever subscribes meanwhile stays subscribed
        try:
            await self._writer.run(self._store.claim, run_id)
        except InputError:
            self.runs.forget(previous)
            raise
        run = ActiveRun.create(run_id, request, visitor)
        # The record stays until the run reports from where it resumes.
        run.resumes, run.record = True, previous.record
        run.subscribers, run.working = previous.subscribers, previous.working
        return run

    async def _start(self, run: ActiveRun) -> None:
        loop = asyncio.get_running_loop()

        def receive(message: WorkerMessage) -> None:
            # The execution waits until the message is handled: so at most one waits here, however large it is.
            if not loop.is_closed():
                asyncio.run_coroutine_threadsafe(self.on_message(run, message), loop).result()

        try:
            run.publish(Status("starting"))
            # On the writer's thread, as a checkpoint may be large.
            checkpoint = await self._writer.run(self._store.files, run.run, "checkpoint") if run.resumes else None
            arguments = run.request, self._limits, checkpoint, run.paused, receive
            run.set_execution(await self._writer.run(self._executor.start, *arguments))
        except Exception as error:  # any failure to start must free the slot
            if not isinstance(error, InputError):
                log.exception("a run could not be started")
            await self.on_message(run, Status("failed", type(error).__name__, str(error)))

    def _stop(self, run: ActiveRun) -> None:
        """Stop a run; kill its execution when the stop command was sent long ago."""
        timestamp = time.monotonic()
        if run not in self.queue.executing:
            self.queue.remove(run)
            self.queue.publish_positions()
            self._background(self.on_message(run, Status("stopped")))
        elif not run.stop_requested_at:
            run.stop_requested_at = timestamp
            run.execution.send_command("stop")
        elif timestamp - run.stop_requested_at > KILL_AFTER:
            log.error("run %s did not stop: its worker is ended", run.run)
            run.stop_requested_at = timestamp
            run.execution.kill()

    def _check_time(self, run: ActiveRun) -> None:
        """Stop a run that has used its training time, or that is paused too long while others wait."""
        limits, key = self._limits, ""
        if 0 < limits.seconds < run.working:
            key = "seconds"
        elif 0 < limits.pause_seconds < run.paused_seconds and self.queue.waiting:
            key = "pause_seconds"
        if key and not run.ended and not run.stop_reason:
            run.stop_reason = limits.sentence(key)
            self._stop(run)
        elif run.stop_requested_at:
            self._stop(run)

    async def _on_events(self, run: ActiveRun, batch: EventBatch) -> None:
        saved = [event for event in batch.events if hasattr(event, "files")]
        events = tuple(event for event in batch.events if not hasattr(event, "files")) if saved else batch.events
        if events:
            run.publish(EventBatch(events))
        for event in saved:
            run.result_saved = run.result_saved or event.final
            part = "result" if event.final else "checkpoint"
            if trouble := await self._writer.run(self._writer.save, run.run, part, event.files):
                run.publish(RunWarning(trouble))

    async def _save_state(self, run: ActiveRun) -> None:
        if run.ended or run.finishing:
            return
        run.state_saved = True
        try:
            if not await self._writer.run(self._writer.update, run.run, run.stored_fields()):
                run.stop_reason = ELSEWHERE
                self._stop(run)
        except Exception as error:  # its record: the other runs must go on
            log.exception("the state of a run could not be written")
            await self._fail(run, error)

    async def _finish(self, run: ActiveRun, end: Status) -> None:
        """End a run: save first, then notify, so that the store is complete when subscribers learn of the end."""
        if run.ended or run.finishing:
            return
        run.finishing = True
        if run.stop_reason:
            end = Status("stopped", "Limit", run.stop_reason)
        if self._shared:
            end = redact(end)
        files = {} if run.result_saved else await self._writer.run(run.record.files)
        if files and (trouble := await self._writer.run(self._writer.save, run.run, "result", files)):
            run.publish(RunWarning(trouble))
        if end.state == "done":
            await self._writer.run(self._writer.save, run.run, "checkpoint", {})
        await self._writer.run(self._writer.update, run.run, run.stored_fields(end))
        run.publish(end)
        run.state_saved = True
        self.runs.forget(run)

    async def _fail(self, run: ActiveRun, error: Exception) -> None:
        """End a run whose record failed, without using the record; its slot is free when its execution stops."""
        if run.ended:
            return
        run.finishing = True
        if run in self.queue.executing:
            self._stop(run)
        await self._writer.run(self._writer.update, run.run, {"state": "failed", "message": "The run's record failed."})
        end = Status("failed", type(error).__name__, str(error))
        run.publish(redact(end) if self._shared else end)
        run.state_saved = True
        self.runs.forget(run)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
