"""A Chromium, and windows in it that note what the browser complains about."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from dashboard import Dashboard
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, WebSocket, expect
from servers import Server

__all__ = ["DESKTOP", "TELEPHONE", "Windows", "launch", "open_window"]

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
DESKTOP, TELEPHONE = (1280, 800), (390, 844)
NO_PAGE = "/favicon.ico"  # which browsers ask for where a page names no icon
Window = TypeVar("Window")
PATIENCE = 120_000  # milliseconds: what waits for a busy machine costs nothing on a quick one
expect.set_options(timeout=PATIENCE)


def launch(playwright: Playwright) -> Browser | None:
    """Start this machine's Chromium, or the one that `playwright install chromium` fetched; None without any."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None and Path(playwright.chromium.executable_path).exists():
        path = playwright.chromium.executable_path
    return playwright.chromium.launch(executable_path=path, args=OPTIONS) if path else None


def open_window(
    chromium: Browser,
    server: Server,
    size: tuple[int, int],
    make: Callable[[Page, Server, list[str]], Window] = Dashboard,
) -> Window:
    """Make an empty window of its own for a page that `make` handles; what goes wrong in it is noted in `problems`."""
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
    context.set_default_timeout(PATIENCE)
    return _listen(context.new_page(), server, make)


class Windows:
    """Lends windows, and has them back: those of one server are tabs of one visitor, who fetches scripts once.

    What a window was used for ends when it comes back, and the last one takes the visitor along.
    """

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._contexts: dict[str, BrowserContext] = {}  # by the server's address
        self._free: dict[tuple[str, Callable[..., object]], list[object]] = {}
        self._lent: list[object] = []

    def lend(
        self,
        server: Server,
        size: tuple[int, int] = DESKTOP,
        make: Callable[[Page, Server, list[str]], Window] = Dashboard,
    ) -> Window:
        """Return a window of a size that shows nothing of any notebook; it lies before the others."""
        free = self._free.setdefault((server.address, make), [])
        window = free.pop() if free else _listen(self._context(server).new_page(), server, make)
        window.page.set_viewport_size({"width": size[0], "height": size[1]})
        window.page.set_default_timeout(PATIENCE)
        window.page.bring_to_front()  # what lies behind gets a frame a second
        self._lent.append(window)
        return window

    def have_back(self, window: Dashboard) -> None:
        """Leave the page, which ends its kernel in Voilà; a window that was closed is not kept."""
        self._lent.remove(window)
        address, page = window.server.address, window.page
        if not page.is_closed():
            # Of the same server: the browser keeps a process, and what it compiled, for a server's pages.
            page.goto(urljoin(address, NO_PAGE))
            window.problems.clear()
            self._free[address, type(window)].append(window)
        lent = [other for other in self._lent if other.server.address == address and not other.page.is_closed()]
        if lent:
            lent[-1].page.bring_to_front()
        elif not page.is_closed():
            page.evaluate("localStorage.clear(); sessionStorage.clear()")

    def _context(self, server: Server) -> BrowserContext:
        if server.address not in self._contexts:
            context = self._contexts[server.address] = self._chromium.new_context()
            context.set_default_timeout(PATIENCE)
        return self._contexts[server.address]


def _listen(page: Page, server: Server, make: Callable[[Page, Server, list[str]], Window]) -> Window:
    problems = list[str]()
    page.on("console", partial(_note_message, problems))
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    page.on("request", partial(_note_address, problems))
    page.on("websocket", partial(_note_address, problems))
    return make(page, server, problems)


def _note_message(problems: list[str], message: ConsoleMessage) -> None:
    if message.type == "error" and not message.location["url"].endswith(NO_PAGE):
        problems.append(f"console: {message.text} ({message.location})")


def _note_address(problems: list[str], what: Request | WebSocket) -> None:
    address = urlsplit(what.url)
    if address.scheme not in ("data", "blob", "file") and address.hostname not in ("127.0.0.1", "localhost"):
        problems.append(f"request to another host: {what.url}")
