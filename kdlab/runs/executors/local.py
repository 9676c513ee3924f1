"""Runs in worker processes of this machine, for one person: no Dask, no cluster."""

import threading
from collections.abc import Callable
from typing import Any

from kdlab.runs.protocol import Files, RunRequest
from kdlab.runs.worker import ENDS, Message, Status, WorkerProcess

__all__ = ["LocalExecutor"]

SLOTS = 2


class LocalExecutor:
    """Two runs at once, each in its own process, which stays for the next run with its imported modules."""

    slots = SLOTS

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._working: dict[str, _Worker] = {}
        self._lock = threading.Lock()  # held only while a worker moves between `_idle` and `_working`

    def start(
        self, run: str, job: RunRequest, paused: bool, checkpoint: Files | None, receive: Callable[[Message], None]
    ) -> None:
        """Begin a run, if possible in a process that has run the same kind."""
        ended = None
        with self._lock:
            worker = next((worker for worker in self._idle if worker.unit is job.unit), None)
            if worker is not None:
                self._idle.remove(worker)
            else:
                if len(self._idle) + len(self._working) >= SLOTS:
                    ended = self._idle.pop(0)
                worker = _Worker(job.unit)
            self._working[run] = worker
        if ended is not None:
            ended.runner.close()

        def hear(message: Message) -> None:
            if isinstance(message, Status) and message.state in ENDS:
                with self._lock:
                    if freed := self._working.pop(run, None):
                        self._idle.append(freed)
            receive(message)

        worker.receive = hear
        worker.runner.start(job.target, job.arguments, checkpoint, paused=paused)

    def tell(self, run: str, command: str, value: Any = None) -> None:
        """Send a command to a run."""
        if worker := self._working.get(run):
            if command == "turn":
                worker.runner.send(value)
            else:
                getattr(worker.runner, command)()

    def kill(self, run: str) -> None:
        """End the process of a run."""
        if worker := self._working.get(run):
            worker.runner.kill()

    def close(self) -> None:
        """End the processes."""
        for worker in [*self._idle, *self._working.values()]:
            worker.runner.close()
        self._idle.clear()
        self._working.clear()


class _Worker:
    """A process, and the receiver of its run's messages."""

    def __init__(self, unit: type) -> None:
        self.unit = unit
        self.receive: Callable[[Message], None] = lambda _: None
        self.runner = WorkerProcess("kdlab.runs.protocol:begin", lambda message: self.receive(message), unit=unit)
