"""Code for the workers of a Dask pool: a task executes a run, whose events wait until the executor polls them."""

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

from kdlab.runs.protocol import Status
from kdlab.runs.worker import Disconnected, run_generator

__all__ = ["dask_setup", "poll_events", "run_task", "send_commands"]

# Seconds without a request of the executor after which a run ends; after which a task that got no run ends.
CLIENT_TIMEOUT, START_TIMEOUT = 60.0, 20.0
# Limits of the waiting events, and of one collected batch.
MAX_PENDING_BYTES, MAX_PENDING_MESSAGES = 32_000_000, 2_000
BATCH_BYTES, BATCH_MESSAGES = 8_000_000, 1_000
# One run at a time in this process, because runs would share its threads and random numbers.
_turn = threading.Lock()
_mailboxes: dict[str, "Mailbox"] = {}
log = logging.getLogger("kdlab")


class Mailbox:
    """A pipe for the run's thread, with the worker's event loop at the other end."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._commands: deque[tuple[str, Any]] = deque()
        self._outbox: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._size = 0
        self._filled = asyncio.Event()
        self._heard = time.monotonic()
        self._abandoned = False

    def poll(self) -> bool:
        """Return whether `recv` would return or raise at once."""
        return bool(self._commands) or self._deserted(CLIENT_TIMEOUT)

    def recv(self, timeout: float = CLIENT_TIMEOUT) -> tuple[str, Any]:
        """Wait for a command and its value; raises BrokenPipeError after `timeout` seconds without a request."""
        with self._changed:
            while not self._commands:
                self._wait(timeout)
            return self._commands.popleft()

    def send(self, message: Any, /) -> None:
        """Queue a message for collection; wait while the queue is full.

        Raises BrokenPipeError, PicklingError.
        """
        content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        with self._changed:
            while self._outbox and (
                len(self._outbox) >= MAX_PENDING_MESSAGES or self._size + len(content) > MAX_PENDING_BYTES
            ):
                self._wait(CLIENT_TIMEOUT)
            self._outbox.append(content)
            self._size += len(content)
            first = len(self._outbox) == 1
        if first:
            self._worker.loop.add_callback(self._filled.set)

    def drain(self) -> None:
        """Wait until all messages are collected."""
        with self._changed:
            while self._outbox:
                self._wait(CLIENT_TIMEOUT)

    def put(self, commands: list[tuple[str, Any]]) -> None:
        """Queue commands for the run; "leave" says that nobody polls for its messages any more."""
        with self._changed:
            self._heard = time.monotonic()
            if ("leave", None) in commands:
                self._abandoned = True
            else:
                self._commands.extend(commands)
            self._changed.notify_all()

    async def take(self, timeout: float) -> list[bytes]:
        """Return the waiting messages as soon as there are some, or [] after `timeout` seconds."""
        self._heard = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._filled.wait(), timeout)
        batch: list[bytes] = []
        with self._changed:
            self._heard = time.monotonic()
            min_remaining = self._size - BATCH_BYTES
            while self._outbox and len(batch) < BATCH_MESSAGES:
                if batch and self._size - len(self._outbox[0]) < min_remaining:
                    break
                batch.append(self._outbox.popleft())
                self._size -= len(batch[-1])
            if not self._outbox:
                self._filled.clear()
            self._changed.notify_all()
        return batch

    def _wait(self, timeout: float) -> None:
        if self._deserted(timeout):
            raise BrokenPipeError
        self._changed.wait(1.0)

    def _deserted(self, timeout: float) -> bool:
        silent = self._abandoned or time.monotonic() - self._heard > timeout
        return silent or self._worker.status.name in ("closing", "closed", "failed")


def dask_setup(worker: Any) -> None:
    """Prepare a worker process of `DaskExecutor`'s own cluster; Dask calls this function of a preload module."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server too, which ends the worker
    with contextlib.suppress(AttributeError):
        os.nice(15)  # the user interface has priority over training


def run_task(token: str) -> None:
    """Run as the Dask task: wait for the executor's run, execute it, and wait until all messages are polled.

    A task that Dask moves here after its worker died gets no run, because the run ended with that worker.
    """
    from distributed import get_worker

    mailbox = _mailboxes[token] = Mailbox(get_worker())
    try:
        with contextlib.suppress(Disconnected, BrokenPipeError), _turn:
            command, value = mailbox.recv(START_TIMEOUT)
            if command == "start":
                _run(mailbox, value)
                mailbox.drain()
    finally:
        del _mailboxes[token]


def _run(mailbox: Mailbox, content: bytes) -> None:
    try:
        start = pickle.loads(content)
    except Exception as error:
        log.error("the run could not be read:\n%s", traceback.format_exc())
        mailbox.send(Status("failed", type(error).__name__, str(error)))
        return
    run_generator(mailbox, start)


async def send_commands(token: str, commands: list[tuple[str, Any]]) -> bool:
    """Send commands to a run; return whether this worker has it."""
    if mailbox := _mailboxes.get(token):
        mailbox.put(commands)
    return mailbox is not None


async def poll_events(token: str, timeout: float) -> list[bytes] | None:
    """Return pickled messages as soon as there are some, [] after `timeout` seconds, or None for an unknown run."""
    mailbox = _mailboxes.get(token)
    return None if mailbox is None else await mailbox.take(timeout)
