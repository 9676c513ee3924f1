"""Pages where no kernel draws them: exported by nbconvert, and saved notebooks in JupyterLab."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from notebooks import run_all_cells
from playwright.sync_api import Browser, Locator, Page, expect
from servers import Server
from windows import DESKTOP

from kdlab.pages.catalogue import DISTIL, RUNS, TEMPERATURE
from kdlab.pages.static_view import PICTURE_SIZE

APPS = Path(__file__).parents[2] / "apps"
PAGES = {link.notebook: link for link in (DISTIL, TEMPERATURE, RUNS)}
PATIENCE = 120_000  # milliseconds
NO_KERNEL = "No kernel is behind this page: run its cell"


def convert(name: str, kind: str, folder: Path) -> Path:
    """Execute a page's notebook with `jupyter nbconvert`, as a person does."""
    own = {variable: str(folder / variable.lower()) for variable in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "KDLAB_RUNS")}
    command = [
        Path(sys.executable).with_name("jupyter"),
        "nbconvert",
        "--execute",
        "--to",
        kind,
        APPS / f"{name}.ipynb",
    ]
    subprocess.run(
        [*command, "--output-dir", folder], check=True, env=os.environ | own, cwd=folder, capture_output=True
    )
    (path,) = folder.glob(f"{name}.*")
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, nbformat.NotebookNode]:
    """Return the executed notebooks by page, with the state of their widgets."""
    folder = tmp_path_factory.mktemp("saved")
    return {name: nbformat.read(convert(name, "notebook", folder), as_version=4) for name in PAGES}


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def open_saved(
    page: Page, serve: Callable[[str], Server], saved: dict[str, nbformat.NotebookNode]
) -> Callable[[str, bool], Locator]:
    """Return a function that opens a saved notebook with a new kernel, trusted where it has state: its output."""
    server = serve("jupyterlab")

    def open_notebook(name: str, with_state: bool) -> Locator:
        notebook = nbformat.from_dict(saved[name])
        if not with_state:
            del notebook.metadata["widgets"]
        for cell in notebook.cells:
            cell.execution_count = None  # `run_all_cells` looks for a number
        saved_name = f"saved-{name}-{'with' if with_state else 'without'}-state"
        if with_state:  # JupyterLab draws the widgets of notebooks that it trusts
            NotebookNotary(data_dir=str(server.folder / "jupyter_data_dir")).sign(notebook)
        nbformat.write(notebook, server.folder / "notebooks" / f"{saved_name}.ipynb")
        page.goto(server.page(saved_name))
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
        return page.locator(".jp-CodeCell .jp-OutputArea").first

    return open_notebook


def expect_picture(page: Page, name: str) -> None:
    static = page.locator(".kd-static")
    expect(static).to_contain_text(f"A picture of kdlab's page “{PAGES[name].title}”: no kernel draws it here.")
    expect(static.locator("a")).to_be_visible()
    picture = static.get_by_role("img", name=PAGES[name].lead)
    expect(picture).to_be_visible()
    assert picture.evaluate("it => [it.naturalWidth, it.naturalHeight]") == list(PICTURE_SIZE)


@pytest.mark.parametrize("name", ["distil", "temperature"])
def test_an_exported_notebook_without_a_network_shows_a_picture_and_a_sentence(
    name: str, page: Page, tmp_path: Path
) -> None:
    page.context.set_offline(True)
    page.goto(convert(name, "html", tmp_path).as_uri())
    expect_picture(page, name)
    expect(page.get_by_text(" …", exact=False)).to_have_count(0)


@pytest.mark.parametrize("name", PAGES)
def test_a_saved_notebook_without_state_shows_a_picture_until_its_cell_is_run(
    name: str, page: Page, open_saved: Callable[[str, bool], Locator]
) -> None:
    open_saved(name, False)
    expect_picture(page, name)
    run_all_cells(page)
    expect(page.locator(".kd-page")).to_be_visible()
    expect(page.locator(".kd-static")).to_be_hidden()


def test_distil_from_stored_state_says_why_figures_are_not_drawn(
    page: Page, open_saved: Callable[[str, bool], Locator]
) -> None:
    output = open_saved("distil", True)
    expect(page.locator(".kd-tile")).to_have_count(3)
    expect(page.locator(".kd-static")).to_be_hidden()
    notice = page.locator(".kd-kernel-notice")
    expect(notice).to_contain_text(NO_KERNEL)
    for figure in page.locator(".kd-canvas").all():
        expect(figure).to_contain_text("This figure is not drawn")
    expect(output.get_by_text("Drawing …")).to_have_count(0)
    temperature = page.locator(".kd-knob-temperature input")
    before = page.locator(".kd-bars .kd-teacher .kd-bar").first.get_attribute("style")
    temperature.focus()
    page.keyboard.press("End")
    expect(page.locator(".kd-bars .kd-teacher .kd-bar").first).not_to_have_attribute("style", before)

    run_all_cells(page)
    page.locator(".kd-matrices .heatmaplayer image").first.wait_for(state="attached")
    expect(notice).to_be_hidden()
    expect(page.locator(".kd-static")).to_be_hidden()


def test_the_temperature_lab_from_stored_state_shows_the_digits(
    page: Page, open_saved: Callable[[str, bool], Locator]
) -> None:
    open_saved("temperature", True)
    expect(page.locator(".kd-lab[data-drawn='4']")).to_be_visible()
    expect(page.locator(".kd-static")).to_be_hidden()
    expect(page.locator(".kd-example p")).to_contain_text("of 143, true class 3")
    expect(page.locator(".kd-examples-list canvas")).to_have_count(20)
    expect(page.locator(".kd-kernel-notice")).to_contain_text(NO_KERNEL)
    page.get_by_role("slider", name="Temperature T").focus()
    page.keyboard.press("End")
    expect(page.locator(".kd-lab[data-drawn='100']")).to_be_visible()
    alarm, menu = page.locator(".kd-header > .kd-error"), page.get_by_label("Data", exact=True)
    menu.select_option("mnist")
    expect(alarm).to_contain_text("The data set mnist needs a kernel")
    expect(menu).to_have_value("digits")
    page.get_by_text("Draw a digit", exact=True).click()
    expect(alarm).to_contain_text("A drawn digit needs a kernel")
    page.get_by_role("button", name="Export").click()
    expect(alarm).to_contain_text(NO_KERNEL)

    run_all_cells(page)
    expect(page.locator(".kd-example p")).to_contain_text("of 5,000")
    expect(page.locator(".kd-kernel-notice:visible")).to_have_count(0)


def test_the_list_of_runs_from_stored_state_ends_its_search(
    page: Page, open_saved: Callable[[str, bool], Locator]
) -> None:
    open_saved("runs", True)
    expect(page.locator(".kd-runs .kd-empty")).to_contain_text(NO_KERNEL)
    expect(page.locator(".kd-static")).to_be_hidden()


def test_a_page_that_waits_for_a_busy_kernel_says_so_and_is_then_drawn(
    page: Page, serve: Callable[[str], Server]
) -> None:
    server = serve("jupyterlab")
    notebook = nbformat.read(APPS / "temperature.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("from pathlib import Path\nwhile not Path('go').exists(): pass"))
    nbformat.write(notebook, server.folder / "notebooks" / "busy.ipynb")
    page.goto(server.page("busy"))
    run_all_cells(page)
    expect(page.locator(".kd-sentence")).to_contain_text("Waiting for the kernel, which is busy")
    (server.folder / "notebooks" / "go").touch()
    expect(page.locator(".kd-example p")).to_contain_text("of 5,000")
