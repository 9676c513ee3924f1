"""Runs in the workers of Dask distributed, on this machine or in a cluster with a scheduler's address.

Each run is one task. The executor polls the run's worker for events through the scheduler, and the worker answers as
soon as it has some. So no queue grows without bound, and only the scheduler must be reachable.
"""

import asyncio
import contextlib
import logging
import pickle
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any

from kdlab.runs.executors.dask_connection import DaskConnection
from kdlab.runs.executors.dask_worker import poll_events, run_task, send_commands
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, Command, Files, RunRequest, Status, WorkerMessage
from kdlab.runs.worker import Start

__all__ = ["DaskExecutor", "DaskRun"]

# Seconds between two checks of a run's worker; between two batches of its events; that a worker waits for events.
POLL_INTERVAL, BATCH_INTERVAL, COLLECT_TIMEOUT = 0.1, 0.05, 5.0
# Seconds without an answer after which a worker counts as dead; without a scheduler after which a start fails.
WORKER_TIMEOUT, SCHEDULER_TIMEOUT = 60.0, 120.0
WAIT_NOTICE_AFTER = 2.0  # seconds of waiting after which the page gets the reason
CONNECTION_LOST = (
    "The connection to the pool of workers was lost, and the run with it: kdlab connects again by itself; start the "
    "run again, or go on from its last checkpoint."
)
log = logging.getLogger("kdlab")


