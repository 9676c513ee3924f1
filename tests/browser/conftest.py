import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboard import Dashboard
from firefox import launch_firefox
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from servers import Server
from temperature import TemperatureLab
from windows import DESKTOP, Windows, launch

FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    if browser is None:
        missing = "no Chromium: install it, or run `playwright install chromium`"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def firefox(playwright: Playwright) -> Iterator[Browser]:
    browser = launch_firefox(playwright)
    if browser is None:
        pytest.skip("no Firefox: install Debian's firefox-esr")
    yield browser
    browser.close()


@pytest.fixture(scope="session", params=["chromium", "firefox"])
def each_browser(request: pytest.FixtureRequest, playwright: Playwright) -> Browser:
    """Return one browser, then the other: what uses this runs twice."""
    return request.getfixturevalue(request.param)


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


@pytest.fixture(scope="session")
def windows(chromium: Browser) -> Windows:
    """Return the windows that a test's pages open in; a file of tests has them in Firefox by a fixture of this name."""
    return Windows(chromium)


@pytest.fixture
def lend(request: pytest.FixtureRequest, windows: Windows, tmp_path: Path) -> Iterator[Callable[..., Dashboard]]:
    """Return `Windows.lend`, for this test."""
    lent: list[Dashboard] = []

    def take(*arguments: object) -> Dashboard:
        lent.append(windows.lend(*arguments))
        return lent[-1]

    yield take
    problems = [problem for window in lent for problem in window.problems]
    for window in lent:
        if request.node.stash.get(FAILED, False) and not window.page.is_closed():
            save_picture(window.page, tmp_path)
        windows.have_back(window)
    assert not problems


@pytest.fixture
def visit(lend: Callable[..., Dashboard], serve: Callable[[str], Server]) -> Callable[..., Dashboard]:
    """Return a function that opens the page "Distil"; a second one lies in a tab beside the first."""

    def come(link: str = "") -> Dashboard:
        dashboard = lend(serve("voila"))
        dashboard.open(link)
        return dashboard

    return come


@pytest.fixture(scope="module")
def shared_dashboard(
    windows: Windows, serve: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dashboard]:
    dashboard = windows.lend(serve("voila"))
    try:
        dashboard.open()
    except Exception:
        save_picture(dashboard.page, tmp_path_factory.mktemp("failed"))
        raise
    yield dashboard
    windows.have_back(dashboard)


@pytest.fixture
def dashboard(request: pytest.FixtureRequest, shared_dashboard: Dashboard, tmp_path: Path) -> Iterator[Dashboard]:
    """Return the web page as it opens; one is enough for all tests of a file."""
    shared_dashboard.reset()
    yield shared_dashboard
    if request.node.stash.get(FAILED, False):
        save_picture(shared_dashboard.page, tmp_path)
    shared_dashboard.press("reset")  # a run left behind would slow down what follows
    problems = list(shared_dashboard.problems)
    shared_dashboard.problems.clear()
    assert not problems


@pytest.fixture(scope="module")
def shared_lab(
    windows: Windows, serve: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TemperatureLab]:
    lab = windows.lend(serve("voila"), DESKTOP, TemperatureLab)
    try:
        lab.open(TemperatureLab.LINK)
    except Exception:
        save_picture(lab.page, tmp_path_factory.mktemp("failed"))
        raise
    yield lab
    windows.have_back(lab)


@pytest.fixture
def lab(request: pytest.FixtureRequest, shared_lab: TemperatureLab, tmp_path: Path) -> Iterator[TemperatureLab]:
    """Return the temperature lab as it opens without a link; one page is enough for all tests of a file."""
    shared_lab.reset()
    yield shared_lab
    if request.node.stash.get(FAILED, False):
        save_picture(shared_lab.page, tmp_path)
    problems = list(shared_lab.problems)
    shared_lab.problems.clear()
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
