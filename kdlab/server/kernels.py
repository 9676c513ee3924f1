"""The kernels of pages: their maximum number, preheated ones, and those whose pages have closed."""

import asyncio
import time
from typing import Any

import psutil
from jupyter_core.utils import ensure_async
from tornado.ioloop import PeriodicCallback
from traitlets import Integer

from kdlab.server.voila_internals import (
    AsyncMappingKernelManager,
    PreheatedKernel,
    fill_pool,
    forget_request,
    has_page,
    is_preheating,
    pools,
)

__all__ = ["MESSAGE_TYPES", "Kernels"]

CHECK_INTERVAL = 2.0  # seconds between two checks of the kernels
MAX_KERNEL_BYTES = 700_000_000  # bytes of one kernel; a page takes about 150 MB, and trains nothing itself
# Message types that a page may send to its kernel: for widgets, never code.
MESSAGE_TYPES = ["comm_open", "comm_close", "comm_msg", "comm_info_request", "kernel_info_request"]


class Kernels(AsyncMappingKernelManager):
    """One kernel per page, at most `visitors` (0: any number), ended `idle_seconds` after its page disconnected.

    Voilà builds its pool of preheated kernels on top of this class.
    """

    visitors = Integer(0, config=True, help="kernels that pages may have at once")
    idle_seconds = Integer(60, config=True, help="how long a kernel without a page lives, even when it is busy")

    def __init__(self, **traits: Any) -> None:
        # For each kernel of a page: the time since which no page is connected, or None while one is.
        self._disconnected_since: dict[str, float | None] = {}
        self._arriving: set[asyncio.Task[Any] | None] = set()  # visitors whose kernels are about to be started
        super().__init__(**traits)
        self._watch = PeriodicCallback(self._check, 1000 * CHECK_INTERVAL)
        self._watch.start()

    async def admit(self, notebook: str) -> bool:
        """Return whether there is a place for this task's visitor, who gets a preheated kernel if one `is_ready`.

        A preheated kernel that died or failed to start is discarded.
        """
        places = len(self._arriving) + sum(kernel in self for kernel in self._disconnected_since)
        if self.visitors and places >= self.visitors:
            return False
        self._arriving.add(asyncio.current_task())
        pool = pools(self).get(notebook, [])
        while self.is_ready(notebook):
            first = pool[0]
            alive = await self._is_alive(first)
            if first not in pool:
                continue  # another visitor took it meanwhile
            if alive:
                self._take(first.result()["kernel_id"])
                break
            pool.remove(first)
        return True

    def is_ready(self, notebook: str) -> bool:
        """Return whether a preheated kernel is ready: waiting for one takes longer than starting another."""
        pool = pools(self).get(notebook)
        return bool(pool) and pool[0].done()

    def arrived(self) -> None:
        """Release this task's reservation: its kernel is counted now, or none was started."""
        self._arriving.discard(asyncio.current_task())

    async def start_kernel(self, **options: Any) -> str:
        """Start a kernel, for a visitor or as a preheated one, and return its id."""
        kernel: str = await super().start_kernel(**options)
        if not is_preheating(options["env"]):
            self._take(kernel)
        return kernel

    async def shutdown_kernel(self, kernel_id: str, *arguments: Any, **options: Any) -> None:
        """End a kernel, and delete its entries."""
        forget_request(kernel_id)
        await ensure_async(super().shutdown_kernel(kernel_id, *arguments, **options))
        self._disconnected_since.pop(kernel_id, None)  # last, so that a failed shutdown is tried again

    def notify_connect(self, kernel_id: str) -> None:
        """Record that a page has connected."""
        super().notify_connect(kernel_id)
        if kernel_id in self._disconnected_since:
            self._disconnected_since[kernel_id] = None

    def notify_disconnect(self, kernel_id: str) -> None:
        """Record that a page has disconnected."""
        super().notify_disconnect(kernel_id)
        if kernel_id in self._disconnected_since and not has_page(self, kernel_id):
            self._disconnected_since[kernel_id] = time.monotonic()

    def _take(self, kernel: str) -> None:
        self._disconnected_since[kernel] = time.monotonic()
        self.arrived()

    async def _is_alive(self, preheated: PreheatedKernel) -> bool:
        try:
            kernel = (await asyncio.shield(preheated))["kernel_id"]
            return kernel in self and await ensure_async(self.get_kernel(kernel).is_alive())
        except Exception:
            self.log.exception("a kernel that was to wait for a visitor could not be started")
            return False

    async def _check(self) -> None:
        """Replace dead preheated kernels, and end kernels whose pages have disconnected or that use too much memory.

        The pools come first: Voilà cannot end a kernel while a pool contains one that failed to start.
        """
        for notebook, pool in pools(self).items():
            for preheated in [preheated for preheated in pool if preheated.done()]:
                if not await self._is_alive(preheated) and preheated in pool:
                    pool.remove(preheated)
            fill_pool(self, notebook)
        timestamp = time.monotonic()
        for kernel, since in list(self._disconnected_since.items()):
            try:
                if kernel not in self:
                    self._disconnected_since.pop(kernel, None)
                elif (since is not None and timestamp - since > self.idle_seconds) or self._is_large(kernel):
                    await ensure_async(self.shutdown_kernel(kernel, now=True))
            except Exception:  # continue with the others; this one is tried again
                self.log.exception("a kernel could not be ended")

    def _is_large(self, kernel: str) -> bool:
        pid = getattr(self.get_kernel(kernel).provisioner, "pid", None)
        try:
            return bool(pid and psutil.Process(pid).memory_info().rss > MAX_KERNEL_BYTES)
        except psutil.NoSuchProcess:
            return False
