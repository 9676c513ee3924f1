"""The page "Distil" as a person sees and handles it."""

import re
import time

import psutil
from notebooks import run_all_cells
from playwright.sync_api import Locator, Page, expect
from servers import Server

__all__ = ["MATRICES", "Dashboard"]

MATRICES = ("teacher", "baseline", "student", "difference")
# From inside the page: how far the run is, by its status line (0: it does not say).
STEP = """() => {
  const said = document.querySelector(".kd-status")?.textContent.match(/step ([\\d,]+)/);
  return Number(said?.[1].replace(/,/g, "") ?? 0);
}"""


class Dashboard:
    """Drives one page of one server; `problems` fills with what the browser complains about."""

    def __init__(self, page: Page, server: Server, problems: list[str]) -> None:
        self.page, self.server, self.problems = page, server, problems
        self.run = page.locator(".kd-run")
        self.status, self.error = page.locator(".kd-status"), page.locator(".kd-run .kd-error")
        self.verdict = page.locator(".kd-verdict")
        self.gallery = page.locator(".kd-examples .kd-gallery")
        self.picture = page.locator(".kd-example-image")
        self.opening: list[str] = []
        self._kernels: list[str] = []
        page.on("websocket", lambda socket: self._kernels.extend(re.findall(r"/api/kernels/([^/]+)/", socket.url)))

    # --- from the address to the opening ------------------------------------------------------------------------------

    def open(self, link: str = "") -> None:
        """Load the page, in JupyterLab run all cells, and wait until all is drawn."""
        began = time.perf_counter()
        self.page.goto(self.server.address + (link and f"#{link}"), wait_until="commit")
        if self.server.kind == "jupyterlab":
            run_all_cells(self.page)
        self.page.locator(".kd-tile").first.wait_for()
        self.seconds = time.perf_counter() - began
        self.opening = self.tiles()
        self.wait_until_drawn()
        self.seconds_drawn = time.perf_counter() - began

    def wait_until_drawn(self) -> None:
        for name in MATRICES:
            self.matrix(name).locator(".heatmaplayer image").first.wait_for(state="attached")

    def kernel(self) -> psutil.Process:
        """Return the process of this page's kernel, which its connection names."""
        (process,) = self.server.processes(f"kernel-{self._kernels[-1]}")
        return process

    def reset(self) -> None:
        """Press Reset and wait until the opening is back."""
        self.press("reset")
        self.expect_state("idle")
        expect(self.page.locator(".kd-tile")).to_have_text(self.opening)
        expect(self.page.locator(".kd-knob-temperature output")).to_have_text("4.00")
        expect(self.gallery.locator("p")).to_contain_text("the ones that the student has wrong")

    # --- the run ------------------------------------------------------------------------------------------------------

    def press(self, action: str) -> None:
        self.page.locator(f"button[data-action={action}]").click()

    def expect_state(self, state: str) -> None:
        expect(self.run).to_have_attribute("data-state", state)

    def fill(self, label: str, text: object) -> None:
        """Type into a field of the setup, with the keyboard."""
        field = self.page.get_by_label(label, exact=True)
        expect(field).to_be_visible()
        field.focus()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(str(text))
        self.page.keyboard.press("Tab")

    def begin(self, teacher_epochs: int, epochs: int = 1000) -> None:
        """Start a run that is soon at its student, and wait until it is."""
        self.fill("Teacher epochs", teacher_epochs)
        self.fill("Epochs", epochs)
        self.press("start")
        expect(self.status).to_contain_text("Distilling the student")
        self.expect_state("running")

    def step(self) -> int:
        return int(self.page.evaluate(STEP))

    def wait_for_step(self, least: int) -> None:
        # Asked anew in every frame, a page that draws would have less time to draw.
        self.page.wait_for_function(f"least => ({STEP})() >= least", arg=least, polling=100)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def tiles(self) -> list[str]:
        return self.page.locator(".kd-tile").all_text_contents()

    def errors(self) -> dict[str, int]:
        """Return the errors on the tiles by network."""
        return {name: self._count(name) for name in MATRICES[:3]}

    def _count(self, network: str) -> int:
        return int(self.page.locator(f".kd-tile.kd-{network} strong").inner_text().replace(",", ""))

    def shares(self, network: str) -> list[float]:
        """Return the lengths of a network's bars."""
        bars = self.page.locator(f".kd-bars .kd-line.kd-{network} .kd-bar")
        drawn = bars.evaluate_all("bars => bars.map(bar => bar.style.transform)")
        return [float(re.fullmatch(r"scaleX\((.*)\)", transform)[1]) for transform in drawn]

    def wait_for_shares(self, network: str, wanted: list[float]) -> None:
        self.page.wait_for_function(
            """([network, wanted]) => {
              const bars = [...document.querySelectorAll(`.kd-bars .kd-line.kd-${network} .kd-bar`)];
              const shares = bars.map((bar) => Number(bar.style.transform.slice(7, -1)));
              return wanted.every((share, index) => Math.abs(share - shares[index]) < 1e-4);
            }""",
            arg=[network, wanted],
        )

    def percentages(self, network: str) -> list[str]:
        return self.page.locator(f".kd-bars tbody .kd-value.kd-{network}").all_text_contents()

    def turn(self, key: str, moves: str, times: int) -> float:
        """Move a knob with an arrow key; return the value beside it."""
        knob = self.page.locator(f".kd-knob-{key}")
        knob.locator("input").focus()
        for _ in range(times):
            self.page.keyboard.press(moves)
        return float(knob.locator("output").inner_text())

    def matrix(self, name: str) -> Locator:
        return self.page.locator(".kd-matrices .kd-canvas").nth(MATRICES.index(name))

    def click_cell(self, name: str, true: int, predicted: int, hover: str, classes: int = 10) -> None:
        """Point at a cell, wait until the page says what it is, and click."""
        area = self.matrix(name).locator(".nsewdrag")
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        x = box["x"] + (predicted + 0.5) / classes * box["width"]
        y = box["y"] + (true + 0.5) / classes * box["height"]
        self.page.mouse.move(x, y)
        expect(self.matrix(name).locator(".hovertext")).to_contain_text(hover)
        self.page.mouse.click(x, y)
