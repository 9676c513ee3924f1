"""Light, dark and forced colours: every text is legible on every page, in each of them, and axe-core finds nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from contrast import faint_texts
from dashboard import Dashboard
from playwright.sync_api import Browser, Page, expect
from servers import Server
from temperature import TemperatureLab
from test_experiments import Window

from kdlab.pages import Temperature
from kdlab.pages.catalogue import pages

WHOLE = (1280, 4300)  # a window in which each page is seen to its end
NAMES = ["index", *(next(iter(link.experiments), link.notebook) for link in pages())]
OPEN = ".kd-cards a, .kd-tile, .kd-claims, .kd-lab[data-drawn], .kd-runs li"
DRAWN = """() => [...document.querySelectorAll(".kd-plot")].every(
  (plot) => !plot.clientWidth || plot.style.visibility === "hidden" || plot.querySelector(".main-svg .gtitle"))"""
STUDENT = {"light": "rgb(213, 94, 0)", "dark": "rgb(255, 140, 66)"}


@pytest.fixture
def open_page(lend: Callable[..., Window], serve: Callable[[str], Server]) -> Callable[[str], Page]:
    """Return a function that opens a page of the catalogue in a tall window, and waits until all is drawn."""

    def come(name: str) -> Page:
        window = lend(serve("voila"), WHOLE, Window)
        window.open(name)
        wait_until_drawn(window.page)
        return window.page

    return come


def wait_until_drawn(page: Page) -> None:
    page.locator(OPEN).first.wait_for()
    page.wait_for_function(DRAWN)


def violations(page: Page) -> list[str]:
    """Return what axe-core finds: its rule, and the element.

    It does not look into figures, which are pictures to it, and leaves contrast to `faint_texts`: that takes most of
    its time, and it leaves out what lies over pictures and gradients.
    """
    options = {"rules": {"color-contrast": {"enabled": False}}, "resultTypes": ["violations"]}
    found = Axe().run(page, {"exclude": [[".kd-plot > *"]]}, options).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def check(page: Page) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert faint_texts(page) == [], scheme
        assert violations(page) == [], scheme


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("distil", "temperature", "runs")])
def test_every_text_is_legible_light_and_dark(name: str, open_page: Callable[[str], Page]) -> None:
    check(open_page(name))


def test_every_text_of_distil_is_legible_and_of_its_runs(open_page: Callable[[str], Page]) -> None:
    page = open_page("distil")
    check(page)
    page.evaluate("dispatchEvent(new CustomEvent('kdlab:lost'))")
    expect(page.get_by_role("dialog")).to_be_visible()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert faint_texts(page, "#lost") == []
    page.evaluate("dispatchEvent(new CustomEvent('kdlab:found'))")
    for action, state in (("step", "paused"), ("reset", "idle")) * 2:
        page.locator(f"button[data-action={action}]").click()
        expect(page.locator(".kd-run")).to_have_attribute("data-state", state)

    page = open_page("runs")
    for number in range(2):
        page.get_by_role("checkbox").nth(number).check()
    page.locator(".kd-runs").get_by_role("button", name="Delete").first.click()
    expect(page.locator(".kd-side-by-side table")).to_be_visible()
    wait_until_drawn(page)
    check(page)


def test_every_text_of_the_lab_is_legible(open_page: Callable[[str], Page]) -> None:
    page = open_page("temperature")
    check(page)
    for source in ("My own logits", "Draw a digit"):
        page.get_by_text(source, exact=True).click()
        check(page)


def test_every_text_of_an_exported_file_is_legible(chromium: Browser, tmp_path: Path) -> None:
    Temperature().export(tmp_path / "lab.html")
    context = chromium.new_context(viewport={"width": WHOLE[0], "height": WHOLE[1]})
    page = context.new_page()
    page.goto((tmp_path / "lab.html").as_uri())
    wait_until_drawn(page)
    check(page)
    context.close()


def choose_theme(page: Page, name: str) -> None:
    """Choose a theme of JupyterLab in its menu."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    entries = page.locator(".lm-Menu-item")
    entries.get_by_text("Theme", exact=True).hover()
    entries.get_by_text(name, exact=True).click()
    page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")


def test_jupyterlab_changes_its_theme_while_a_run_goes(
    lend: Callable[..., Dashboard], serve: Callable[[str], Server]
) -> None:
    dashboard = lend(serve("jupyterlab"), (1280, 2400))
    page = dashboard.page
    page.emulate_media(color_scheme="light")  # JupyterLab's theme counts, not the system's
    dashboard.open()
    dashboard.begin(teacher_epochs=1, epochs=9000)
    dashboard.wait_for_step(50)
    for name, scheme in (
        ("JupyterLab Dark", "dark"),
        ("JupyterLab Dark High Contrast", "dark"),
        ("JupyterLab Light", "light"),
    ):
        choose_theme(page, name)
        expect(page.locator(f".kd-curves path.js-line[style*='{STUDENT[scheme]}']").first).to_be_attached()
        dashboard.expect_state("running")
        dashboard.press("pause")  # texts that change would be measured over another picture
        dashboard.expect_state("paused")
        assert faint_texts(page, ".kd-page") == [], name
        dashboard.press("resume")
        dashboard.expect_state("running")
        page.emulate_media(color_scheme="dark")
    dashboard.press("stop")
    dashboard.expect_state("stopped")


FORCED = """() => {
  const colours = (selector) => {
    const style = getComputedStyle(document.querySelector(selector));
    return [style.backgroundColor, style.color, style.borderTopColor].join();
  };
  return {
    bar: colours(".kd-bar"), line: colours(".kd-line"), chosen: colours(".kd-tabs .kd-labelled:has(:checked)"),
    other: colours(".kd-tabs .kd-labelled:not(:has(:checked))"), card: colours(".kd-card"),
    picture: colours(".kd-pictures [aria-pressed=true]"), unpressed: colours(".kd-pictures [aria-pressed=false]"),
  };
}"""


def test_forced_colours_keep_bars_tabs_and_chosen_pictures_apart(lab: TemperatureLab) -> None:
    lab.listed.first.click()
    lab.page.emulate_media(forced_colors="active")
    for scheme in ("light", "dark"):
        lab.page.emulate_media(color_scheme=scheme)
        looks = lab.page.evaluate(FORCED)
        for first, second in (("bar", "card"), ("chosen", "other"), ("picture", "unpressed")):
            assert looks[first] != looks[second], (scheme, first)
    lab.page.emulate_media(forced_colors="none", color_scheme="light")


def test_forced_colours_keep_the_off_state_of_buttons_and_segments(open_page: Callable[[str], Page]) -> None:
    page = open_page("mnist")
    page.emulate_media(forced_colors="active")
    off, on, chosen, other = (
        page.locator(selector).first.evaluate(
            "it => [getComputedStyle(it).color, getComputedStyle(it).backgroundColor]"
        )
        for selector in (
            "[data-action=stop]",
            "[data-action=step]",
            ".kd-segments input:checked + span",
            ".kd-segments input:not(:checked) + span",
        )
    )
    page.emulate_media(forced_colors="none")
    assert off != on
    assert chosen != other
