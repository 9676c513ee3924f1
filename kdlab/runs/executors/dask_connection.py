"""The connection to a Dask scheduler, renewed when it is lost, and the cluster that this process starts."""

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import Coroutine
from typing import Any

from kdlab.registry import InputError
from kdlab.runs.protocol import Status
from kdlab.runs.worker import SPIN_COUNT

__all__ = ["DaskConnection"]

STATUS_INTERVAL = 0.5  # seconds between two checks of the connection and the number of workers
MIN_BACKOFF, MAX_BACKOFF = 0.5, 5.0  # seconds before the first and before later attempts to reconnect
log = logging.getLogger("kdlab")


class DaskConnection:
    """A scheduler's workers. `client` is None while there is no connection; `trouble` has the reason."""

    def __init__(self, scheduler: str | None, workers: int | None) -> None:
        check(scheduler)
        self._scheduler, self._wanted = scheduler, workers or os.cpu_count() or 1
        self.name = f"The pool at {scheduler}" if scheduler else "The pool of this machine"
        self.client: Any = None
        self.workers = self._wanted if scheduler is None else 0
        self.trouble = ""
        self._cluster: Any = None
        self._launching: asyncio.Task[None] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="kdlab-pool-") if scheduler is None else None
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """Connect, and reconnect after each failure, until cancelled."""
        pause = MIN_BACKOFF
        while True:
            try:
                await self._connect()
                pause, self.trouble = MIN_BACKOFF, ""
                await self._watch()
                self.trouble = "the connection was lost."
            except Exception as error:  # after any failure later runs still need the pool
                self.trouble = f"{error}"
            log.warning("%s cannot be reached: %s", self.name, self.trouble)
            await self._disconnect()
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_BACKOFF)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a background task."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cause(self, client: Any, future: Any, address: str) -> Status:
        """Return the status of a run that its worker has lost; raises OSError."""
        for _, event in await client.get_events("worker-restart-memory"):
            if event["worker"] == address:
                text = (
                    f"The run's worker was ended because it took more memory than a worker may have "
                    f"({event['rss'] / 1e6:,.0f} MB): choose smaller networks or batches."
                )
                return Status("failed", "WorkerDied", text)
        error = await future.exception() if future.status == "error" else None
        if error is not None and type(error).__name__ != "KilledWorker":
            text = f"The workers of the pool could not begin the run ({error}): install the same kdlab there as here."
            return Status("failed", type(error).__name__, text)
        return Status("failed", "WorkerDied", "The run's worker process ended unexpectedly; the pool replaces it.")

    async def close(self) -> None:
        """Disconnect, and end the cluster that this process started."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()
        if self._launching is not None:
            await asyncio.gather(self._launching, return_exceptions=True)
        await self._end_cluster()
        if self._folder is not None:
            self._folder.cleanup()

    async def _connect(self) -> None:
        from distributed import Client

        for name in ("distributed", "distributed.client"):  # this class logs its own messages instead
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if self._scheduler is None and self._cluster is None:
            # Dask leaves sockets open when its start is cancelled.
            self._launching = asyncio.create_task(self._launch())
            try:
                await asyncio.shield(self._launching)
            except Exception:
                await self._end_cluster()
                raise
        client = Client(
            self._cluster or self._scheduler, asynchronous=True, set_as_default=False, name="kdlab", timeout="10s"
        )
        try:
            await client
        except BaseException:
            await client.close()
            raise
        self.client = client

    async def _disconnect(self) -> None:
        client, self.client = self.client, None
        if self._scheduler is not None:
            self.workers = 0
        if client is not None:
            with contextlib.suppress(OSError, TimeoutError):
                await client.close()

    async def _watch(self) -> None:
        while self.client.status == "running":
            self.workers = len(await self.client.nthreads())
            await asyncio.sleep(STATUS_INTERVAL)

    async def _end_cluster(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            await cluster.close()

    async def _launch(self) -> None:
        """Start a scheduler in this process and worker processes, all on 127.0.0.1 and with new TLS keys."""
        import dask
        from distributed import LocalCluster

        threads = max(1, (os.cpu_count() or 1) // self._wanted)
        environment = {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": SPIN_COUNT} | {
            key: os.environ[key] for key in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT") if key in os.environ
        }
        assert self._folder is not None
        settings = {
            "temporary-directory": self._folder.name,
            "distributed.scheduler.allowed-failures": 0,
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "distributed.worker.profile.enabled": False,  # it keeps 60 MB of stacks a worker, and more every minute
            # These variables would be set in this process too, and be inherited by its other children.
            "distributed.nanny.pre-spawn-environ": {},
        }
        with dask.config.set(settings):
            self._cluster = LocalCluster(
                n_workers=self._wanted, threads_per_worker=1, processes=True, host="127.0.0.1",
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                worker_dashboard_address="127.0.0.1:0",
                security=True,  # other users of this machine can reach the ports but not authenticate
                local_directory=self._folder.name, env=environment,
                preload=["kdlab.runs.executors.dask_worker"], asynchronous=True, silence_logs=logging.CRITICAL,
            )  # fmt: skip
            await self._cluster


def check(scheduler: str | None) -> None:
    """Raise InputError when Dask is not installed or the address is invalid."""
    try:
        from distributed.comm import resolve_address
    except ImportError as error:
        raise InputError("A pool of workers needs Dask distributed: pip install 'kdlab[dask]'.") from error
    if scheduler is not None:
        try:
            resolve_address(scheduler)
        except (ValueError, OSError) as error:
            raise InputError(
                f"{scheduler!r} is no address of a Dask scheduler ({error}): give one such as tcp://10.0.0.5:8786."
            ) from error
