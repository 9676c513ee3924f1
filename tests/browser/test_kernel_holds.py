"""In Chromium and in Firefox: JupyterLab shows what its kernel holds, however often a page is shown again."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest
from dashboard import Dashboard
from notebooks import run_all_cells
from playwright.sync_api import Browser, expect
from servers import Server
from test_jupyterlab import ask_python
from windows import NO_PAGE, Windows

OPEN = "page = Distil(); page.state.epochs = 300; page"


@pytest.fixture(scope="module")
def windows(each_browser: Browser) -> Windows:
    return Windows(each_browser)


@pytest.fixture
def address(serve: Callable[[str], Server], tmp_path: Path) -> str:
    """Return the address of a new notebook whose only cell opens the page "Distil" with 300 epochs."""
    server = serve("jupyterlab")
    notebook = json.loads((server.folder / "notebooks/distil.ipynb").read_text())
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    notebook["cells"] = [cell | {"source": f"from kdlab.pages import Distil\n\n{OPEN}", "outputs": []}]
    (server.folder / "notebooks" / f"{tmp_path.name}.ipynb").write_text(json.dumps(notebook))
    return server.page(tmp_path.name)


@pytest.fixture
def held(lend: Callable[..., Dashboard], serve: Callable[[str], Server], address: str) -> Dashboard:
    dashboard = lend(serve("jupyterlab"))
    dashboard.page.goto(address, wait_until="commit")
    run_all_cells(dashboard.page)
    dashboard.page.locator(".kd-tile").first.wait_for()
    dashboard.opening = dashboard.tiles()
    return dashboard


def test_choices_from_code_and_from_the_page_stay(held: Dashboard, address: str) -> None:
    page = held.page
    epochs, temperature = page.get_by_label("Epochs", exact=True), page.locator(".kd-knob-temperature output")
    expect(epochs).to_have_value("300")
    chosen = held.turn("temperature", "PageUp", 3)
    text = temperature.inner_text()
    assert chosen > 5
    # Python was told of the temperature after all that the page had said of its address.
    assert ask_python(page, "print(page.state.temperature, page.state.epochs)") == f"{chosen} 300.0"
    expect(epochs).to_have_value("300")

    page.keyboard.press("ControlOrMeta+s")
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
    page.goto(urljoin(address, NO_PAGE))
    page.goto(address, wait_until="commit")
    page.locator(".kd-tile").first.wait_for()
    expect(temperature).to_have_text(text)
    expect(epochs).to_have_value("300")
    assert ask_python(page, "print(page.state.epochs, page.state.temperature)") == f"300.0 {chosen}"


def test_a_cell_run_again_shows_the_run_that_goes(held: Dashboard) -> None:
    page = held.page
    held.begin(teacher_epochs=1, epochs=9000)
    held.wait_for_step(50)
    step = held.step()
    page.evaluate("document.querySelector('.kd-run').dataset.before = 'true'")
    run_all_cells(page)
    expect(page.locator(".kd-run[data-before]")).to_have_count(0)
    held.expect_state("running")
    expect(held.status).to_contain_text("Distilling the student")
    held.wait_for_step(step + 1)
    held.press("stop")
    held.expect_state("stopped")
    assert held.step() > step
    held.reset()
