"""The one place from which the screen is drawn: the kernel's own event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["Loop"]


class Loop:
    """Runs `draw` on the loop of the thread that made it, when it is asked for but at most `rate` times a second.

    Workers and JupyterLab's comm threads post to it and never touch a widget themselves.
    """

    def __init__(self, draw: Callable[[], None], rate: float = 12.0) -> None:
        self._draw, self._pause = draw, 1 / rate
        self._loop = asyncio.get_running_loop()
        self._scheduled: asyncio.TimerHandle | None = None
        self._earliest = 0.0

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call `function` on the loop soon, from whatever thread."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def request(self) -> None:
        """Ask for a drawing, from whatever thread; requests that come close together are answered by one."""
        self.post(self._schedule)

    def _schedule(self) -> None:
        if self._scheduled is None:
            self._scheduled = self._loop.call_at(max(self._earliest, self._loop.time()), self._run)

    def _run(self) -> None:
        self._scheduled = None
        try:
            self._draw()
        finally:
            self._earliest = self._loop.time() + self._pause
