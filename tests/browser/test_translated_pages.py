"""Pages that a browser goes on translating: all texts follow, and what is marked stays as it is."""

from collections.abc import Callable

from dashboard import Dashboard
from playwright.sync_api import Page, expect
from servers import Server
from temperature import TemperatureLab, share
from translator import MARK, translate
from windows import DESKTOP

from kdlab.metrics.softened import soften

BARS = """network => [...document.querySelectorAll(".kd-bars tbody tr")].map((row) => [
  Number(row.querySelector(`.kd-line.kd-${network} .kd-bar`).style.transform.slice(7, -1)),
  row.querySelector(`.kd-value.kd-${network}`).textContent])"""
NAMES = "all => all.map((control) => control.getAttribute('aria-label').split(':')[0])"


def texts(page: Page, selector: str) -> list[str]:
    """Return texts without what the translator made of them."""
    return [text.replace(MARK, "") for text in page.locator(selector).all_text_contents()]


def expect_untouched(page: Page, *selectors: str) -> None:
    for selector in selectors:
        expect(page.locator(selector).first).to_be_attached()
        assert MARK not in "".join(page.locator(selector).all_text_contents()), selector


def expect_numbers_of_the_bars(page: Page) -> None:
    for network in ("teacher", "student", "baseline"):
        for length, text in page.evaluate(BARS, network):
            assert text.replace(MARK, "") == share(length)


def test_a_translated_dashboard_follows_slider_and_run_and_so_does_the_list_of_runs(
    lend: Callable[..., Dashboard], serve: Callable[[str], Server]
) -> None:
    dashboard = lend(serve("voila"))
    dashboard.open()
    page = dashboard.page
    dashboard.fill("Teacher epochs", 1)
    dashboard.fill("Epochs", 9000)
    for everything in (False, True):
        translate(page, everything)
        expect(page.locator(".kd-tile-label").first).to_have_text(f"Teacher{MARK}")
        if not everything:
            expect_untouched(
                page, ".kd-tile strong", ".kd-bars tbody", ".kd-plot", ".kd-knob output", ".kd-name-field select"
            )
        before = texts(page, ".kd-bars tbody .kd-value")
        page.locator(".kd-knob-temperature input").focus()
        for _ in range(20):
            page.keyboard.press("ArrowRight")
        (temperature,) = texts(page, ".kd-knob-temperature output")
        title = f"Softened predictions at T = {temperature} (ticks: at T = 1){MARK}"
        expect(page.locator(".kd-soft-targets h2")).to_have_text(title)
        assert texts(page, ".kd-bars tbody .kd-value") != before
        expect_numbers_of_the_bars(page)

    dashboard.press("start")
    dashboard.wait_for_step(5)
    runs = lend(serve("voila"))
    runs.page.goto(runs.server.page("runs"))
    runs.page.locator(".kd-runs li[data-state=running]").wait_for()
    translate(runs.page, everything=True)

    page.bring_to_front()
    dashboard.wait_for_step(dashboard.step() + 20)
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    expect(dashboard.status).to_contain_text("Stopped.")
    assert texts(page, ".kd-tile") != dashboard.opening
    expect_numbers_of_the_bars(page)
    dashboard.press("reset")
    expect(dashboard.status).to_have_text(f"Ready: press Start.{MARK}")
    assert texts(page, ".kd-tile") == dashboard.opening

    runs.page.bring_to_front()
    stopped = runs.page.locator(".kd-runs li[data-state=stopped]").first
    expect(stopped.locator(".kd-note").first).to_contain_text("stopped")
    assert stopped.locator(".kd-actions > *").evaluate_all(NAMES) == ["Open", "Save", "Delete"]


def test_a_translated_lab_follows_the_dial(lend: Callable[..., TemperatureLab], serve: Callable[[str], Server]) -> None:
    lab = lend(serve("voila"), DESKTOP, TemperatureLab)
    lab.open("T=3&source=own&own=owl,wolf,oak;3,-1.5,0;1,0,-2.25")
    page = lab.page
    logits = {"teacher": [3, -1.5, 0], "student": [1, 0, -2.25]}
    for everything in (False, True):
        translate(page, everything)
        if not everything:
            expect_untouched(
                page,
                ".kd-bars tbody",
                ".kd-matrix .kd-axis-true",
                ".kd-chart",
                ".kd-tree",
                ".kd-legend output",
                ".kd-gradient tbody",
                ".kd-temperature-strip tbody",
                ".kd-ensemble tbody",
                ".kd-dial-scale",
                ".kd-pairs",
                ".kd-tools select",
            )
        temperature = lab.turn("PageUp")
        field = page.locator(".kd-dial-field").input_value()
        softened = [soften(values, temperature) for values in logits.values()]
        assert texts(page, ".kd-bars tbody .kd-value") == [
            share(shares[index]) for index in range(3) for shares in softened
        ]
        assert texts(page, ".kd-temperature-strip .kd-current-column") == [f"now: {field}", *map(share, softened[0])]
        assert lab.sentence.inner_text().startswith(f"At T = {field} the teacher's soft target of")
        assert lab.sentence.inner_text().endswith(f" bits.{MARK}")
        for part in ("tspan", "title"):
            assert sorted(texts(page, f".kd-tree text {part}")) == list("0123456789")
    page.get_by_label("Examples of logits").select_option(index=2)
    lab.settle()
    assert texts(page, ".kd-bars tbody th") == ["pedestrian", "dog", "car", "truck"]


def test_a_translated_experiment_follows_its_sliders(
    lend: Callable[..., Dashboard], serve: Callable[[str], Server]
) -> None:
    page = lend(serve("voila")).page
    page.goto(serve("voila").page("experiment") + "#experiment=ensemble")
    page.locator(".kd-explore dt").first.wait_for()
    translate(page)
    expect_untouched(page, ".kd-explore dd", ".kd-measured > span", ".kd-setup select", ".kd-knob output")
    translate(page, everything=True)
    before = texts(page, ".kd-explore dd")
    page.locator(".kd-knob-networks input").focus()
    page.keyboard.press("Home")
    expect(page.locator(".kd-explore dt").first).to_have_text(f"one of them{MARK}")
    assert texts(page, ".kd-explore dd") != before
    assert texts(page, ".kd-knob-networks output") == ["1"]
