"""Start, pause, resume, step and stop a generator of events in its own process.

The runner does not interpret the events. To pause is to request no further event; to stop is to close the generator;
changed knobs are set in its `LiveParams`. The process stays for the next run, with its imported modules.
"""

import contextlib
import logging
import multiprocessing
import os
import pkgutil
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal, Protocol

from kdlab.live_params import LiveParams

__all__ = ["ENDS", "SPIN_COUNT", "Deserted", "Happened", "Message", "Pipe", "Runner", "State", "Status", "carry_out"]

State = Literal["idle", "queued", "starting", "running", "paused", "stopped", "done", "failed", "interrupted"]
ENDS = ("stopped", "done", "failed", "interrupted")
# Seconds without a run after which a worker process ends, to free its memory; the next start makes a new one.
IDLE_TIMEOUT = 600.0
# How often a waiting thread of GNU OpenMP, which torch uses on Linux, checks for work before it yields its core; the
# default is 300,000. With the default, two runs at once take up to eight times as long, and a page beside a run waits;
# with this value, a run alone takes up to 1.4 times as long: `python tests/benchmarks/threads.py`.
SPIN_COUNT = "2000"
log = logging.getLogger("kdlab")


@dataclass(frozen=True, slots=True)
class Happened:
    """The generator yielded `event`."""

    event: Any


@dataclass(frozen=True, slots=True)
class Status:
    """The run has a new state; for a failure, `kind` is the exception's class and `message` its text."""

    state: State
    kind: str = ""
    message: str = ""


Message = Happened | Status


class Deserted(Exception):
    """The other end of the pipe is closed."""


class Pipe(Protocol):
    """A worker's end of a connection: receives commands, sends messages; EOFError or OSError when it is closed."""

    def poll(self) -> bool:
        """Return whether a command waits."""

    def recv(self) -> Any:
        """Wait for a command and its value."""

    def send(self, message: Any, /) -> None:
        """Send a run's number and a message."""


