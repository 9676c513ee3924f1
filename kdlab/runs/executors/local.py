"""Runs in worker processes of this machine: no Dask, no cluster."""

import threading
from collections.abc import Callable

import psutil

from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import CLOSED, ENDS, Files, RunRequest, Status, WorkerMessage
from kdlab.runs.worker import Start
from kdlab.runs.worker_process import WorkerProcess, WorkerRun

__all__ = ["LocalExecutor"]

MEMORY_CHECK_INTERVAL = 0.2  # seconds
OUT_OF_MEMORY = (
    "The run's worker was ended because it took more memory than a worker may have ({:,.0f} MB): choose smaller "
    "networks or batches."
)


class LocalExecutor:
    """`slots` runs at once, each in its own process, which stays for the next run with its imported modules.

    `threads`, `background`: see `worker_main`. `worker_memory_bytes`: a process that takes more is ended (0: no limit).
    """

    def __init__(
        self, slots: int = 2, threads: int | None = None, worker_memory_bytes: int = 0, background: bool = True
    ) -> None:
        self.slots = slots
        self._options, self._max_bytes = (threads, background), worker_memory_bytes
        self._idle: list[tuple[type, WorkerProcess]] = []  # each with the type of step of its last run
        self._working: dict[WorkerProcess, WorkerRun] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        if worker_memory_bytes:
            threading.Thread(target=self._watch_memory, name="kdlab-memory", daemon=True).start()

    def start(
        self,
        request: RunRequest,
        limits: Limits,
        checkpoint: Files | None,
        paused: bool,
        receive: Callable[[WorkerMessage], None],
    ) -> WorkerRun:
        """Begin a run, if possible in a process that has run the same kind; see `Executor.start`."""
        worker = self._take_worker(request.step_type)

        def pass_on(message: WorkerMessage) -> None:
            if isinstance(message, Status) and message.state in ENDS:
                self._release(request.step_type, worker)
            receive(message)

        try:
            # The lock is held so that the run is known before its process may end.
            with self._lock:
                run = self._working[worker] = worker.start(Start(request, limits, checkpoint, paused), pass_on)
        except Exception:
            self._release(request.step_type, worker)
            raise
        return run

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._closing.set()
            workers = [worker for _, worker in self._idle] + list(self._working)
            self._idle.clear()
            self._working.clear()
        for worker in workers:
            worker.close()

    def _take_worker(self, step_type: type) -> WorkerProcess:
        with self._lock:
            if self._closing.is_set():
                raise InputError(CLOSED)
            for index, (last_type, worker) in enumerate(self._idle):
                if last_type is step_type:
                    del self._idle[index]
                    return worker
            surplus = (
                self._idle.pop(0)[1] if len(self._idle) + len(self._working) >= self.slots and self._idle else None
            )
        if surplus is not None:
            threading.Thread(target=surplus.close, daemon=True).start()  # its process takes a moment to end
        return WorkerProcess(*self._options)

    def _release(self, step_type: type, worker: WorkerProcess) -> None:
        with self._lock:
            self._working.pop(worker, None)
            if not self._closing.is_set():
                self._idle.append((step_type, worker))

    def _watch_memory(self) -> None:
        while not self._closing.wait(MEMORY_CHECK_INTERVAL):
            with self._lock:
                working = list(self._working.items())
            for worker, run in working:
                if (taken := _resident_bytes(worker.pid)) > self._max_bytes:
                    run.kill(OUT_OF_MEMORY.format(taken / 1e6))


def _resident_bytes(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:  # it has ended meanwhile
        return 0
