"""Runs in worker processes of this machine: no Dask, no cluster."""

import threading
from collections.abc import Callable

import psutil

from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import CLOSED, Files, RunRequest, WorkerMessage
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
        self._idle: list[WorkerProcess] = []
        # Of the last run of each: the kind of work that it has imported.
        self._step_types: dict[WorkerProcess, type] = {}
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
        try:
            # The lock is held so that the run is known before its process may end.
            with self._lock:
                self._step_types[worker] = request.step_type
                run = self._working[worker] = worker.start(Start(request, limits, checkpoint, paused), receive)
        except Exception:
            self._release(worker)
            raise
        return run

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._closing.set()
            workers = [*self._idle, *self._working]
            self._idle.clear()
            self._working.clear()
        for worker in workers:
            worker.close()

    def _take_worker(self, step_type: type) -> WorkerProcess:
        with self._lock:
            if self._closing.is_set():
                raise InputError(CLOSED)
            for worker in self._idle:
                if self._step_types[worker] is step_type:
                    self._idle.remove(worker)
                    return worker
            if self._idle and len(self._idle) + len(self._working) >= self.slots:
                surplus = self._idle.pop(0)
                del self._step_types[surplus]
                threading.Thread(target=surplus.close, daemon=True).start()  # its process takes a moment to end
        return WorkerProcess(self._release, *self._options)

    def _release(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._working.pop(worker, None)
            if not self._closing.is_set():
                self._idle.append(worker)

    def _watch_memory(self) -> None:
        while not self._closing.wait(MEMORY_CHECK_INTERVAL):
            with self._lock:
                working = list(self._working.items())
            for worker, run in working:
                if _resident_bytes(worker.pid) > self._max_bytes:
                    run.kill(OUT_OF_MEMORY.format(self._max_bytes / 1e6))


def _resident_bytes(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:  # it has ended meanwhile
        return 0
