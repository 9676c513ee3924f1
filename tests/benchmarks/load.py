"""A class on one machine: `kdlab app --public` with many visitors, some of whom train, over minutes.

python tests/benchmarks/load.py [--visitors 40] [--minutes 10] [--runs 10] [--opens 10]

First a real Chromium opens the page "Distil" again and again, by itself: without preheated kernels, and with them. Then
visitors arrive evenly within a fifth of the time (two minutes of ten) and stay. All but two are connections that say
to server and kernel what the page says (visitor.py): they fetch the page and its widgets, turn a knob every 5 to 15
seconds, and most of the runs are theirs. Two are pages in Chromium: one has a run, by its button; in the other, the
temperature lab, the dial is pressed once a second, and the time from each press to painted is taken as in slider.py.
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
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.async_api import Browser, Page, async_playwright
from visitor import Visitor

from kdlab.core.data.fetching import data_root
from kdlab.desk.store import Store

HERE = Path(__file__).parent
sys.path += [str(HERE.parent), str(HERE.parent / "browser")]
from slider import CASES, TIMING  # noqa: E402
from windows import OPTIONS  # noqa: E402  (the tests' browser, which is not installed)

KDLAB = Path(sys.executable).with_name("kdlab")
LAB = CASES[0]
KNOB = ".kd-knob-temperature"
RUN = {"teacher_epochs": 30, "epochs": 100}  # within what --public allows
INTERVAL = 10.0  # seconds between two looks at memory
ENDINGS = 600.0  # seconds that runs may take beyond the visitors' time


class Server:
    """`kdlab app --public` and the processes under it; what it says beyond its address is a trouble."""

    def __init__(self, folder: Path, **limits: int) -> None:
        own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "KDLAB_RUNS")
        environment = {name: str(folder / name.lower()) for name in own} | {"KDLAB_DATA": str(data_root())}
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


async def open_page(page: Page, address: str) -> float:
    """Open "Distil" and return the seconds until it reacts: a knob's number follows a key."""
    began = time.perf_counter()
    await page.goto(address, wait_until="commit")
    await page.locator(f"{KNOB} input").wait_for()
    before = await page.locator(f"{KNOB} output").inner_text()
    await page.locator(f"{KNOB} input").press("ArrowRight")
    await page.wait_for_function(f"before => document.querySelector('{KNOB} output').innerText !== before", arg=before)
    return time.perf_counter() - began


async def first_views(chromium: Browser, server: Server, opens: int, troubles: list[str]) -> list[float]:
    """Open the page by itself, once the server is ready for the next visitor."""
    seconds = []
    for _ in range(opens):
        await server.quiet()
        async with window(chromium, troubles) as page:
            seconds.append(await open_page(page, server.page))
    return seconds


async def press_dial(chromium: Browser, server: Server, until: float, troubles: list[str]) -> list[float]:
    """Return the milliseconds from key press to painted of one press a second in the temperature lab."""
    taken = []
    async with window(chromium, troubles) as page:
        await page.goto(server.page.replace("distil.ipynb", "temperature.ipynb"))
        await page.wait_for_function(LAB.ready)
        await page.evaluate(TIMING, [LAB.shown, LAB.begins])
        await page.locator(LAB.slider).focus()
        key = "ArrowRight"
        while time.monotonic() < until:
            await asyncio.sleep(random.uniform(0.8, 1.2))
            await page.keyboard.press(key)
            taken.append((await page.evaluate("() => painted"))[0])
            if len(taken) % 20 == 0:
                key = "ArrowLeft" if key == "ArrowRight" else "ArrowRight"
    return taken


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


async def stay(visitor: Visitor, come: float, begin: float | None, until: float) -> str:
    """Come, turn a knob now and then, perhaps have a run, and leave; return how the run ended."""
    await asyncio.sleep(max(0.0, come - time.monotonic()))
    trains = begin is not None
    try:
        await visitor.come()
        if trains:
            visitor.choose(**RUN)
        while time.monotonic() < until:
            await asyncio.sleep(random.uniform(5, 15))
            visitor.turn(random.uniform(1, 20))
            if begin is not None and time.monotonic() >= begin:
                visitor.say("RunPanel", {"type": "start"})
                begin = None
        if trains:
            await asyncio.wait_for(visitor.ended.wait(), until + ENDINGS - time.monotonic())
    except Exception as error:
        visitor.troubles.append(f"{type(error).__name__}: {error}")
    finally:
        await visitor.leave()
    return visitor.state


