import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dashboard import Dashboard
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, expect, sync_playwright
from servers import Server

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run",
]  # fmt: skip
KINDS = ("voila", "jupyterlab")
DESKTOP = (1280, 800)
expect.set_options(timeout=30_000)


def find_chromium(playwright: Playwright) -> str | None:
    """Return a Chromium of this machine, or the one that `playwright install chromium` fetched."""
    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    own = playwright.chromium.executable_path
    return installed or (own if Path(own).exists() else None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = find_chromium(playwright)
        if path is None:
            missing = "no Chromium: install it, or run `playwright install chromium`"
            pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Return a function that starts a server of one kind, or returns the one that runs."""
    servers: dict[str, Server] = {}

    def get(kind: str) -> Server:
        if kind not in servers:
            servers[kind] = Server(kind, tmp_path_factory.mktemp(kind))
        return servers[kind]

    yield get
    for server in servers.values():
        server.close()


def open_dashboard(chromium: Browser, server: Server, size: tuple[int, int]) -> Dashboard:
    """Open the page in a window of its own; what goes wrong in it is noted in `problems`."""
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
    context.set_default_timeout(60_000)
    page, problems = context.new_page(), list[str]()
    page.on("console", partial(_note_message, problems))
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    page.on("request", partial(_note_request, problems))
    return Dashboard(page, server, problems)


def _note_message(problems: list[str], message: ConsoleMessage) -> None:
    if message.type == "error":
        problems.append(f"console: {message.text} ({message.location})")


def _note_request(problems: list[str], request: Request) -> None:
    address = urlsplit(request.url)
    if address.scheme not in ("data", "blob") and address.hostname not in ("127.0.0.1", "localhost"):
        problems.append(f"request to another host: {request.url}")


@pytest.fixture(scope="module", params=KINDS)
def shared_dashboard(
    request: pytest.FixtureRequest, chromium: Browser, serve: Callable[[str], Server]
) -> Iterator[Dashboard]:
    dashboard = open_dashboard(chromium, serve(request.param), DESKTOP)
    try:
        dashboard.open()
        yield dashboard
    except Exception:
        save_picture(dashboard.page, Path(request.getfixturevalue("tmp_path_factory").mktemp("failed")))
        raise
    finally:
        dashboard.page.context.close()


@pytest.fixture
def dashboard(request: pytest.FixtureRequest, shared_dashboard: Dashboard, tmp_path: Path) -> Iterator[Dashboard]:
    """Return the dashboard as it opens; one page serves all tests of a file."""
    shared_dashboard.reset()
    yield shared_dashboard
    if request.node.stash.get(FAILED, False):
        save_picture(shared_dashboard.page, tmp_path)
    problems = list(shared_dashboard.problems)
    shared_dashboard.problems.clear()
    assert not problems


@pytest.fixture
def voila(
    request: pytest.FixtureRequest, chromium: Browser, serve: Callable[[str], Server], tmp_path: Path
) -> Iterator[Callable[[tuple[int, int]], Dashboard]]:
    """Return a function that opens a page of its own in a window of some size."""
    opened: list[Dashboard] = []

    def open_at(size: tuple[int, int]) -> Dashboard:
        opened.append(open_dashboard(chromium, serve("voila"), size))
        opened[-1].open()
        return opened[-1]

    yield open_at
    problems = [problem for dashboard in opened for problem in dashboard.problems]
    for dashboard in opened:
        if request.node.stash.get(FAILED, False):
            save_picture(dashboard.page, tmp_path)
        dashboard.page.context.close()
    assert not problems


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


def save_picture(page: Page, folder: Path) -> None:
    path = folder / "page.png"
    page.screenshot(path=path)
    print(f"The page as it was: {path}")
