"""Make the pictures of the README from a real run: PYTHONPATH=tests python tests/browser/screenshots.py FOLDER."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from servers import Server
from temperature import TemperatureLab
from test_experiments import Window
from windows import DESKTOP, TELEPHONE, launch, open_window

PICTURES = {"voila": ("voila", DESKTOP), "voila-telephone": ("voila", TELEPHONE), "jupyterlab": ("jupyterlab", DESKTOP)}


def main(folder: Path) -> None:
    """Let the student of each page get half-way, with the temperature turned on the way, and take its picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as own:
        chromium = launch(playwright)
        assert chromium, "no Chromium: install it, or run `playwright install chromium`"
        servers = {kind: Server(kind, Path(own)) for kind in ("voila", "jupyterlab")}
        try:
            for name, (kind, size) in PICTURES.items():
                dashboard = open_window(chromium, servers[kind], size)
                dashboard.open()
                dashboard.begin(teacher_epochs=60)
                dashboard.wait_for_step(2_500)
                dashboard.turn("temperature", "ArrowRight", 40)
                dashboard.wait_for_step(5_000)
                dashboard.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
                dashboard.page.mouse.move(0, 0)
                dashboard.page.screenshot(path=folder / f"{name}.png")
                assert not dashboard.problems, dashboard.problems
                dashboard.page.context.close()
            for name, size in (("temperature", DESKTOP), ("temperature-telephone", TELEPHONE)):
                lab = open_window(chromium, servers["voila"], size, TemperatureLab)
                lab.open("T=4")
                lab.page.wait_for_load_state("networkidle")
                lab.page.screenshot(path=folder / f"{name}.png")
                assert not lab.problems, lab.problems
                lab.page.context.close()
            for name, size in (("paper", DESKTOP), ("paper-telephone", TELEPHONE)):
                experiment = open_window(chromium, servers["voila"], size, Window)
                experiment.open("mnist")
                experiment.page.locator(".kd-claims li").first.wait_for()
                experiment.page.wait_for_load_state("networkidle")
                experiment.page.screenshot(path=folder / f"{name}.png")
                assert not experiment.problems, experiment.problems
                experiment.page.context.close()
        finally:
            chromium.close()
            for server in servers.values():
                server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
