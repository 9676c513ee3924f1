"""The temperature lab as a person sees and handles it, in a server's page or in a file."""

from math import floor, isnan, log10
from typing import Any

from notebooks import run_all_cells
from playwright.sync_api import Locator, Page, WebSocket, expect
from servers import Server

__all__ = ["SOURCES", "TemperatureLab", "number", "position", "share", "spoken"]

SOURCES = {"example": "Example", "own": "My own logits", "drawn": "Draw a digit"}
NETWORKS = ("teacher", "student", "difference")
STEPS, LOWEST, HIGHEST = 400, 0.5, 100.0
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# What has been changed is drawn once the second frame from now begins.
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
LENGTHS = "bars => bars.map(bar => Number(/scaleX\\((.*)\\)/.exec(bar.style.transform)[1]))"
TEXTS = "all => all.map(one => one.textContent)"


class TemperatureLab:
    """Drives one lab; `problems` fills with what the browser complains about, `received` counts bytes from the kernel.

    `server` may be anything that has a `kind` and an address for `page("temperature")`.
    """

    # A view in which nothing is as it opens without a link, but for the data set.
    LINK = (
        "T=7.5&data=mnist&example=17&scale=log&mean=0.25&source=own&cell=student.4.9"
        "&own=owl,wolf,oak;3,-1.5,0;1,0,-2.25"
    )

    def __init__(self, page: Page, server: Server, problems: list[str]) -> None:
        self.page, self.server, self.problems = page, server, problems
        self.root = page.locator(".kd-lab")
        self.dial = page.get_by_role("slider", name="Temperature T")
        self.alarm = page.locator(".kd-header > .kd-error")
        self.sentence, self.spoken = page.locator(".kd-sentence"), page.locator(".kd-announcement")
        self.caption = page.locator(".kd-example p")
        self.listed = page.locator(".kd-examples-list .kd-pictures button")
        self.log, self.menu = page.get_by_label("Log scale"), page.get_by_label("Data", exact=True)
        self.opening: dict[str, Any] = {}
        self.received = self.received_at_first = 0
        page.on("websocket", self._count)

    # --- opening ------------------------------------------------------------------------------------------------------

    def open(self, link: str = "") -> None:
        """Load the page, in JupyterLab run all cells, and wait until the views show a temperature."""
        self.received = 0
        self.page.goto(self.server.page("temperature") + (link and f"#{link}"), wait_until="commit")
        if self.server.kind == "jupyterlab":
            run_all_cells(self.page)
        self.page.locator(".kd-lab[data-drawn]").wait_for()
        self.received_at_first = self.received
        self.settle()
        self.opening = self.state()

    def go(self, link: str) -> None:
        """Follow a link within the open page."""
        self.page.evaluate("link => (location.hash = link)", link)
        self.settle()

    def reset(self) -> None:
        """Bring everything back to what a lab opens with, whatever the address says just now."""
        self.page.evaluate(
            """link => {
              document.activeElement.blur();
              document.querySelector(".kd-pad-buttons button:last-child").click();
              document.querySelector(".kd-examples-list button.kd-link").click();
              history.replaceState(history.state, "", link);
              dispatchEvent(new HashChangeEvent("hashchange"));
            }""",
            "#T=4&data=mnist&example=0&scale=linear&mean=1&source=example&own=dog,cat,tree;9,4,-3;5,1,0",
        )
        self.page.mouse.move(0, 0)
        expect(self.root).to_have_attribute("data-drawn", "4")
        expect(self.caption).to_contain_text("Example 0 of 5,000")
        self.settle()

    def settle(self) -> None:
        """Wait until what was changed is drawn."""
        self.page.evaluate(TWO_FRAMES)

    def _count(self, socket: WebSocket) -> None:
        def note(frame: str | bytes) -> None:
            self.received += len(frame.encode() if isinstance(frame, str) else frame)

        socket.on("framereceived", note)

    # --- handling -----------------------------------------------------------------------------------------------------

    def turn(self, *keys: str) -> float:
        """Press keys on the dial; return the temperature that every view then shows."""
        self.dial.focus()
        self.press(*keys)
        return self.temperature()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def choose_source(self, source: str) -> None:
        self.page.get_by_text(SOURCES[source], exact=True).click()
        self.settle()

    def fill(self, label: str, text: str) -> None:
        """Type into a field, with the keyboard, key after key."""
        field = self.page.get_by_label(label, exact=True)
        field.focus()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.type(text)
        self.settle()

    def matrix(self, network: str) -> Locator:
        return self.page.locator(".kd-matrix").nth(NETWORKS.index(network))

    def point(self, network: str, true: int, predicted: int, classes: int = 10) -> str:
        """Point at a cell with the mouse; return what the page says of it."""
        self.page.mouse.move(*self._cell(network, true, predicted, classes))
        return self.hint(network)

    def click(self, network: str, true: int, predicted: int, classes: int = 10) -> None:
        self.page.mouse.click(*self._cell(network, true, predicted, classes))
        self.settle()

    def _cell(self, network: str, true: int, predicted: int, classes: int) -> tuple[float, float]:
        canvas = self.matrix(network).locator("canvas")
        canvas.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
        self.settle()
        box = canvas.bounding_box()
        return box["x"] + (predicted + 0.5) / classes * box["width"], box["y"] + (true + 0.5) / classes * box["height"]

    def draw(self, *points: tuple[float, float]) -> None:
        """Draw a stroke on the pad with the mouse, through points of the unit square."""
        pad = self.page.locator(".kd-pad-canvas")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        for at, (x, y) in enumerate(points):
            self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
            if at == 0:
                self.page.mouse.down()
        self.page.mouse.up()
        self.settle()

    # --- what is shown ------------------------------------------------------------------------------------------------

    def temperature(self) -> float:
        return float(self.root.get_attribute("data-drawn"))

    def bars(self, network: str) -> list[float]:
        """Return the lengths of a network's bars, from 0 to 1."""
        lengths: list[float] = self.page.locator(f".kd-bars .kd-{network} .kd-bar").evaluate_all(LENGTHS)
        return lengths

    def table(self, selector: str) -> list[list[str]]:
        """Return the texts of a table's rows."""
        read = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        rows: list[list[str]] = self.page.locator(f"{selector} tbody tr").evaluate_all(read)
        return rows

    def hint(self, network: str) -> str:
        return self.matrix(network).locator(".kd-cell-hint").text_content()

    def readings(self, title: str) -> dict[str, str]:
        """Return the numbers in a chart's legend by the name of the line."""
        lines = self.page.locator(".kd-chart-card").filter(has=self.page.get_by_text(title, exact=True)).locator("li")
        read = "all => all.map(one => [one.childNodes[1].textContent.trim(), one.querySelector('output').textContent])"
        return dict(lines.evaluate_all(read))

    def examples(self) -> list[int]:
        """Return the numbers of the examples listed behind a cell."""
        found = self.listed.evaluate_all("all => all.map(one => Number(one.dataset.example))")
        return [int(example) for example in found]

    def texts(self, selector: str) -> list[str]:
        texts: list[str] = self.page.locator(selector).evaluate_all(TEXTS)
        return texts

    def state(self) -> dict[str, Any]:
        """Return everything that a link carries, as it is seen on the page."""
        return {
            "temperature": self.temperature(),
            "dataset": self.menu.input_value(),
            "example": self.caption.text_content(),
            "log": self.log.is_checked(),
            "mean": self.page.get_by_label("Exponent of the power mean").input_value(),
            "source": self.page.locator(".kd-tabs input:checked").get_attribute("value"),
            "own": self.page.locator(".kd-custom-logits tbody input:not([type=range])").evaluate_all(
                "all => all.map(x => x.value)"
            ),
            "cell": self.page.locator(".kd-examples-list h3").text_content(),
            "bars": self.table(".kd-bars"),
        }


