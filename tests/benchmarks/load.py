"""A class on one machine: `kdlab app --public` with many visitors, some of whom train, over minutes.

python tests/benchmarks/load.py [--visitors 40] [--minutes 10] [--runs 10] [--opens 20]

First a real Chromium opens the page "Distil" again and again, by itself: without preheated kernels, and with them. A
page reacts once a knob follows a key and the kernel has answered a choice. Then visitors arrive evenly within a fifth
of the time (two minutes of ten) and stay. All but two are connections that say to server and kernel what the page says
(visitor.py): they fetch page, files and widgets, turn a knob every 5 to 15 seconds, and most of the runs are theirs.
Two are pages in Chromium: one has a run, by its button; in the other, the temperature lab, the dial is pressed once a
second, and the time from each press to painted is taken as in slider.py. While they arrive Chromium opens the page
eight times more. At the end each criterion has a line, and a criterion that is missed makes the exit status 1.

Memory: that of the server and all processes under it, PSS (shared pages counted once); a kernel's own is its USS.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.async_api import Browser, Page, async_playwright
from visitor import ENDINGS, Visitor, stay

from kdlab.paths import data_folder
from kdlab.runs.store import RunStore

HERE = Path(__file__).parent
sys.path += [str(HERE.parent), str(HERE.parent / "browser")]
from slider import CASES, TIMING  # noqa: E402
from windows import OPTIONS  # noqa: E402  (the tests' browser, which is not installed)

KDLAB = Path(sys.executable).with_name("kdlab")
LAB = CASES[0]
KNOB = ".kd-knob-temperature"
# About a minute of one idle core, within what --public allows.
RUN: dict[str, object] = {"student": "mlp:256x1", "transfer_size": 0, "teacher_epochs": 200, "epochs": 800}
MISSED: list[str] = []  # criteria
GOING = ("starting", "running")
ARRIVING = 8  # pages that Chromium opens while visitors arrive
PAINTED = """() => Promise.race([painted, new Promise((_, refuse) =>
  setTimeout(() => refuse(new Error("not painted within 10 s")), 10_000))])"""
PICTURE = ".kd-examples .kd-gallery button[aria-pressed=false]"
ANSWERED = "name => document.querySelector('.kd-example-image p').innerText.startsWith(`Validation image ${name},`)"


class Server:
    """`kdlab app --public` and the processes under it; what it says beyond its address is a trouble."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self.runs = folder / "kdlab_runs"
        own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "KDLAB_RUNS")
        environment = {name: str(folder / name.lower()) for name in own} | {"KDLAB_DATA": str(data_folder())}
        environment |= {f"KDLAB_LIMIT_{name.upper()}": str(value) for name, value in limits.items()}
        self.log = (folder / "log.txt").open("w+")
        self._server = psutil.Popen(
            [KDLAB, "app", "--public", "--no-browser"],
            env=os.environ | environment, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/\S*", self.said())):
            assert self._server.poll() is None, self.said()
            time.sleep(0.1)
        self.page = found[0]

    def said(self) -> str:
        return Path(self.log.name).read_text()

    def family(self) -> dict[str, list[psutil.Process]]:
        """Return the processes by what they are."""
        kinds: dict[str, list[psutil.Process]] = {"server": [self._server], "kernels": [], "training": []}
        for child in self._server.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                kinds["kernels" if "ipykernel_launcher" in child.cmdline() else "training"].append(child)
        return kinds

    def memory(self) -> dict[str, list[tuple[float, float]]]:
        """Return MB of each process by kind: its PSS and its USS."""
        found: dict[str, list[tuple[float, float]]] = {}
        for kind, processes in self.family().items():
            found[kind] = []
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    memory = process.memory_full_info()
                    found[kind].append((memory.pss / 2**20, memory.uss / 2**20))
        return found

    async def quiet(self) -> None:
        """Wait until nothing is being made ready any more."""
        while True:
            used = sum(sum(one.cpu_times()[:2]) for all_of in self.family().values() for one in all_of)
            await asyncio.sleep(1)
            after = sum(sum(one.cpu_times()[:2]) for all_of in self.family().values() for one in all_of)
            if after - used < 0.1:
                return

    def close(self) -> None:
        family = [one for all_of in self.family().values() for one in all_of]
        self._server.terminate()
        for one in psutil.wait_procs(family, 60)[1]:
            one.kill()
        self.log.close()


@contextlib.asynccontextmanager
async def window(chromium: Browser, troubles: list[str]) -> AsyncIterator[Page]:
    """Open an empty window of its own, whose complaints are troubles."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(120_000)
    page = await context.new_page()
    page.on("console", lambda message: message.type == "error" and troubles.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
    page.on("response", lambda answer: answer.status >= 400 and troubles.append(f"HTTP {answer.status}: {answer.url}"))
    try:
        yield page
    finally:
        await page.close(run_before_unload=True)
        await context.close()


async def open_page(page: Page, address: str) -> tuple[float, float]:
    """Open "Distil" and return the seconds until its content is there, and until page and kernel react.

    The page: a knob's number follows a key. The kernel: it names the picture that was chosen.
    """
    began = time.perf_counter()
    await page.goto(address, wait_until="commit")
    await page.locator(".kd-tile").first.wait_for()
    painted = time.perf_counter() - began
    before = await page.locator(f"{KNOB} output").inner_text()
    await page.locator(f"{KNOB} input").press("ArrowRight")
    await page.wait_for_function(f"before => document.querySelector('{KNOB} output').innerText !== before", arg=before)
    picture = page.locator(PICTURE).first
    name = await picture.get_attribute("data-example")
    await picture.press("Enter")
    await page.wait_for_function(ANSWERED, arg=name)
    return painted, time.perf_counter() - began


async def first_views(chromium: Browser, server: Server, opens: int, troubles: list[str]) -> np.ndarray:
    """Open the page by itself, once the server is ready for the next visitor; seconds (opens, 2)."""
    seconds = []
    for _ in range(opens):
        await server.quiet()
        async with window(chromium, troubles) as page:
            seconds.append(await open_page(page, server.page))
    return np.array(seconds)


async def arriving_views(chromium: Browser, server: Server, arrival: float, troubles: list[str]) -> np.ndarray:
    """Open the page while others arrive as well; seconds (opens, 2)."""
    seconds, began = [], time.monotonic()
    for place in range(ARRIVING):
        await asyncio.sleep(max(0.0, began + arrival * (place + 0.5) / ARRIVING - time.monotonic()))
        async with window(chromium, troubles) as page:
            seconds.append(await open_page(page, server.page))
    return np.array(seconds)


async def safely(work: Awaitable[Any], troubles: list[str]) -> Any:
    """Return what `work` does, or None where it fails, which is a trouble."""
    try:
        return await work
    except Exception as error:
        troubles.append(f"{type(error).__name__}: {error}")
        return None


async def press_dial(
    chromium: Browser, server: Server, until: float, waiting: Counter[str], troubles: list[str]
) -> list[tuple[float, bool]]:
    """Press once a second in the temperature lab: milliseconds from key to painted, and whether a run was going."""
    taken = []
    async with window(chromium, troubles) as page:
        await page.goto(server.page.replace("distil.ipynb", "temperature.ipynb"))
        await page.wait_for_function(LAB.ready)
        await page.evaluate(TIMING, [LAB.shown, LAB.begins])
        await page.locator(LAB.slider).focus()
        key = "ArrowRight"
        while time.monotonic() < until:
            await asyncio.sleep(random.uniform(0.8, 1.2))
            going = waiting["going"] > 0
            await page.keyboard.press(key)
            taken.append(((await page.evaluate(PAINTED))[0], going))
            if len(taken) % 20 == 0:
                key = "ArrowLeft" if key == "ArrowRight" else "ArrowRight"
    return taken


async def watch_runs(store: RunStore, waiting: Counter[str]) -> None:
    """Keep in `waiting` how many runs are going, and the deepest queue so far, until this is cancelled."""
    while True:
        states = [row.state for row in await asyncio.to_thread(store.runs, None)]
        waiting["going"] = sum(state in GOING for state in states)
        waiting["deepest"] = max(waiting["deepest"], states.count("queued"))
        await asyncio.sleep(0.5)


async def press_start(chromium: Browser, server: Server, begin: float, until: float, troubles: list[str]) -> str:
    """Have a run by the page's button, stay, and return how it ended."""
    async with window(chromium, troubles) as page:
        address = server.page + "#" + "&".join(f"{key}={value}" for key, value in RUN.items())
        await open_page(page, address)
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        await page.locator("button[data-action=start]").click()
        ended = page.locator(".kd-run:is([data-state=done], [data-state=failed], [data-state=interrupted])")
        await ended.wait_for(timeout=1000 * (until + ENDINGS - time.monotonic()))
        state = await ended.get_attribute("data-state")
        await asyncio.sleep(max(0.0, until - time.monotonic()))
        return state or ""


async def watch_memory(server: Server, began: float, until: float, pause: float) -> list[tuple[float, dict[str, Any]]]:
    """Return the seconds since the first visitor and the memory of all processes, again and again."""
    seen = []
    while time.monotonic() < until:
        seen.append((time.monotonic() - began, await asyncio.to_thread(server.memory)))
        await asyncio.sleep(pause)
    return seen


async def crowd(chromium: Browser, server: Server, options: argparse.Namespace, troubles: list[str]) -> None:
    """Let the visitors come and stay, and print what was seen."""
    visitors, minutes, runs = options.visitors, options.minutes, options.runs
    began = time.monotonic()
    arrival, until, tenth = 60 * minutes / 5, began + 60 * minutes, 6 * minutes
    begin = began + arrival
    raw = [Visitor(server.page) for _ in range(visitors - 2)]
    waiting, store = Counter[str](), RunStore(server.runs)
    tasks: list[Awaitable[Any]] = [
        watch_memory(server, began, until, tenth / 6),
        safely(press_dial(chromium, server, until, waiting, troubles), troubles),
        safely(arriving_views(chromium, server, arrival, troubles), troubles),
        safely(press_start(chromium, server, begin, until, troubles), troubles),
    ]
    for place, visitor in enumerate(raw):
        # Runs are asked for within ten seconds, as when a teacher says "now": most have to wait for their turn.
        when = begin + random.uniform(0, 10) if place < runs - 1 else None
        tasks.append(stay(visitor, began + arrival * place / len(raw), when, until, RUN))
    watching = asyncio.create_task(safely(watch_runs(store, waiting), troubles))
    memory, dial, views, *ends = await asyncio.gather(*tasks)
    watching.cancel()
    kept = [row for row in store.runs(None) if row.state == "done" and row.summary]
    for visitor in raw:
        troubles += visitor.troubles

    print(f"\n{visitors} visitors within {arrival:.0f} s, {minutes:g} minutes, {runs} runs")
    came = [visitor.came for visitor in raw if visitor.came == visitor.came]
    print(f"visitors without a browser, request to all widgets' states, s, {len(came)}: {quantiles(came, 2)}")
    if views is not None:
        print(f"pages that Chromium opened meanwhile, {len(views)}: {told(views)}")
    echoes = [1000 * one for visitor in raw for one in visitor.echoes]
    unheard = sum(visitor.unheard for visitor in raw)
    print(f"turn of a knob to the kernel's echo, ms, {len(echoes)}: {quantiles(echoes, 0)}; without an echo: {unheard}")
    print(f"deepest queue: {waiting['deepest']}; ends: {', '.join(sorted(filter(None, ends)))}")
    print(f"seconds of a run: {quantiles([row.seconds for row in kept if row.seconds], 0)}")
    presses = {
        "all": [taken for taken, _ in dial or []],
        "while a run goes": [taken for taken, going in dial or [] if going],
        "without a run": [taken for taken, going in dial or [] if not going],
    }
    for name, taken in presses.items():
        print(f"dial, key press to painted, {name}, ms, {len(taken)}: {quantiles(taken, 1)}")
    print("\nMB at second   kernels (number)   server   run server and workers")
    for seconds, sample in memory[:: max(1, len(memory) // 20)]:
        parts = {kind: sum(pss for pss, _ in found) for kind, found in sample.items()}
        numbers = f"{parts['kernels']:7.0f} ({len(sample['kernels']):3})   {parts['server']:12.0f}"
        print(f"{seconds:12.0f}   {numbers}   {parts['training']:16.0f}")

    own = [uss for seconds, sample in memory if seconds > arrival for _, uss in sample["kernels"]]
    print()
    judge("a kernel's own memory, the most, MB", max(own), 160)
    judge("dial, key press to painted, p95, ms", p95(presses["all"]), 33)
    judge("the same while a run goes", p95(presses["while a run goes"]), 33)
    judge("runs that are not done on their page", runs - ends.count("done"), 0)
    judge("runs that are not kept with their numbers", runs - len(kept), 0)
    for name, kinds in {"server and kernels": ("server", "kernels"), "run server and workers": ("training",)}.items():
        # Medians, as the first workers load torch in the first seconds of that minute.
        totals = [(seconds, sum(pss for kind in kinds for pss, _ in sample[kind])) for seconds, sample in memory]
        first = np.median([total for seconds, total in totals if arrival < seconds <= arrival + tenth])
        last = np.median([total for seconds, total in totals if seconds > 9 * tenth])
        grown = f"{name}, MB more than the {first:.0f} after the last came, in the last tenth of the time ({last:.0f})"
        judge(grown, float(last - first), float(0.05 * first + 50))


def judge(name: str, figure: float, target: float) -> None:
    """Print a criterion, its figure, what it may be at most, and whether it is met."""
    met = figure <= target
    MISSED.extend([] if met else [name])
    print(f"{'ok    ' if met else 'MISSED'} {name}: {figure:.4g}, at most {target:.4g}", flush=True)


def p95(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.95)) if len(values) else float("nan")


def quantiles(values: Sequence[float], digits: int) -> str:
    if not len(values):
        return "none"
    return f"p50 {np.median(values):.{digits}f}, p95 {p95(values):.{digits}f}, max {max(values):.{digits}f}"


def told(views: np.ndarray) -> str:
    return f"page request to content, s: {quantiles(views[:, 0], 2)}; to a reaction, s: {quantiles(views[:, 1], 2)}"


async def measure(options: argparse.Namespace) -> None:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    troubles, lines = list[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=path, args=OPTIONS)
            print(f"Chromium {chromium.version}; {psutil.cpu_count()} cores, {platform.platform()}")
            for kind, (most, limits) in {"cold": (4.0, {"preheated": 0}), "preheated": (1.5, {})}.items():
                place = Path(folder, kind)
                place.mkdir()
                server = Server(place, visitors=options.visitors + ARRIVING + 10, **limits)
                try:
                    load = os.getloadavg()[0]
                    views = await first_views(chromium, server, options.opens, troubles)
                    print(f"\n{kind}, {len(views)} times, load {load:.1f}: {told(views)}")
                    judge(f"page request to a view that reacts, {kind}, p95 of {len(views)}, s", p95(views[:, 1]), most)
                    if kind == "preheated":
                        await crowd(chromium, server, options, troubles)
                finally:
                    server.close()
                lines += Path(server.log.name).read_text().splitlines()[1:]
            await chromium.close()
    judge("errors of HTTP, websockets, kernels, pages", len(troubles), 0)
    judge("lines in the servers' logs", len(lines), 0)
    for line in [*troubles, *lines][:20]:
        print(f"  {line[:300]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--opens", type=int, default=20)
    began = time.monotonic()
    asyncio.run(measure(parser.parse_args()))
    print(f"\n{time.monotonic() - began:.0f} s")
    sys.exit(1 if MISSED else 0)


if __name__ == "__main__":
    main()
