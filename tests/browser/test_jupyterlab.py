"""In JupyterLab pages open from their cells, react, run and take files, and Python and the pages follow each other."""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from dashboard import Dashboard
from notebooks import run_all_cells
from playwright.sync_api import FilePayload, Page, expect
from servers import Server
from temperature import TemperatureLab, position
from test_choosing_files import choose, of_several_pieces
from test_experiments import Window
from test_temperature import expect_bars, expect_link, expect_views
from windows import DESKTOP

from kdlab.pages import Temperature
from kdlab.train.history import History


@pytest.fixture
def open_in_lab(lend: Callable[..., Dashboard], serve: Callable[[str], Server]) -> Callable[..., Dashboard]:
    """Return a function that makes a window for one kind of page."""
    return lambda make: lend(serve("jupyterlab"), DESKTOP, make)


def ask_python(page: Page, code: str) -> str:
    """Run a line in the notebook's last cell, and return what it prints."""
    page.locator(".jp-Notebook-footer").click()
    page.locator(".jp-CodeCell").last.locator(".cm-content").click()
    page.keyboard.type(code + "; print('·')" if "print" not in code else code)
    page.keyboard.press("Shift+Enter")
    asked = page.locator(".jp-CodeCell").filter(has_text=code[:20]).last
    output = asked.locator(".jp-OutputArea-output pre").first
    output.wait_for()
    return output.text_content().strip()


def test_distil_opens_reacts_runs_and_takes_a_file(open_in_lab: Callable[..., Dashboard]) -> None:
    dashboard = open_in_lab(Dashboard)
    page = dashboard.page
    dashboard.open()
    opening = History.load(files("kdlab.assets") / "opening" / "history.npz")
    assert dashboard.errors() == {name: opening.result[name]["errors"] for name in opening.logits}

    before = dashboard.shares("teacher")
    temperature = dashboard.turn("temperature", "ArrowRight", 5)
    assert temperature > 4
    assert max(dashboard.shares("teacher")) < max(before)
    assert ask_python(page, "print(Out[1].state.temperature)") == str(temperature)

    weights = FilePayload(name="net.safetensors", mimeType="", buffer=b"PK\3\4" + bytes(1_000_000))
    field = page.locator(".kd-weights")
    field.locator("input[type=file]").set_input_files(weights)
    expect(field.locator(".kd-error")).to_contain_text("net.safetensors is no safetensors file but a pickle")

    page.locator(".kd-run").scroll_into_view_if_needed()
    dashboard.begin(teacher_epochs=1, epochs=9000)
    dashboard.wait_for_step(50)
    dashboard.press("pause")
    dashboard.expect_state("paused")
    expect(dashboard.status).to_contain_text("Paused. Distilling")
    assert dashboard.tiles() != dashboard.opening
    held = dashboard.step()
    dashboard.press("step")
    dashboard.wait_for_step(held + 1)
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    dashboard.reset()


def restart_kernel(page: Page) -> None:
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-itemLabel").filter(has_text=re.compile("^Restart Kernel.{1,3}$")).click()
    page.locator(".jp-Dialog button.jp-mod-accept").click()


def test_a_restarted_kernel_is_said_and_its_run_goes_on(open_in_lab: Callable[..., Dashboard]) -> None:
    dashboard = open_in_lab(Dashboard)
    page = dashboard.page
    dashboard.open()
    dashboard.begin(teacher_epochs=1, epochs=9000)
    dashboard.wait_for_step(50)
    restart_kernel(page)
    notice, controls, results = (page.locator(f".kd-{name}") for name in ("kernel-notice", "controls", "results"))
    expect(notice).to_contain_text("The kernel was started anew")
    assert page.locator(".kd-columns").evaluate("columns => columns.inert")  # no button is silent
    boxes = [part.bounding_box() for part in (controls, results)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]  # side by side as before
    run_all_cells(page)
    dashboard.expect_state("interrupted")
    expect(notice).to_be_hidden()
    expect(dashboard.status).to_contain_text("Interrupted.")
    dashboard.press("go_on")
    dashboard.expect_state("running")
    step = dashboard.step()
    dashboard.wait_for_step(step + 1)
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    dashboard.problems.clear()  # the browser says that the kernel's connection is lost

    # From the list of runs it opens in the page that is there, after that has shown something else.
    dashboard.reset()
    page.locator(".kd-page:visible").get_by_role("link", name="Runs", exact=True).click()
    expect(page.get_by_role("tab", name="runs.ipynb")).to_have_attribute("aria-selected", "true")
    run_all_cells(page)
    page.get_by_role("link", name="Open").first.click()
    expect(page.get_by_role("tab", name="distil.ipynb")).to_have_attribute("aria-selected", "true")
    dashboard.expect_state("stopped")