async def watch_memory(server: Server, began: float, until: float) -> list[tuple[float, dict[str, Any]]]:
    """Return the seconds since the first visitor and the memory of all processes, again and again."""
    seen = []
    while time.monotonic() < until:
        seen.append((time.monotonic() - began, await asyncio.to_thread(server.memory)))
        await asyncio.sleep(INTERVAL)
    return seen


async def crowd(chromium: Browser, server: Server, visitors: int, minutes: float, runs: int) -> None:
    """Let the visitors come and stay, and print what was seen."""
    began = time.monotonic()
    arrival, until = 60 * minutes / 5, began + 60 * minutes
    begin = began + arrival
    raw = [Visitor(server.page) for _ in range(visitors - 2)]
    pages: list[str] = []
    tasks: list[Coroutine[Any, Any, Any]] = [
        watch_memory(server, began, until),
        press_dial(chromium, server, until, pages),
        press_start(chromium, server, begin, until, pages),
    ]
    for place, visitor in enumerate(raw):
        # Runs are asked for within ten seconds, as when a teacher says "now": most have to wait for their turn.
        when = begin + random.uniform(0, 10) if place < runs - 1 else None
        tasks.append(stay(visitor, began + arrival * place / len(raw), when, until))
    memory, dial, *ends = await asyncio.gather(*tasks)
    troubles = pages + [trouble for visitor in raw for trouble in visitor.troubles]
    lines = server.said().splitlines()[1:]
    ends = [end for end in ends if end]

    print(f"\n{visitors} visitors within {arrival:.0f} s, {minutes:g} minutes, {runs} runs")
    late = [sample for seconds, sample in memory if seconds > arrival]
    own = [uss for sample in late for _, uss in sample["kernels"]]
    print(f"memory of a kernel's own, MB: p50 {np.median(own):.0f}, max {max(own):.0f}")
    print(f"dial, key press to painted, ms, {len(dial)} presses: {quantiles(dial, 0)}")
    print(f"runs that ended done on their page: {ends.count('done')} of {runs} (all: {', '.join(sorted(ends))})")
    print(f"errors of HTTP, websockets, kernels, console: {len(troubles)}; lines in the server's log: {len(lines)}")
    for line in [*troubles, *lines][:20]:
        print(f"  {line[:300]}")
    print("\nMB at second   kernels (number)   server   desk and training   all")
    for seconds, sample in memory[:: max(1, len(memory) // 20)]:
        parts = {kind: sum(pss for pss, _ in found) for kind, found in sample.items()}
        print(
            f"{seconds:12.0f}   {parts['kernels']:7.0f} ({len(sample['kernels']):3})   {parts['server']:12.0f}"
            f"   {parts['training']:17.0f}   {sum(parts.values()):5.0f}"
        )
    times = [seconds for seconds, _ in memory if seconds > arrival]
    for kinds in (("kernels", "server"), ("kernels", "server", "training")):
        totals = [sum(pss for kind in kinds for pss, _ in sample[kind]) for sample in late]
        slope = 60 * np.polyfit(times, totals, 1)[0]
        print(f"after the last came, {' + '.join(kinds)}: {slope:+.1f} MB a minute of {np.mean(totals):.0f} MB")


def quantiles(values: list[float], digits: int) -> str:
    return f"p50 {np.quantile(values, 0.5):.{digits}f}, p95 {np.quantile(values, 0.95):.{digits}f}"


async def measure(options: argparse.Namespace) -> None:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=path, args=OPTIONS)
            print(f"Chromium {chromium.version}; {psutil.cpu_count()} cores, {platform.platform()}")
            for kind, limits in {"cold": {"preheated": 0}, "preheated": {}}.items():
                place, troubles = Path(folder, kind), list[str]()
                place.mkdir()
                server = Server(place, visitors=options.visitors + 10, **limits)
                try:
                    load = os.getloadavg()[0]
                    seconds = await first_views(chromium, server, options.opens, troubles)
                    print(
                        f"page request to a view that reacts, {kind}, s, {len(seconds)} times: {quantiles(seconds, 2)} "
                        f"(load {load:.1f}, {len(troubles)} errors{': ' + troubles[0] if troubles else ''})",
                        flush=True,
                    )
                    if kind == "preheated":
                        await crowd(chromium, server, options.visitors, options.minutes, options.runs)
                finally:
                    server.close()
            store = Store(place / "kdlab_runs")
            rows = store.rows(None)
            numbers = [row for row in rows if row.state == "done" and row.summary]
            print(f"runs kept with their numbers: {len(numbers)} of {options.runs}")
            store.close()
            await chromium.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--opens", type=int, default=10)
    began = time.monotonic()
    asyncio.run(measure(parser.parse_args()))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
