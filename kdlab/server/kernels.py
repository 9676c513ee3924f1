"""The kernels of pages: how many there may be, which wait ready for a visitor, and which nobody looks at any more."""

import asyncio
import time
from typing import Any

import psutil
from jupyter_core.utils import ensure_async
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import PeriodicCallback
from traitlets import Integer
from voila.request_info_handler import RequestInfoSocketHandler
from voila.utils import ENV_VARIABLE

__all__ = ["MESSAGES", "Kernels"]

LOOK = 2.0  # seconds between two looks at the kernels
MOST_MEMORY = 700_000_000  # bytes of one kernel; a page takes about 150 MB, and trains nothing itself
# What a page may say to its kernel. It draws widgets; it never sends code.
MESSAGES = ["comm_open", "comm_close", "comm_msg", "comm_info_request", "kernel_info_request"]


class Kernels(AsyncMappingKernelManager):
    """One kernel a page, `visitors` at most (0: any number), each ended when its page has been away `idle_seconds`.

    Voilà builds its pool of preheated kernels on top of this class.
    """

    visitors = Integer(0, config=True, help="kernels that pages may have at once")
    idle_seconds = Integer(60, config=True, help="how long a kernel without a page lives, even when it is busy")

    def __init__(self, **traits: Any) -> None:
        # Of the kernels that pages have: since when no page has been connected, or None while one is.
        self._alone: dict[str, float | None] = {}
        self._arriving: set[asyncio.Task[Any] | None] = set()  # visitors whose kernels are about to be started
        super().__init__(**traits)
        self._watch = PeriodicCallback(self._look, 1000 * LOOK)
        self._watch.start()

    async def admit(self, notebook: str) -> bool:
        """Return whether there is a place for one more visitor of this task, who gets a preheated kernel if `is_ready`.

        A preheated one that died while it waited, or never began, is thrown away.
        """
        places = len(self._arriving) + sum(kernel in self for kernel in self._alone)
        if self.visitors and places >= self.visitors:
            return False
        self._arriving.add(asyncio.current_task())
        pool = self._pool(notebook)
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
        """Return whether a preheated kernel is ready: to wait for one takes longer than to start another."""
        pool = self._pool(notebook)
        return bool(pool) and pool[0].done()

    def arrived(self) -> None:
        """Forget this task's place: its kernel has one of its own, or there is none."""
        self._arriving.discard(asyncio.current_task())

    async def start_kernel(self, **options: Any) -> str:
        """Start a kernel, for a visitor unless it is to wait for one, and return its id."""
        kernel: str = await super().start_kernel(**options)
        if options["env"][ENV_VARIABLE.VOILA_PREHEAT] != "True":
            self._take(kernel)
        return kernel

    async def shutdown_kernel(self, kernel_id: str, *arguments: Any, **options: Any) -> None:
        """End a kernel, and forget what was noted of it."""
        RequestInfoSocketHandler._cache.pop(kernel_id, None)  # Voilà never does
        await ensure_async(super().shutdown_kernel(kernel_id, *arguments, **options))
        self._alone.pop(kernel_id, None)  # not before: one that could not be ended is tried again

    def notify_connect(self, kernel_id: str) -> None:
        """Notice that a page is there."""
        super().notify_connect(kernel_id)
        if kernel_id in self._alone:
            self._alone[kernel_id] = None

    def notify_disconnect(self, kernel_id: str) -> None:
        """Notice that a page has gone."""
        super().notify_disconnect(kernel_id)
        if kernel_id in self._alone and not self._kernel_connections.get(kernel_id):
            self._alone[kernel_id] = time.monotonic()

    def _pool(self, notebook: str) -> "list[asyncio.Task[dict[str, Any]]]":
        pool: list[asyncio.Task[dict[str, Any]]] = getattr(self, "_pools", {}).get(notebook, [])
        return pool

    def _take(self, kernel: str) -> None:
        self._alone[kernel] = time.monotonic()
        self.arrived()

    async def _is_alive(self, heated: "asyncio.Task[dict[str, Any]]") -> bool:
        try:
            kernel = (await asyncio.shield(heated))["kernel_id"]
            return kernel in self and await ensure_async(self.get_kernel(kernel).is_alive())
        except Exception:
            self.log.exception("a kernel that was to wait for a visitor could not be started")
            return False

    async def _look(self) -> None:
        """Replace preheated kernels that died, and end those whose pages went away or that take too much memory.

        The pools come first: Voilà cannot end a kernel while one of them holds another that never began.
        """
        for notebook, pool in getattr(self, "_pools", {}).items():
            for heated in [heated for heated in pool if heated.done()]:
                if not await self._is_alive(heated) and heated in pool:
                    pool.remove(heated)
            self.fill_if_needed(delay=0, notebook_name=notebook)
        now = time.monotonic()
        for kernel, since in list(self._alone.items()):
            try:
                if kernel not in self:
                    self._alone.pop(kernel, None)
                elif (since is not None and now - since > self.idle_seconds) or self._is_large(kernel):
                    await ensure_async(self.shutdown_kernel(kernel, now=True))
            except Exception:  # the others are ended all the same, and this one is tried again
                self.log.exception("a kernel could not be ended")

    def _is_large(self, kernel: str) -> bool:
        pid = getattr(self.get_kernel(kernel).provisioner, "pid", None)
        try:
            return bool(pid and psutil.Process(pid).memory_info().rss > MOST_MEMORY)
        except psutil.NoSuchProcess:
            return False
