"""Make the pictures that stand for pages without a kernel: python tests/browser/static_pictures.py PAGE…, or all.

It needs PYTHONPATH=tests.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from dashboard import Dashboard
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from servers import Server
from temperature import TemperatureLab
from test_experiments import Window
from windows import DESKTOP, launch, open_window

from kdlab.pages.static_view import PICTURE_SIZE

FOLDER = Path(__file__).parents[2] / "kdlab" / "assets" / "pictures"
MOST_BYTES = 60_000  # of one picture, which every saved notebook holds
QUALITIES = range(85, 30, -5)


def main(names: list[str]) -> None:
    """Take a picture of each page as it opens; "Your runs" lists two short runs, which are made for it."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = launch(playwright)
        assert chromium, "no Chromium: install it, or run `playwright install chromium`"
        server = Server("voila", Path(folder))
        try:
            for name in names:
                show = PAGES[name]
                window = open_window(chromium, server, DESKTOP, show.kind)
                show(window)
                save(window.page, FOLDER / f"{name}.webp")
                assert not window.problems, window.problems
                window.page.context.close()
        finally:
            chromium.close()
            server.close()


class Shown:
    """A page as its picture shows it; `kind` drives it, and `prepare` brings it there."""

    def __init__(self, kind: type, prepare: Callable[..., object]) -> None:
        self.kind, self.prepare = kind, prepare

    def __call__(self, window: Dashboard | TemperatureLab | Window) -> None:
        self.prepare(window)
        window.page.wait_for_load_state("networkidle")


def show_experiment(window: Window, name: str) -> None:
    window.open(name)
    window.page.locator(".kd-claims li").first.wait_for()


def show_index(window: Window) -> None:
    window.open("index")
    window.page.locator(".kd-page a").first.wait_for()


def show_runs(dashboard: Dashboard) -> None:
    dashboard.open()
    for temperature_moves in (0, 40):
        dashboard.turn("temperature", "ArrowRight", temperature_moves)
        dashboard.begin(teacher_epochs=10, epochs=200)
        dashboard.expect_state("done")
    page = dashboard.page
    page.goto(dashboard.server.page("runs"))
    for index in (1, 0):
        page.locator(".kd-runs li input").nth(index).check()
    page.locator(".kd-side-by-side table").wait_for()


PAGES = {
    "distil": Shown(Dashboard, Dashboard.open),
    "experiment": Shown(Window, lambda window: show_experiment(window, "mnist")),
    "index": Shown(Window, show_index),
    "runs": Shown(Dashboard, show_runs),
    "temperature": Shown(TemperatureLab, lambda lab: lab.open("T=4")),
}


def save(page: Page, path: Path) -> None:
    """Take the picture of a page, as sharp as `MOST_BYTES` allow."""
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.mouse.move(0, 0)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(PICTURE_SIZE, Image.Resampling.LANCZOS)
    for quality in QUALITIES:
        content = io.BytesIO()
        picture.save(content, "WEBP", quality=quality, method=6)
        if content.tell() <= MOST_BYTES:
            break
    path.write_bytes(content.getvalue())
    print(f"{path}: {content.tell()} bytes, quality {quality}")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PAGES))