def test_the_index_leads_to_an_experiment_that_runs(open_in_lab: Callable[..., Window]) -> None:
    here = open_in_lab(Window)
    page = here.page
    here.open("index")
    page.get_by_role("link", name="Can one network do what ten do together?").click()
    expect(page.get_by_role("tab", name="experiment.ipynb")).to_have_attribute("aria-selected", "true")
    here.run_cells()
    expect(page.locator(".kd-introduction h2")).to_be_visible()
    here.choose_tiny()
    here.press("start")
    here.expect_state("done")
    here.expect_pieces("done", "done", "done")
    expect(page.locator(".kd-origin")).to_contain_text("This run: quick experiment on digits, 1 seed")
    slider = page.locator(".kd-knob-networks input")
    slider.focus()
    page.keyboard.press("Home")
    expect(here.tiles.first).to_have_text("one of them")


def test_specialists_opens_and_reacts(open_in_lab: Callable[..., Window]) -> None:
    here = open_in_lab(Window)
    page = here.page
    here.open("specialists")  # with the result that comes with kdlab
    dot = page.locator(".kd-dots [role=checkbox]").first
    before = dot.get_attribute("aria-checked")
    dot.focus()
    page.keyboard.press("Space")  # which JupyterLab would scroll by
    expect(dot).to_have_attribute("aria-checked", "false" if before == "true" else "true")
    expect(page.locator(".kd-setup").get_by_label("Subsets", exact=True)).not_to_have_value("")
    slider = page.locator(".kd-ask .kd-knob-n input")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".kd-answer .kd-sentence")).to_contain_text("With n = 0 nobody else is asked")


def test_the_temperature_lab_opens_and_follows_python(
    open_in_lab: Callable[..., TemperatureLab], tmp_path: Path
) -> None:
    lab = open_in_lab(TemperatureLab)
    page = lab.page
    mnist = Temperature()._data_server.sets["mnist"]
    lab.open(TemperatureLab.LINK)
    expect_link(lab)

    # JupyterLab leaves the keys to the lab.
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    lab.reset()
    lab.matrix("student").locator("canvas").focus()
    lab.press("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp")
    assert lab.hint("student").startswith("True 1 → 1:")
    lab.choose_source("own")
    lab.fill("Name of class 1", "dd")
    page.get_by_label("Examples of logits").focus()
    lab.press("b", "a", "x", "d", "d")
    assert lab.turn("ArrowUp", "ArrowDown", "ArrowUp") > 4
    expect(lab.dial).to_be_focused()
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert lab.table(".kd-bars")[0][0] == "dd"

    # What is moved is told to Python.
    lab.reset()
    temperature = lab.turn("PageUp", "ArrowRight")
    expect_views(lab, mnist, 0, temperature)
    lab.click("teacher", 4, 9)
    lab.log.click()
    page.wait_for_function("/scale=log.*cell=teacher/.test(location.hash)")  # which is written after Python was told
    told = f"{temperature} log mnist 0 example 1.0 {{'network': 'teacher', 'true': 4, 'predicted': 9}}"
    names = "temperature scale dataset example source exponent cell"
    assert ask_python(page, f"print(*(getattr(lab, name) for name in '{names}'.split()))") == told

    # And what Python says is shown.
    ask_python(page, "lab.temperature = 20; lab.scale = 'linear'; lab.example = 7")
    expect(lab.root).to_have_attribute("data-drawn", "20")
    lab.settle()
    expect_views(lab, mnist, 7, 20)
    assert int(lab.dial.input_value()) == position(20)
    page.wait_for_function("location.hash.startsWith('#T=20&')")
    ask_python(page, "lab.own = {'classes': ['x', 'y'], 'teacher': [1, 2], 'student': [3, 1]}; lab.source = 'own'")
    expect(page.get_by_label("Name of class 2")).to_have_value("y")
    lab.settle()
    expect_bars(lab, {"teacher": [1, 2], "student": [3, 1]}, 20)

    # Files come and go.
    choose(lab, "My own.npz", of_several_pieces(tmp_path))
    expect(lab.menu).to_have_value("my-own")
    expect(lab.caption).to_contain_text("of 20,000, true class")
    expect(lab.alarm).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "kdlab-temperature.html"
