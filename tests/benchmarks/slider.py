"""From a slider's key press to painted: the temperature lab beside plotly figures that the kernel computes, in one run.

python tests/benchmarks/slider.py

Both are pages of `kdlab app`'s server in a headless Chromium, on 10,000 made-up examples and two models; once with
nothing else to do and once while `kdlab distill` trains on all cores, in a worker as niced as a page's. The clock
starts with the keydown event's time stamp and stops with a message that was posted in the first frame in which every
view shows the new T, and so is heard after that frame was painted. "Presented" is what Chromium's Event Timing says of
the same key presses, in steps of 8 ms, where views follow within the frame: from the press to pixels on the screen.
In the tall window nothing is out of sight.
"""

import contextlib
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from kdlab.io.predictions import Predictions
from kdlab.server.ports import HOST, free_port

HERE = Path(__file__).parent
sys.path += [str(HERE.parent), str(HERE.parent / "browser")]
from windows import launch  # noqa: E402  (the tests' browser, which is not installed)

EXAMPLES = 10_000
WARM, PRESSES = 10, 100
WINDOWS = ((1280, 800), (1280, 3300))
SERVE = """\
import sys
from pathlib import Path
from kdlab.runs.limits import Limits
from kdlab.server.app import serve
serve(Path(sys.argv[1]), "", sys.argv[2], int(sys.argv[3]), False, Limits(), "/", None)
"""
# Large enough to train on all cores; it never comes to an end.
TRAIN = ["distill", "--dataset=digits", "--teacher=mlp:800x2", "--batch-size=128", "--teacher-epochs=100000"]

CELL = """\
from pathlib import Path
from kdlab.io.predictions import Predictions
predictions = Predictions.load(Path("{classes}.npz"))
"""
LAB = "from kdlab.pages import Temperature\nTemperature(predictions)"
FIGURES = "from figure_widgets import FigureWidgets\nFigureWidgets(predictions).page"

# `shown`: the T that all views show, "" while they do not agree.
TIMING = """([shown, begins]) => {
  const channel = new MessageChannel();
  const shownNow = new Function(`return ${shown}`);
  let [began, before, told] = [0, "", null];
  channel.port1.onmessage = () => told([performance.now() - began, began]);
  function look() {
    const now = shownNow();
    if (now && now !== before) channel.port2.postMessage(0);
    else requestAnimationFrame(look);
  }
  addEventListener("keydown", (event) => {
    [began, before] = [event.timeStamp, shownNow()];
    globalThis.painted = new Promise((resolve) => (told = resolve));
  }, true);
  // After the page's own listener, so that in a frame we look after the page has drawn.
  addEventListener(begins, () => requestAnimationFrame(look));
  globalThis.presented = [];
  new PerformanceObserver((list) => {
    const keys = list.getEntries().filter(({ name }) => name === "keydown");
    presented.push(...keys.map(({ startTime, duration }) => [startTime, duration]));
  }).observe({ type: "event", durationThreshold: 16 });
}"""
TITLES = "[...document.querySelectorAll('.js-plotly-plot .g-gtitle')].map((title) => title.textContent)"


@dataclass(frozen=True)
class Case:
    """A page to be timed; `begins`: the event on which it moves, `shown`: the T that its views show, as JavaScript."""

    name: str
    classes: int
    cell: str
    slider: str
    ready: str
    shown: str
    begins: str


LAB_PARTS = (
    LAB, ".kd-dial-range", "document.querySelector('.kd-lab')?.dataset.drawn",
    "document.querySelector('.kd-lab').dataset.drawn ?? ''", "input",
)  # fmt: skip
CASES = [
    Case("lab", 10, *LAB_PARTS),
    Case("lab", 100, *LAB_PARTS),
    Case(
        "FigureWidgets", 10, FIGURES, ".noUi-handle", f"{TITLES}.length === 5",
        f"((titles) => titles.length === 5 && titles.every((title) => title === titles[0]) ? titles[0] : '')({TITLES})",
        "keydown",
    ),
]  # fmt: skip


