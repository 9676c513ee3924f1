"""Draw the page on the kernel's event loop, at a limited rate."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kdlab.registry import InputError

__all__ = ["Loop"]

log = logging.getLogger("kdlab")


class Loop:
    """Runs `draw` on request, at most `rate` times a second, on the event loop of the thread that created the object.

    Workers and JupyterLab's comm threads post to it and never touch a widget themselves. An exception in `draw` or in
    a posted function is logged and passed to `fail`. Raises InputError where no event loop runs.
    """

    def __init__(self, draw: Callable[[], None], fail: Callable[[Exception], None], rate: float = 12.0) -> None:
        self._draw, self._fail, self._pause = draw, fail, 1 / rate
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise InputError(
                "A page lives in a notebook's event loop, and none runs here: make it in a cell of JupyterLab, or "
                "open it with `kdlab app`."
            ) from error
        self._scheduled: asyncio.TimerHandle | None = None
        self._earliest = 0.0

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Schedule a call of `function` on the loop; any thread may call this."""
        self._loop.call_soon_threadsafe(self._guard, function, *arguments)

    def request(self) -> None:
        """Request a drawing; any thread may call this, and requests close together share one drawing."""
        self.post(self._schedule)

    def _schedule(self) -> None:
        if self._scheduled is None:
            self._scheduled = self._loop.call_at(max(self._earliest, self._loop.time()), self._run)

    def _run(self) -> None:
        self._scheduled = None
        self._guard(self._draw)
        self._earliest = self._loop.time() + self._pause

    def _guard(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            log.exception("the page failed")
            self._fail(error)
