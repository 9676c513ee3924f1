"""A worker process of this machine, as its parent sees it."""

import atexit
import contextlib
import logging
import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler

from kdlab.runs.protocol import ENDS, Command, Status, WorkerMessage
from kdlab.runs.worker import Start, worker_main

__all__ = ["WorkerProcess", "WorkerRun"]

log = logging.getLogger("kdlab")
# Pickled commands, so that no caller waits for a busy process; None ends the thread that sends them.
Outbox = queue.SimpleQueue["bytes | memoryview | None"]


class WorkerRun:
    """The run of a worker process: an `Execution`."""

    def __init__(self, worker: "WorkerProcess", outbox: Outbox, receive: Callable[[WorkerMessage], None]) -> None:
        self._worker, self._outbox, self.receive = worker, outbox, receive
        self.ended = False
        self.death_reason = ""

    def send_command(self, command: Command, values: Mapping[str, float] | None = None) -> None:
        """Queue a command for the process; after the end nothing happens."""
        if not self.ended:
            self._outbox.put(ForkingPickler.dumps((command, values)))

    def kill(self, reason: str = "") -> None:
        """Kill the process; the run fails, for this reason."""
        if not self.ended:
            self.death_reason = reason
            self._worker.kill()


class WorkerProcess:
    """One process, started for its first run and again after it died; for the arguments see `worker_main`.

    Messages are received on the worker's own thread. A run must have ended before the next one is started; `on_idle` is
    called just before its end is received.
    """

    def __init__(
        self, on_idle: Callable[["WorkerProcess"], None], threads: int | None = None, background: bool = True
    ) -> None:
        self._on_idle, self._options = on_idle, (threads, background)
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._outbox: Outbox | None = None  # of the process that lives, or is being started
        self._run: WorkerRun | None = None
        self._closed = False
        atexit.register(self.close)  # multiprocessing would wait for the process, which ignores SIGTERM

    @property
    def pid(self) -> int | None:
        """The process's id, or None before there is one."""
        return self._process.pid if self._process else None

    def start(self, start: Start, receive: Callable[[WorkerMessage], None]) -> WorkerRun:
        """Begin a run; raises the exception of an argument that cannot be pickled."""
        packed = ForkingPickler.dumps(("start", start))
        with self._lock:
            process, outbox = self._process, self._outbox
            if outbox is None or (process is not None and not process.is_alive()):
                outbox, self._process = queue.SimpleQueue(), None
                self._outbox = outbox
                threading.Thread(target=self._serve, args=(outbox,), name="kdlab-worker", daemon=True).start()
            self._run = WorkerRun(self, outbox, receive)
            outbox.put(packed)
            return self._run

    def kill(self) -> None:
        """Kill the process."""
        with self._lock:
            process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process and wait for that; its run gets no further message."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.kill()  # it ignores other signals, and may be stopped
            process.join()

    def _serve(self, outbox: Outbox) -> None:
        """Start a process, and pass on its messages until it ends."""
        try:
            process, channel = self._launch(outbox)
        except Exception as error:
            log.exception("a worker process could not be started")
            self._end(outbox, Status("failed", type(error).__name__, f"No worker process could be started: {error}"))
            return
        threading.Thread(target=_send_loop, args=(channel, outbox), name="kdlab-worker-send", daemon=True).start()
        try:
            for message in _messages(channel):
                if (run := self._run_of(outbox, message)) is not None:
                    run.receive(message)
        except Exception:  # unreadable, or the receiver failed: no later run may wait for this thread
            log.exception("a message of a worker process could not be handled")
            process.kill()
        outbox.put(None)
        process.join()
        self._end(outbox, _end_of(process.exitcode or 0))

    def _launch(self, outbox: Outbox) -> tuple[BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        channel, theirs = context.Pipe()
        arguments = theirs, *self._options
        process = context.Process(target=worker_main, args=arguments, name="kdlab-worker", daemon=True)
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()  # its start would undo the mask
            # Inherited: they must not reach the process before it ignores them.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        process.start()
        theirs.close()
        with self._lock:
            if self._closed:
                process.kill()
            elif self._outbox is outbox:
                self._process = process
        return process, channel

    def _run_of(self, outbox: Outbox, message: WorkerMessage) -> WorkerRun | None:
        """Return the run that a message of a process is for, if any, and note its end."""
        with self._lock:
            run = self._run
            if self._closed or self._outbox is not outbox or run is None or run.ended:
                return None
            run.ended = isinstance(message, Status) and message.state in ENDS
        if run.ended:
            self._on_idle(self)
        return run

    def _end(self, outbox: Outbox, status: Status) -> None:
        """End a run whose process is gone, and let the next one start another process."""
        run = self._run_of(outbox, status)
        with self._lock:
            if self._outbox is outbox:
                self._outbox = self._process = None
        if run is not None:
            log.error("%s", status.message)
            run.receive(Status(status.state, status.kind, run.death_reason or status.message))


def _messages(channel: Connection) -> Iterator[WorkerMessage]:
    """Yield the messages of a process until it ends."""
    while True:
        try:
            message: WorkerMessage = channel.recv()
        except (EOFError, OSError):
            return
        yield message


def _send_loop(channel: Connection, outbox: Outbox) -> None:
    with contextlib.suppress(OSError):  # the process died: the other thread reports it
        while (packed := outbox.get()) is not None:
            channel.send_bytes(packed)


def _end_of(code: int) -> Status:
    """Return how the runs of a process with this exit code ended; signals that ask it to end interrupt them."""
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    if -code in (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM)):
        return Status("interrupted", "WorkerEnded", f"The worker process was ended from outside ({cause}).")
    return Status("failed", "WorkerDied", f"The worker process ended unexpectedly ({cause}).")
