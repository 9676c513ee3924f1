"""The one place from which the screen is drawn: the kernel's own event loop."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kdlab.registry import InputError

__all__ = ["Loop"]

log = logging.getLogger("kdlab")


class Loop:
    """Runs `draw` on the loop of the thread that made it, when it is asked for but at most `rate` times a second.

    Workers and JupyterLab's comm threads post to it and never touch a widget themselves. An exception in `draw` or in
    what was posted is logged and handed to `fail`. Raises InputError where no loop runs.
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
        """Call `function` on the loop soon, from whatever thread."""
        self._loop.call_soon_threadsafe(self._guard, function, *arguments)

    def request(self) -> None:
        """Ask for a drawing, from whatever thread; requests that come close together are answered by one."""
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
