"""What a person does on the pages of the experiments."""

import re
from collections.abc import Callable

import pytest
from notebooks import run_all_cells
from playwright.sync_api import Page, expect
from servers import Server
from windows import DESKTOP, TELEPHONE

TINY = {"Network name": "mlp:8x1", "Temperatures": "2,5", "Networks": 2, "Epochs": 1, "Seeds": 1}


class Window:
    """One page of one server; `problems` fills with what the browser complains about."""

    def __init__(self, page: Page, server: Server, problems: list[str]) -> None:
        self.page, self.server, self.problems = page, server, problems
        self.run, self.status, self.error = (page.locator(name) for name in (".kd-run", ".kd-status", ".kd-error"))
        self.pieces = page.locator(".kd-pieces li")
        self.tiles = page.locator(".kd-explore dt")

    def open(self, name: str) -> None:
        self.page.goto(self.server.page(name), wait_until="commit")
        self.run_cells()

    def run_cells(self) -> None:
        """Have the notebook that is open show its page, which Voilà does by itself."""
        if self.server.kind == "jupyterlab":
            run_all_cells(self.page)

    def press(self, action: str) -> None:
        self.page.locator(f"button[data-action={action}]").click()

    def expect_state(self, state: str) -> None:
        expect(self.run).to_have_attribute("data-state", state)

    def expect_pieces(self, *states: str) -> None:
        expect(self.pieces).to_have_count(len(states))
        for piece, state in zip(self.pieces.all(), states, strict=True):
            expect(piece).to_have_attribute("data-state", state)

    def fill(self, label: str, text: object) -> None:
        """Type into a field of the settings, with the keyboard."""
        field = self.page.locator(".kd-setup").get_by_label(label, exact=True)
        expect(field).to_be_visible()
        field.focus()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(str(text))
        self.page.keyboard.press("Tab")

    def choose_tiny(self) -> None:
        """Choose settings with which the ensemble is trained in seconds."""
        self.page.get_by_label("Data set", exact=True).select_option("digits")
        self.page.get_by_label("Augmentation", exact=True).select_option("none")
        self.page.get_by_label("Network", exact=True).select_option("Other …")
        for label, value in TINY.items():
            self.fill(label, value)


def test_the_index_leads_to_an_experiment_that_runs_stops_and_goes_on(
    lend: Callable[..., Window], serve: Callable[[str], Server]
) -> None:
    here = lend(serve("voila"), DESKTOP, Window)
    page = here.page
    here.open("index")
    page.get_by_role("link", name="Can one network do what ten do together?").click()
    expect(page).to_have_title("kdlab – Ensemble")
    expect(page.locator(".kd-introduction h2")).to_be_visible()

    # What cannot be used is said, and a good setting makes it go.
    here.choose_tiny()
    here.fill("Network name", "mpl:8x1")
    here.press("start")
    expect(here.error).to_contain_text("There is no model 'mpl:8x1'.")
    here.fill("Network name", "mlp:8x1")
    expect(here.error).to_be_hidden()

    # Epoch by epoch until the second of three pieces has begun.
    for words in ("epoch 0 of 1", "epoch 1 of 1", "Piece 2 of 3, dropout, seed 0: epoch 0 of 1"):
        here.press("step")
        expect(here.status).to_contain_text(words)
        here.expect_state("paused")
    expect(page.locator(".kd-training .kd-canvas .gtitle")).to_contain_text("dropout, seed 0")
    here.press("stop")
    here.expect_state("stopped")
    expect(here.status).to_contain_text("Finished pieces are kept")
    here.expect_pieces("done", "waiting", "waiting")

    here.press("start")
    here.expect_state("done")
    expect(here.pieces.first).to_contain_text("kept from before")
    here.expect_pieces("kept", "done", "done")
    expect(page.locator(".kd-origin")).to_contain_text("This run: quick experiment on digits, 1 seed")
    expect(page.locator(".kd-claims li")).to_have_count(3)
    expect(page.locator(".kd-compared tbody tr").last).to_contain_text("86.4 paper")
    expect(page.locator(".kd-badge").first).to_have_text(re.compile("^(✓holds|✗does not hold|≈inside the noise)$"))

    # The sliders score anew.
    expect(here.tiles.first).to_have_text("2 together")
    slider = page.locator(".kd-knob-networks input")
    slider.focus()
    page.keyboard.press("Home")
    expect(here.tiles.first).to_have_text("one of them")
    expect(page.locator(".kd-explore .kd-canvas .legendtext")).to_have_text("1 together")

    here.press("reset")
    here.expect_state("idle")
    expect(page.get_by_label("Data set", exact=True)).to_have_value("mnist")
    expect(page.locator(".kd-training")).to_be_hidden()


def test_a_run_of_an_experiment_is_found_again(lend: Callable[..., Window], serve: Callable[[str], Server]) -> None:
    window = lend(serve("voila"), DESKTOP, Window)
    page = window.page
    window.open("ensemble")
    window.choose_tiny()
    window.press("start")
    page.wait_for_function("/run=[\\w-]+/.test(location.hash)")
    page.reload(wait_until="commit")
    window.expect_state("done")
    expect(page.locator(".kd-origin")).to_contain_text("This run: quick experiment on digits, 1 seed")
    expect(window.tiles.first).to_have_text("2 together")
    expect(page.locator(".kd-setup").get_by_label("Networks", exact=True)).to_have_value("2")


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
@pytest.mark.parametrize("name", ["index", "ensemble"])
def test_nothing_overflows(
    name: str, size: tuple[int, int], lend: Callable[..., Window], serve: Callable[[str], Server]
) -> None:
    here = lend(serve("voila"), size, Window)
    here.open(name)
    here.page.locator(".kd-link-card, .kd-findings > *").first.wait_for()
    assert here.page.evaluate("document.scrollingElement.scrollWidth") <= size[0]
    boxes = "all => all.map(one => one.getBoundingClientRect().toJSON())"
    for box in here.page.locator(".kd-link-card, .kd-run, .kd-size, .kd-setup, .kd-facts").evaluate_all(boxes):
        assert box["left"] >= 0
        assert box["right"] <= size[0]
    if name == "ensemble":
        start = here.page.locator("button[data-action=start]").bounding_box()
        assert start["y"] + start["height"] <= size[1]
