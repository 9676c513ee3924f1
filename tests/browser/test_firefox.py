"""In Firefox, which prefers dark pages here, the pages open, react and run as they do in Chromium."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from dashboard import Dashboard
from playwright.sync_api import Browser, expect
from servers import Server
from temperature import TemperatureLab
from test_jupyterlab import ask_python
from test_standalone import File
from windows import DESKTOP, Windows, open_window

from kdlab.cli import main


@pytest.fixture(scope="module")
def windows(firefox: Browser) -> Windows:
    return Windows(firefox)


def test_distil_opens_reacts_and_runs(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    before = dashboard.shares("teacher")
    assert dashboard.turn("temperature", "ArrowRight", 5) > 4
    assert max(dashboard.shares("teacher")) < max(before)

    dashboard.begin(teacher_epochs=1, epochs=9000)
    dashboard.wait_for_step(20)
    dashboard.press("pause")
    dashboard.expect_state("paused")
    held = dashboard.step()
    dashboard.press("step")
    dashboard.wait_for_step(held + 1)
    dashboard.press("resume")
    dashboard.wait_for_step(held + 5)
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    assert dashboard.tiles() != dashboard.opening
    dashboard.reset()


def test_the_temperature_lab_opens_by_a_link_and_reacts(
    lend: Callable[..., TemperatureLab], serve: Callable[[str], Server]
) -> None:
    lab = lend(serve("voila"), DESKTOP, TemperatureLab)
    lab.open(TemperatureLab.LINK)
    opening = [lab.opening[key] for key in ("temperature", "dataset", "log", "source", "own")]
    assert opening == [7.5, "mnist", True, "own", ["owl", "3", "1", "wolf", "-1.5", "0", "oak", "0", "-2.25"]]
    lab.reset()
    before = lab.bars("teacher")
    assert lab.turn("PageUp", "ArrowRight") > 4
    assert max(lab.bars("teacher")) < max(before)
    lab.matrix("student").locator("canvas").focus()
    lab.press("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp")
    assert lab.hint("student").startswith("True 1 → 1:")


def test_an_exported_lab_needs_no_server(firefox: Browser, tmp_path: Path) -> None:
    path = tmp_path / "lab.html"
    assert CliRunner().invoke(main, ["export", "temperature", "--out", str(path)]).exit_code == 0
    lab = open_window(firefox, File(path), DESKTOP, TemperatureLab)
    lab.open("T=7.5&scale=log")
    assert lab.temperature() == 7.5
    before = lab.sentence.text_content()
    assert lab.turn("Home") == 0.5
    assert lab.sentence.text_content() != before
    lab.page.context.close()
    assert not lab.problems


def test_jupyterlab_shows_distil_beside_its_kernel(
    lend: Callable[..., Dashboard], serve: Callable[[str], Server]
) -> None:
    dashboard = lend(serve("jupyterlab"))
    dashboard.open()
    temperature = dashboard.turn("temperature", "ArrowRight", 5)
    assert ask_python(dashboard.page, "print(Out[1].state.temperature)") == str(temperature)
    ask_python(dashboard.page, "Out[1].state.temperature = 8")
    expect(dashboard.page.locator(".kd-knob-temperature output")).to_have_text("8.00")


# The lightness, from 0 to 1, of the colour of an element's text, and of what lies behind it.
LUMINANCES = """element => {
  const read = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = read(colour).map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  let behind = element;
  while (behind.parentElement && read(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  return [luminance(getComputedStyle(element).color), luminance(getComputedStyle(behind).backgroundColor)];
}"""


def test_where_dark_pages_are_preferred_numbers_are_light_on_dark(visit: Callable[..., Dashboard]) -> None:
    for text, ground in visit().page.locator(".kd-tile strong").evaluate_all(f"all => all.map({LUMINANCES})"):
        assert ground < 0.1
        assert (text + 0.05) / (ground + 0.05) >= 4.5