def make_up(classes: int) -> Predictions:
    """Return what a good teacher and a student that follows it might say."""
    rng = np.random.default_rng(classes)
    labels = rng.integers(classes, size=EXAMPLES)
    likeness = rng.normal(size=(classes, classes))
    teacher = 2 * likeness[labels] + rng.normal(size=(EXAMPLES, classes))
    teacher[np.arange(EXAMPLES), labels] += 8
    student = 0.7 * teacher + rng.normal(size=teacher.shape)
    names = tuple(str(number) for number in range(classes))
    logits = {"teacher": teacher, "student": student}
    return Predictions(f"made-up-{classes}", f"Made up, {classes} classes", names, labels, logits)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Write all pages to `folder` and serve them; gives the address of the folder."""
    shutil.copy(HERE / "figure_widgets.py", folder)
    for case in CASES:
        make_up(case.classes).save(folder / f"{case.classes}.npz")
        cell = nbformat.v4.new_code_cell(CELL.format(classes=case.classes) + case.cell)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / f"{case.name}-{case.classes}.ipynb")
    port = free_port(None)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder / "lab-10.ipynb"), HOST, str(port)], stdout=subprocess.DEVNULL
    )
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection((HOST, port)).close()
                break
            time.sleep(0.1)
        yield f"http://{HOST}:{port}/voila/render/"
    finally:
        family = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        server.wait(30)
        for kernel in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                kernel.kill()


@contextlib.contextmanager
def training() -> Iterator[psutil.Process]:
    """Start a run, and pause it once it trains."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory(prefix="kdlab-runs-", ignore_cleanup_errors=True) as folder:
        environment["KDLAB_RUNS"] = folder
        command = psutil.Popen(
            [Path(sys.executable).with_name("kdlab"), *TRAIN], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            worker = busy_process(command)
            worker.suspend()
            yield worker
        finally:
            for process in (*command.children(recursive=True), command):
                process.kill()
            command.wait()


def busy_process(command: psutil.Popen) -> psutil.Process:
    """Return the process of a command that trains, when it has begun long before."""
    while True:
        for process in (command, *command.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                if sum(process.cpu_times()[:2]) >= 12:  # seconds
                    return process
        assert command.poll() is None, "the run ended"
        time.sleep(0.2)


def load(page: Page, case: Case, address: str) -> None:
    """Open a page whose views all follow the slider: now and then a FigureWidget stays deaf until it is loaded anew."""
    for _ in range(5):
        page.goto(f"{address}{case.name}-{case.classes}.ipynb", wait_until="commit")
        page.wait_for_function(case.ready)
        page.evaluate(TIMING, [case.shown, case.begins])
        page.wait_for_timeout(2500)  # the lab's sweep over all temperatures, plotly's last drawings
        before = page.evaluate(case.shown)
        page.locator(case.slider).focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(500)
        if page.evaluate(case.shown) not in ("", before):
            return
    raise AssertionError(f"the views of {case.name} do not move")


def press(page: Page, case: Case, key: str, pauses: random.Random) -> tuple[list[float], list[float]]:
    """Return the milliseconds from key press to painted and, for what was reported, to presented, of each press."""
    page.locator(case.slider).focus()
    page.evaluate("() => { presented.length = 0; }")
    painted = []
    for _ in range(WARM + PRESSES):
        time.sleep(pauses.uniform(0.03, 0.08))  # or the presses would keep step with the frames
        page.keyboard.press(key)
        painted.append(page.evaluate("() => painted"))
    page.wait_for_timeout(100)
    # What took less than the least that is reported is left out of the report.
    presented = dict(page.evaluate("() => presented"))
    return [took for took, _ in painted[WARM:]], [presented.get(began, 16.0) for _, began in painted[WARM:]]


def measure(page: Page, case: Case, run: psutil.Popen) -> Iterator[str]:
    """Give a row of the table for each window, idle and while `run` trains."""
    pauses = random.Random(3)
    for trains in (False, True):
        for width, height in WINDOWS:
            page.set_viewport_size({"width": width, "height": height})
            if trains:
                run.resume()
            page.wait_for_timeout(500)
            began, used = time.monotonic(), sum(run.cpu_times()[:2])
            # There and back again, from T = 4 to 17.
            painted, presented = press(page, case, "ArrowRight" if height == WINDOWS[0][1] else "ArrowLeft", pauses)
            busy = (sum(run.cpu_times()[:2]) - used) / (time.monotonic() - began)
            run.suspend()
            # The kernel's answer comes later than the frame that Event Timing speaks of.
            seen = _quantiles(presented) if case.begins == "input" else "– | – | –"
            machine = f"trains ({busy:.1f} cores)" if trains else "idle"
            yield (
                f"| {case.name} | {EXAMPLES:,} × {case.classes} | {width} × {height} | {machine} | {len(painted)} "
                f"| {_quantiles(painted)} | {seen} | {os.getloadavg()[0]:.1f} |"
            )


def _quantiles(values: list[float]) -> str:
    return " | ".join(f"{value:.0f}" for value in np.quantile(values, [0.5, 0.95, 1.0]))


def main() -> None:
    began = time.monotonic()
    named = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if sys.platform == "linux" else None
    cpu = f"{psutil.cpu_count()} × {named[1] if named else platform.processor()}"
    with (
        tempfile.TemporaryDirectory() as folder,
        training() as run,
        serving(Path(folder)) as address,
        sync_playwright() as playwright,
        contextlib.closing(launch(playwright)) as chromium,
    ):
        print(
            f"Chromium {chromium.version}; {cpu}; load average before {os.getloadavg()[0]:.1f}\n"
            "Milliseconds from key press to painted, and to seen (presented by the compositor):\n\n"
            "| views | logits of two | window | machine | presses | p50 | p95 | max | seen p50 | p95 | max | load |\n"
            f"|{12 * '---|'}"
        )
        for case in CASES:
            page = chromium.new_page(viewport={"width": WINDOWS[0][0], "height": WINDOWS[0][1]})
            page.set_default_timeout(60_000)
            load(page, case, address)
            for row in measure(page, case, run):
                print(row, flush=True)
            page.close(run_before_unload=True)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