# --- how the page writes ----------------------------------------------------------------------------------------------


def position(temperature: float) -> int:
    """Return where the dial's thumb is nearest to a temperature, from 0 to 400."""
    return round(STEPS * log10(temperature / LOWEST) / log10(HIGHEST / LOWEST))


def share(value: float) -> str:
    """Return a probability as the page writes it."""
    if 0.995 <= value < 0.9995:
        return f"{100 * value:.1f} %"
    if 0.9995 <= value < 1:
        return ">99.9 %"
    for least, digits in ((0.0995, 0), (0.00095, 1), (0.000095, 2)):
        if value >= least:
            return f"{100 * value:.{digits}f} %"
    return f"{_power(100 * value)} %" if value else "<10⁻³⁰⁰"


def number(value: float) -> str:
    """Return a number as the page writes it."""
    if isnan(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000 or size < 0.01:
        return ("−" if value < 0 else "") + _power(size, 1)
    return f"{value:.{2 - floor(log10(size))}f}".replace("-", "−")


def _power(value: float, decimals: int = 0) -> str:
    digits, exponent = f"{value:.{decimals}e}".split("e")
    return f"{digits}×10{str(int(exponent)).translate(RAISED)}".removeprefix("1×")


def spoken(temperature: float) -> str:
    """Return a temperature as the page writes it."""
    return f"{temperature:.{3 if temperature < 1 else 2 if temperature < 10 else 1}f}"
