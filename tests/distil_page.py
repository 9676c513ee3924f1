"""A page in this process, on an event loop as a kernel's."""

import asyncio
from collections.abc import Awaitable, Callable

from kdlab.pages import Distil

__all__ = ["on_page"]


def on_page(use: Callable[[Distil], Awaitable[None]]) -> None:
    """Let `use` handle a page of its own."""

    async def run() -> None:
        page = Distil()
        try:
            await use(page)
        finally:
            page.close()

    asyncio.run(run())