class Runner:
    """One worker process and the run in it.

    `target`: a generator function as "module:name", imported by the worker alone. `receive` gets each `Message`, on the
    runner's own thread or, of `start` and `abandon`, on the caller's. `unit`: the type of event that is one step.
    """

    def __init__(self, target: str, receive: Callable[[Message], None], unit: type = object) -> None:
        self._target, self._receive, self._unit = target, receive, unit
        self._process: BaseProcess | None = None
        # Pickled commands for the process, so that no caller waits for a busy process. None ends the thread.
        self._outbox: queue.SimpleQueue[bytes | memoryview | None] | None = None
        self._run = 0
        self._busy = False
        self._lock = threading.Lock()
        # Held while a message is received, so that no message of an earlier run follows the start of a later one.
        self._hearing = threading.RLock()

    def start(self, *arguments: Any, paused: bool = False) -> None:
        """Stop the current run and begin a new run of `target(*arguments, live=…)`.

        `paused`: wait before the first event.
        """
        self._begin_run(busy=True)
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._launch()
        self._receive(Status("starting"))
        self._send("start", (self._run, self._target, arguments, self._unit, paused))

    def pause(self) -> None:
        """Pause until `resume` or `step`."""
        self._send("pause")

    def resume(self) -> None:
        """Continue after `pause`."""
        self._send("resume")

    def step(self) -> None:
        """Run until one more event of type `unit`, then pause."""
        self._send("step")

    def stop(self) -> None:
        """Close the generator."""
        self._send("stop")

    def abandon(self) -> None:
        """Stop the run, ignore its further messages, and become idle."""
        self._begin_run(busy=False)
        self._receive(Status("idle"))
        self.stop()

    def send(self, values: Mapping[str, float]) -> None:
        """Set values in the run's `LiveParams`."""
        self._send("turn", dict(values))

    def kill(self) -> None:
        """Kill the worker process; its run fails."""
        with self._lock:
            process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the worker process."""
        self._begin_run(busy=False)
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.join()

    def _begin_run(self, busy: bool) -> None:
        with self._hearing:
            self._run += 1
            self._busy = busy

    def _launch(self) -> None:
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), name="kdlab-worker", daemon=True)
        process.start()
        theirs.close()
        self._process, self._outbox = process, queue.SimpleQueue()
        for work, name in ((self._listen, "kdlab-listener"), (self._talk, "kdlab-talker")):
            threading.Thread(target=work, args=(pipe, process, self._outbox), name=name, daemon=True).start()

    def _send(self, command: str, value: Any = None) -> None:
        packed = ForkingPickler.dumps(
            (command, value)
        )  # here, so that the caller gets the exception for an unpicklable value
        with self._lock:
            if self._outbox is not None:
                self._outbox.put(packed)

    @staticmethod
    def _talk(pipe: Connection, _: BaseProcess, outbox: "queue.SimpleQueue[bytes | memoryview | None]") -> None:
        with contextlib.suppress(OSError):  # the worker died: the listener says so
            while (packed := outbox.get()) is not None:
                pipe.send_bytes(packed)

    def _listen(
        self, pipe: Connection, process: BaseProcess, outbox: "queue.SimpleQueue[bytes | memoryview | None]"
    ) -> None:
        while True:
            try:
                run, message = pipe.recv()
            except (EOFError, OSError):
                break
            with self._hearing:
                if run == self._run:  # ignore late messages of an earlier run
                    if isinstance(message, Status) and message.state in ENDS:
                        self._busy = False
                    self._receive(message)
        outbox.put(None)
        process.join()
        if process is self._process and self._busy:
            self._busy = False
            code = process.exitcode or 0
            cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            log.error("the worker process ended unexpectedly: %s", cause)
            self._receive(Status("failed", "WorkerDied", f"The worker process ended unexpectedly ({cause})."))


def _serve(pipe: Connection) -> None:
    """Run as the worker process: wait for runs until the pipe is closed or `IDLE_TIMEOUT` has passed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server too, which ends the worker
    with contextlib.suppress(AttributeError):
        os.nice(15)  # the user interface has priority over training
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    with contextlib.suppress(Deserted):
        while pipe.poll(IDLE_TIMEOUT):
            command, value = _hear(pipe)
            while command == "start":
                command, value = carry_out(pipe, *value)


def _hear(pipe: Pipe) -> tuple[str, Any]:
    try:
        command, value = pipe.recv()
    except (EOFError, OSError) as error:
        raise Deserted from error
    return command, value


def carry_out(
    pipe: Pipe, run: int, target: str, arguments: tuple[Any, ...], unit: type, paused: bool
) -> tuple[str, Any]:
    """Run one generator under commands; return the command that ended it ("start" with its value for the next run).

    Raises Deserted.
    """

    def tell(message: Message) -> None:
        try:
            pipe.send((run, message))
        except OSError as error:
            raise Deserted from error

    units_left = 0.0 if paused else float("inf")
    live = LiveParams()
    ended_by: tuple[str, Any] = ("stop", None)
    try:
        with contextlib.closing(pkgutil.resolve_name(target)(*arguments, live=live)) as events:
            tell(Status("paused" if paused else "running"))
            while True:
                while not units_left or pipe.poll():
                    command, value = _hear(pipe)
                    if command in ("start", "stop"):
                        ended_by = command, value
                        events.close()  # its cleanup finishes before the run is reported as stopped
                        tell(Status("stopped"))
                        return ended_by
                    if command == "turn":
                        live.set(value)
                    else:
                        steps_left = 0.0 if units_left == float("inf") else units_left
                        units_left = {"pause": 0.0, "step": steps_left + 1, "resume": float("inf")}[command]
                        tell(Status("running" if command == "resume" else "paused"))
                event = next(events)
                tell(Happened(event))
                units_left -= isinstance(event, unit)
    except StopIteration:
        tell(Status("done"))
    except Deserted:
        raise
    except Exception as error:
        log.error("the run failed:\n%s", traceback.format_exc())
        tell(Status("failed", type(error).__name__, str(error)))
    return ended_by
