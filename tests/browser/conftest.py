import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboard import Dashboard
from playwright.sync_api import Browser, Page, sync_playwright
from servers import Server
from temperature import TemperatureLab
from windows import DESKTOP, launch, open_window

FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        if browser is None:
            missing = "no Chromium: install it, or run `playwright install chromium`"
            pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
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


@pytest.fixture(scope="session", params=["voila", "jupyterlab"])
def shared_dashboard(
    request: pytest.FixtureRequest,
    chromium: Browser,
    serve: Callable[[str], Server],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Dashboard]:
    dashboard = open_window(chromium, serve(request.param), DESKTOP)
    try:
        dashboard.open()
    except Exception:
        save_picture(dashboard.page, tmp_path_factory.mktemp("failed"))
        raise
    yield dashboard
    dashboard.page.context.close()


@pytest.fixture
def dashboard(request: pytest.FixtureRequest, shared_dashboard: Dashboard, tmp_path: Path) -> Iterator[Dashboard]:
    """Return the dashboard as it opens; one page of each server is enough for all tests."""
    shared_dashboard.reset()
    yield shared_dashboard
    if request.node.stash.get(FAILED, False):
        save_picture(shared_dashboard.page, tmp_path)
    shared_dashboard.press("reset")  # a run left behind would slow down what follows
    problems = list(shared_dashboard.problems)
    shared_dashboard.problems.clear()
    assert not problems


@pytest.fixture(scope="session", params=["voila", "jupyterlab"])
def shared_lab(
    request: pytest.FixtureRequest,
    chromium: Browser,
    serve: Callable[[str], Server],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TemperatureLab]:
    lab = open_window(chromium, serve(request.param), DESKTOP, TemperatureLab)
    try:
        lab.open(TemperatureLab.LINK)
    except Exception:
        save_picture(lab.page, tmp_path_factory.mktemp("failed"))
        raise
    yield lab
    lab.page.context.close()


@pytest.fixture
def lab(request: pytest.FixtureRequest, shared_lab: TemperatureLab, tmp_path: Path) -> Iterator[TemperatureLab]:
    """Return the temperature lab as it opens without a link; one page of each server is enough for all tests."""
    shared_lab.reset()
    yield shared_lab
    if request.node.stash.get(FAILED, False):
        save_picture(shared_lab.page, tmp_path)
    problems = list(shared_lab.problems)
    shared_lab.problems.clear()
    assert not problems


@pytest.fixture
def open_lab(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path
) -> Iterator[Callable[..., TemperatureLab]]:
    """Return a function that opens the temperature lab of a server, or of a file, in a window of its own."""
    opened: list[TemperatureLab] = []

    def open_at(server: Server, size: tuple[int, int] = DESKTOP, link: str = "") -> TemperatureLab:
        opened.append(open_window(chromium, server, size, TemperatureLab))
        opened[-1].open(link)
        return opened[-1]

    yield open_at
    problems = [problem for lab in opened for problem in lab.problems]
    for lab in opened:
        if request.node.stash.get(FAILED, False):
            save_picture(lab.page, tmp_path)
        lab.page.context.close()
    assert not problems


@pytest.fixture
def open_voila(
    request: pytest.FixtureRequest, chromium: Browser, serve: Callable[[str], Server], tmp_path: Path
) -> Iterator[Callable[[tuple[int, int]], Dashboard]]:
    """Return a function that opens the web page in a window of some size."""
    opened: list[Dashboard] = []

    def open_at(size: tuple[int, int]) -> Dashboard:
        opened.append(open_window(chromium, serve("voila"), size))
        opened[-1].open()
        return opened[-1]

    yield open_at
    problems = [problem for dashboard in opened for problem in dashboard.problems]
    for dashboard in opened:
        if request.node.stash.get(FAILED, False):
            save_picture(dashboard.page, tmp_path)
        dashboard.page.context.close()
    assert not problems


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
