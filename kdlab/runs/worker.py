"""The inside of a worker process: it runs a generator of events under commands, and sends its events in batches.

Nothing here interprets the events. To pause is to request no further event; to stop is to close the generator. The
process stays for the next run, with its imported modules.
"""

import contextlib
import logging
import os
import pkgutil
import signal
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from kdlab.live_params import LiveParams
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import (
    USER_FACING_ERRORS,
    Command,
    EventBatch,
    Files,
    RunContext,
    RunRequest,
    Status,
    WorkerMessage,
)

__all__ = ["SPIN_COUNT", "Channel", "Disconnected", "Start", "run_generator", "worker_main"]

# Seconds without a run after which a worker process ends, to free its memory; the next start makes a new one.
IDLE_TIMEOUT = 600.0
# Seconds between two batches of steps: a page draws less often, and each message has a cost.
BATCH_INTERVAL = 1 / 30
# How often a waiting thread of GNU OpenMP, which torch uses on Linux, checks for work before it yields its core; the
# default is 300,000. With the default, two runs at once take up to eight times as long, and a page beside a run waits;
# with this value, a run alone takes up to 1.4 times as long: `python tests/benchmarks/threads.py`.
SPIN_COUNT = "2000"
log = logging.getLogger("kdlab")


class Disconnected(Exception):
    """The other end of the channel is closed."""


class Channel(Protocol):
    """A worker's end of a connection: receives commands, sends messages; EOFError or OSError when it is closed."""

    def poll(self) -> bool:
        """Return whether a command waits."""

    def recv(self) -> Any:
        """Wait for a command, `Command` or "start", and its values."""

    def send(self, message: WorkerMessage, /) -> None:
        """Send a message."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the command "start" brings: a run to execute."""

    request: RunRequest
    limits: Limits
    checkpoint: Files | None
    paused: bool


def run_generator(channel: Channel, start: Start) -> None:
    """Execute one run under commands, up to its end; raises Disconnected."""
    request, params = start.request, LiveParams()
    outbox = _Outbox(channel, request.step_type)
    steps_left = 0.0 if start.paused else float("inf")
    try:
        context = RunContext(params, start.limits, start.checkpoint)
        with contextlib.closing(pkgutil.resolve_name(request.target)(context, *request.arguments)) as events:
            outbox.send(Status("paused" if start.paused else "running"))
            while True:
                while not steps_left or channel.poll():
                    outbox.flush()
                    command, values = _receive(channel)
                    match command:
                        case "stop":
                            events.close()  # its cleanup finishes before the run is reported as stopped
                            outbox.send(Status("stopped"))
                            return
                        case "set_params":
                            params.set(values)
                        case "pause" | "step" | "resume":
                            pending = 0.0 if steps_left == float("inf") else steps_left
                            steps_left = {"pause": 0.0, "step": pending + 1, "resume": float("inf")}[command]
                            outbox.send(Status("running" if command == "resume" else "paused"))
                event = next(events)
                outbox.add(event)
                steps_left -= isinstance(event, request.step_type)
    except StopIteration:
        outbox.send(Status("done"))
    except Disconnected:
        raise
    except Exception as error:
        if type(error).__name__ not in USER_FACING_ERRORS:
            log.error("the run failed:\n%s", traceback.format_exc())
        outbox.send(Status("failed", type(error).__name__, str(error)))


class _Outbox:
    """Sends messages; steps that follow each other closely go together, and no other event waits."""

    def __init__(self, channel: Channel, step_type: type) -> None:
        self._channel, self._step_type = channel, step_type
        self._events: list[Any] = []
        self._sent_at = 0.0

    def add(self, event: Any) -> None:
        self._events.append(event)
        if not isinstance(event, self._step_type) or time.monotonic() - self._sent_at > BATCH_INTERVAL:
            self.flush()

    def flush(self) -> None:
        if self._events:
            events, self._events = tuple(self._events), []  # before one of them turns out to be unpicklable
            self._write(EventBatch(events))
            self._sent_at = time.monotonic()

    def send(self, status: Status) -> None:
        self.flush()
        self._write(status)

    def _write(self, message: WorkerMessage) -> None:
        try:
            self._channel.send(message)
        except OSError as error:
            raise Disconnected from error


def _receive(channel: Channel) -> tuple[Command, Any]:
    try:
        command, values = channel.recv()
    except (EOFError, OSError) as error:
        raise Disconnected from error
    return command, values


def worker_main(channel: Connection, threads: int | None, background: bool) -> None:
    """Run as the worker process: wait for runs until the pipe is closed or `IDLE_TIMEOUT` has passed.

    `threads`: of each run, where the environment does not say (None: as many as torch takes). `background`: pages run
    beside it, which have priority over training.
    """
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # sent to a whole group, they reach the server, which ends the worker
        signal.signal(number, signal.SIG_IGN)
    if background:
        with contextlib.suppress(AttributeError):
            os.nice(15)
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    if threads:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with contextlib.suppress(Disconnected):
        while channel.poll(IDLE_TIMEOUT):
            _, start = _receive(channel)
            if isinstance(start, Start):  # other commands came too late for the run before
                run_generator(channel, start)
