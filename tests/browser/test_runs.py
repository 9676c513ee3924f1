"""What a person does with the runs that are kept."""

import json
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from servers import Server
from windows import DESKTOP, TELEPHONE

from kdlab.runs.store import RunStore
from kdlab.train.history import History

HOSTILE = "<img src=x onerror=document.title='harmed'>"
KEPT = {path.name: path.read_bytes() for path in (files("kdlab.assets") / "opening").iterdir() if path.is_file()}


class Window:
    """The page, and the store behind it; `problems` fills with what the browser complains about."""

    def __init__(self, page: Page, server: Server, problems: list[str]) -> None:
        self.page, self.server, self.problems = page, server, problems
        self.runs = page.locator(".kd-runs li")

    def open(self, address: str = "") -> None:
        self.page.goto(f"{self.server.page('runs')}{address}", wait_until="commit")

    def run(self, label: str) -> Locator:
        return self.runs.filter(has_text=label)

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture
def store(serve: Callable[[str], Server]) -> RunStore:
    """The server's own store, which has nothing in it."""
    store = RunStore(serve("voila").folder / "kdlab_runs")
    for info in store.runs(None):
        store.delete(info.run)
    return store


@pytest.fixture
def window(lend: Callable[..., Window], serve: Callable[[str], Server]) -> Window:
    return lend(serve("voila"), DESKTOP, Window)


@pytest.fixture(params=[DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def any_window(request: pytest.FixtureRequest, lend: Callable[..., Window], serve: Callable[[str], Server]) -> Window:
    return lend(serve("voila"), request.param, Window)


def add(store: RunStore, run: str, label: str, temperature: float = 4.0) -> None:
    opening = History.of(KEPT)
    about = json.loads(opening.opened.spec.to_json())
    about["knobs"]["temperature"] = temperature
    store.create(run, visitor="", kind="distil", label=label, page="distil", config=about)
    store.put(run, "result", KEPT)
    store.update(run, state="done", summary={**opening.summary(), "knobs": about["knobs"]}, seconds=7.3)


def test_nothing_kept_yet(any_window: Window, store: RunStore) -> None:
    window = any_window
    window.open()
    expect(window.page.locator(".kd-empty")).to_have_text("Nothing is kept yet.")
    expect(window.page.locator(".kd-first-steps a")).to_have_attribute("href", "distil.ipynb")
    assert window.overflow() == 0


def test_comparing_saving_and_deleting(any_window: Window, store: RunStore, tmp_path: Path) -> None:
    window = any_window
    add(store, "first", "The first")
    add(store, "second", HOSTILE, temperature=8.0)
    page = window.page
    window.open()
    expect(window.runs).to_have_count(2)
    expect(window.runs.first.locator("strong")).to_have_text(HOSTILE)
    window.run("The first").get_by_role("checkbox").check()
    window.run(HOSTILE).get_by_role("checkbox").check()
    expect(page.locator(".kd-side-by-side tr").filter(has_text="Temperature T")).to_have_text("Temperature T48")
    expect(page.locator(".kd-canvas .main-svg").first).to_be_visible()
    expect(page.locator(".kd-canvas .legendtext")).to_have_count(4)
    page.wait_for_function("location.hash == '#compare=first,second'")
    assert window.overflow() == 0
    assert page.title() != "harmed"

    with page.expect_download() as saving:
        window.run("The first").get_by_role("button", name="Save").click()
    saving.value.save_as(tmp_path / "run.zip")
    assert saving.value.suggested_filename == "kdlab-first.zip"
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        assert {name: archive.read(f"result/{name}") for name in KEPT} == KEPT

    window.run("The first").get_by_role("button", name="Delete").click()
    keep = window.run("The first").get_by_role("button", name="Keep")
    expect(keep).to_be_focused()  # the key that is pressed by mistake deletes nothing
    page.keyboard.press("Enter")
    expect(keep).to_be_hidden()
    window.run("The first").get_by_role("button", name="Delete").click()
    window.run("The first").locator(".kd-danger").click()
    expect(window.runs).to_have_count(1)
    expect(page.locator(".kd-side-by-side")).to_be_hidden()
    assert [row.run for row in store.runs(None)] == ["second"]
    assert store.files("first", "result") is None


def test_a_reload_finds_what_was_compared(window: Window, store: RunStore) -> None:
    for number in range(3):
        add(store, f"run-{number}", f"Run {number}")
    window.open("#compare=run-0,run-2,nonsense")
    expect(window.page.locator(".kd-side-by-side thead th")).to_have_count(2)
    window.page.reload()
    expect(window.page.locator(".kd-side-by-side thead th")).to_have_count(2)
    expect(window.run("Run 2").get_by_role("link", name="Open")).to_have_attribute("href", "distil.ipynb#run=run-2")


def test_a_run_that_goes_on_is_followed(window: Window, store: RunStore) -> None:
    store.create("one", visitor="", kind="distil", label="Going on", page="distil", config={})
    window.open()
    expect(window.run("Going on")).to_contain_text("waiting its turn")
    expect(window.run("Going on").get_by_role("button", name="Delete")).to_be_disabled()
    store.update("one", state="failed", message="Diverged.")
    expect(window.run("Going on")).to_contain_text("Diverged.")
    expect(window.run("Going on").get_by_role("button", name="Delete")).to_be_enabled()
