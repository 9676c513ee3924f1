"""What runs in a worker of a Dask pool: a run in a task of its own, whose events wait until they are collected."""

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from typing import Any

from kdlab.runs.worker import Deserted, Status, carry_out

__all__ = ["collect", "dask_setup", "occupy", "tell"]

# Seconds without anybody asking after which a run ends; it begins within fewer, or not at all.
DESERTED, UNCLAIMED = 60.0, 20.0
# What may wait to be collected, and what is collected at once.
MOST_BYTES, MOST_MESSAGES = 32_000_000, 2_000
BATCH_BYTES, BATCH_MESSAGES = 8_000_000, 1_000
# One run after the other in this process, whose threads and random numbers they would share.
_turn = threading.Lock()
_links: dict[str, "Link"] = {}
log = logging.getLogger("kdlab")


class Link:
    """Looks like a pipe to the run, which has a thread of its own; the worker's loop is at the other end."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._commands: deque[tuple[str, Any]] = deque()
        self._outbox: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._size = 0
        self._filled = asyncio.Event()
        self._heard = time.monotonic()

    def poll(self) -> bool:
        """Whether `recv` has something to say: a command, or that nobody cares for the run any more."""
        return bool(self._commands) or self._deserted(DESERTED)

    def recv(self, patience: float = DESERTED) -> tuple[str, Any]:
        """Wait for a command and its value; raises BrokenPipeError when nobody has cared for so many seconds."""
        with self._changed:
            while not self._commands:
                self._wait(patience)
            return self._commands.popleft()

    def send(self, obj: Any, /) -> None:
        """Put a message where it is collected, and wait while there is no room.

        Raises BrokenPipeError, PicklingError.
        """
        content = pickle.dumps(obj, protocol=pickle.HIGHEST_PROTOCOL)
        with self._changed:
            while self._outbox and (len(self._outbox) >= MOST_MESSAGES or self._size + len(content) > MOST_BYTES):
                self._wait(DESERTED)
            self._outbox.append(content)
            self._size += len(content)
            first = len(self._outbox) == 1
        if first:
            self._worker.loop.add_callback(self._filled.set)

    def drain(self) -> None:
        """Wait until all is collected."""
        with self._changed:
            while self._outbox:
                self._wait(DESERTED)

    def put(self, commands: list[tuple[str, Any]]) -> None:
        """Give the run commands."""
        with self._changed:
            self._heard = time.monotonic()
            self._commands.extend(commands)
            self._changed.notify_all()

    async def take(self, patience: float) -> list[bytes]:
        """Return what waits to be collected as soon as there is something, or [] after so many seconds."""
        self._heard = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._filled.wait(), patience)
        taken: list[bytes] = []
        with self._changed:
            self._heard = time.monotonic()
            least = self._size - BATCH_BYTES
            while self._outbox and len(taken) < BATCH_MESSAGES:
                if taken and self._size - len(self._outbox[0]) < least:
                    break
                taken.append(self._outbox.popleft())
                self._size -= len(taken[-1])
            if not self._outbox:
                self._filled.clear()
            self._changed.notify_all()
        return taken

    def _wait(self, patience: float) -> None:
        if self._deserted(patience):
            raise BrokenPipeError
        self._changed.wait(1.0)

    def _deserted(self, patience: float) -> bool:
        return time.monotonic() - self._heard > patience or self._worker.status.name in ("closing", "closed", "failed")


def dask_setup(worker: Any) -> None:
    """Prepare a worker process of `ClusterEngine`'s own; Dask calls this as the module is its preload."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the server, which ends the worker
    with contextlib.suppress(AttributeError):
        os.nice(15)  # what people touch comes before what trains


def occupy(token: str) -> None:
    """Be the task: wait for the engine to say what is to be run, run it, and wait until all was collected.

    A task that Dask moves here after its worker died is told nothing, because the run has ended with that worker.
    """
    from distributed import get_worker

    link = _links[token] = Link(get_worker())
    try:
        with contextlib.suppress(Deserted, BrokenPipeError), _turn:
            command, value = link.recv(UNCLAIMED)
            if command == "begin":
                _run(link, value)
                link.drain()
    finally:
        del _links[token]


def _run(link: Link, content: bytes) -> None:
    try:
        arguments, unit, paused = pickle.loads(content)
    except Exception as error:
        log.error("the run could not be read:\n%s", traceback.format_exc())
        link.send((0, Status("failed", type(error).__name__, str(error))))
        return
    carry_out(link, 0, "kdlab.runs.protocol:begin", arguments, unit, paused)


async def tell(token: str, commands: list[tuple[str, Any]]) -> bool:
    """Give a run commands; return whether it is here."""
    if link := _links.get(token):
        link.put(commands)
    return link is not None


async def collect(token: str, patience: float) -> list[bytes] | None:
    """Return pickled messages as soon as there are some, [] after so many seconds, or None when the run is not here."""
    link = _links.get(token)
    return None if link is None else await link.take(patience)