class DaskExecutor:
    """Runs in the workers of the scheduler at an address, or of a cluster on this machine that it starts and ends.

    `workers`: of its own cluster (None: one per core).
    """

    def __init__(self, scheduler: str | None, workers: int | None) -> None:
        self._pool = DaskConnection(scheduler, workers)
        self._runs: set[DaskRun] = set()
        self._loop = asyncio.new_event_loop()
        self._main = self._loop.create_task(self._pool.keep())
        self._thread = threading.Thread(target=self._work, name="kdlab-cluster", daemon=True)
        self._thread.start()

    @property
    def slots(self) -> int:
        """The number of workers; at least 1, so that a cluster that grows on demand gets a first task."""
        return max(1, self._pool.workers)

    def start(
        self,
        request: RunRequest,
        limits: Limits,
        checkpoint: Files | None,
        paused: bool,
        receive: Callable[[WorkerMessage], None],
    ) -> "DaskRun":
        """Begin a run; see `Executor.start`."""
        run = DaskRun(self._pool, self._loop, pickle.dumps(Start(request, limits, checkpoint, paused)), receive)
        self._loop.call_soon_threadsafe(self._start, run)
        return run

    def close(self) -> None:
        """End all runs, without messages, and the cluster if the executor started it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._main.cancel)
            self._thread.join()

    # --- on the executor's thread -------------------------------------------------------------------------------------

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._main)
        self._loop.run_until_complete(self._end())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _end(self) -> None:
        runs = list(self._runs)
        self._runs.clear()
        for run in runs:
            run.task.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        await self._pool.close()

    def _start(self, run: "DaskRun") -> None:
        run.task = self._loop.create_task(self._conduct(run))
        self._runs.add(run)

    async def _conduct(self, run: "DaskRun") -> None:
        try:
            end = await run.through()
        finally:
            with contextlib.suppress(Exception):  # the end must be reported in any case
                await run.release()
            self._runs.discard(run)
        await run.deliver([end])


class DaskRun:
    """One run, from its start to its end: an `Execution`."""

    task: asyncio.Task[None]

    def __init__(
        self,
        pool: DaskConnection,
        loop: asyncio.AbstractEventLoop,
        content: bytes,
        receive: Callable[[WorkerMessage], None],
    ) -> None:
        self._pool, self._loop, self._content, self._receive = pool, loop, content, receive
        self._token = f"kdlab-{uuid.uuid4().hex}"
        self._client: Any = None
        self._future: Any = None
        self._sending = asyncio.Lock()
        self._address = ""  # of the worker that has begun the run
        self._commands: list[tuple[str, Any]] = []

    def send_command(self, command: Command, values: Mapping[str, float] | None = None) -> None:
        """Send a command to the run."""
        self._loop.call_soon_threadsafe(self._queue_command, command, values)

    def kill(self) -> None:
        """End the worker of the run; the pool replaces it."""
        self._loop.call_soon_threadsafe(lambda: self._pool.background(self._restart_worker()))

    # --- on the executor's thread -------------------------------------------------------------------------------------

    def _queue_command(self, command: Command, values: Mapping[str, float] | None) -> None:
        self._commands.append((command, values))
        if self._address:
            self._pool.background(self.flush())

    async def through(self) -> Status:
        """Conduct the whole run and return its end, which is not reported yet."""
        try:
            self._client = await self._connected()
            self._future = self._client.submit(run_task, self._token, key=self._token, pure=False, retries=0)
            await self._send_start()
            await self.flush()
            while True:
                if end := await self._poll():
                    self._address = ""  # the worker has nothing left to stop
                    return end
                await asyncio.sleep(BATCH_INTERVAL)
        except _Over as over:
            return over.end
        except (OSError, CancelledError):
            return await self._why()
        except Exception as error:
            log.exception("a run in the pool could not be followed")
            return Status("failed", type(error).__name__, str(error))

    async def flush(self) -> None:
        """Send the waiting commands."""
        async with self._sending:
            commands, self._commands = self._commands, []
            if commands and self._address:
                with contextlib.suppress(OSError):  # `_poll` finds out
                    await self._client.run(send_commands, self._token, commands, workers=[self._address])

    async def _restart_worker(self) -> None:
        if self._address:
            with contextlib.suppress(Exception):  # `_poll` finds out the outcome
                await self._client.restart_workers([self._address], raise_for_error=False)

    async def release(self) -> None:
        """Stop the run and release its task."""
        self._commands.append(("leave", None))
        with contextlib.suppress(OSError, CancelledError, TimeoutError):
            await asyncio.wait_for(self.flush(), 1.0)
        self._address = ""
        if self._future is not None:
            self._future.release()

    async def deliver(self, messages: list[WorkerMessage]) -> None:
        """Pass messages to the receiver, without blocking other runs."""
        await asyncio.to_thread(lambda: [self._receive(message) for message in messages])

    async def _connected(self) -> Any:
        """Return the client as soon as there is a scheduler."""
        for look in range(int(SCHEDULER_TIMEOUT / POLL_INTERVAL)):
            if self._pool.client is not None:
                return self._pool.client
            await self._wait(look, f"{self._pool.name} does not answer yet. {self._pool.trouble}".strip())
        raise _Over(Status("failed", "PoolLost", f"{self._pool.name} did not answer: {self._pool.trouble}"))

    async def _send_start(self) -> None:
        """Send the run to the worker that Dask has chosen."""
        look = 0
        while True:
            if self._future.done():
                raise _Over(await self._why())
            for address, keys in (await self._client.processing()).items():
                if self._token in map(str, keys):
                    start = [("start", self._content)]
                    delivered = await self._client.run(
                        send_commands, self._token, start, workers=[address], on_error="ignore"
                    )
                    if delivered.get(address):
                        self._address, self._content = address, b""
                        return
            await self._wait(look, "Waiting for a free worker of the pool.")
            look += 1

    async def _wait(self, look: int, message: str) -> None:
        if any(command == "stop" for command, _ in self._commands):
            raise _Over(Status("stopped"))
        if look == int(WAIT_NOTICE_AFTER / POLL_INTERVAL):
            await self.deliver([Status("starting", "", message)])
        await asyncio.sleep(POLL_INTERVAL)

    async def _poll(self) -> Status | None:
        """Pass on the next events; return the run's end when it is among them."""
        asked = asyncio.ensure_future(
            self._client.run(poll_events, self._token, COLLECT_TIMEOUT, workers=[self._address])
        )
        try:
            for look in range(1, int(WORKER_TIMEOUT / POLL_INTERVAL)):
                if (await asyncio.wait({asked}, timeout=POLL_INTERVAL))[0]:
                    break
                # Dask itself would try for half a minute to reach a dead worker.
                if self._future.done() or (look % 10 == 0 and self._address not in await self._client.nthreads()):
                    raise _Over(await self._why())
            else:
                text = f"The run's worker has not answered for {WORKER_TIMEOUT:g} seconds."
                raise _Over(Status("failed", "WorkerDied", text))
        finally:
            asked.cancel()
        batch = asked.result()[self._address]
        if batch is None:
            raise _Over(await self._why())
        return await asyncio.to_thread(self._read, batch)

    def _read(self, batch: list[bytes]) -> Status | None:
        for content in batch:
            message = pickle.loads(content)
            if isinstance(message, Status) and message.state in ENDS:
                return message
            self._receive(message)
        return None

    async def _why(self) -> Status:
        """Return why the run cannot be reached: its scheduler or its worker is lost."""
        address, self._address = self._address, ""
        with contextlib.suppress(OSError):
            for _ in range(20):  # the states of connection and task are updated within moments
                if self._client.status != "running" or self._future.cancelled():
                    return Status("failed", "PoolLost", CONNECTION_LOST)
                if self._future.done():
                    break
                await asyncio.sleep(POLL_INTERVAL / 2)
            return await self._pool.cause(self._client, self._future, address)
        return Status("failed", "PoolLost", CONNECTION_LOST)


class _Over(Exception):
    """The run has ended."""

    def __init__(self, end: Status) -> None:
        self.end = end
