"""A Chromium, and windows in it that note what the browser complains about."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dashboard import Dashboard
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, WebSocket, expect
from servers import Server

__all__ = ["DESKTOP", "TELEPHONE", "launch", "open_window"]

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
DESKTOP, TELEPHONE = (1280, 800), (390, 844)
Window = TypeVar("Window")
expect.set_options(timeout=30_000)


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
    context.set_default_timeout(60_000)
    page, problems = context.new_page(), list[str]()
    page.on("console", partial(_note_message, problems))
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    page.on("request", partial(_note_address, problems))
    page.on("websocket", partial(_note_address, problems))
    return make(page, server, problems)


def _note_message(problems: list[str], message: ConsoleMessage) -> None:
    if message.type == "error":
        problems.append(f"console: {message.text} ({message.location})")


def _note_address(problems: list[str], what: Request | WebSocket) -> None:
    address = urlsplit(what.url)
    if address.scheme not in ("data", "blob", "file") and address.hostname not in ("127.0.0.1", "localhost"):
        problems.append(f"request to another host: {what.url}")
