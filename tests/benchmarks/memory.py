"""Memory of a page whose cell is run again and again in JupyterLab: of its kernel, and of the browser's JavaScript.

PYTHONPATH=tests:tests/browser python tests/benchmarks/memory.py [--times 50]
"""

import argparse
import tempfile
from pathlib import Path

from notebooks import run_all_cells
from playwright.sync_api import CDPSession, Page, sync_playwright
from servers import KERNEL, Server
from windows import DESKTOP, launch

EVERY = 10  # times between two lines of the table


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--times", type=int, default=50)
    times = options.parse_args().times
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server("jupyterlab", Path(folder))
        try:
            browser = launch(playwright)
            page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
            page.set_default_timeout(120_000)
            page.goto(server.address)
            session = page.context.new_cdp_session(page)
            print(f"{'times':>5}{'kernel, MB':>12}{'JavaScript, MB':>16}{'elements':>10}")
            for time in range(1, times + 1):
                run_again(page)
                if time == 1 or time % EVERY == 0:
                    print(f"{time:>5}{kernel_bytes(server) / 1e6:>12.0f}{describe(session)}", flush=True)
            browser.close()
        finally:
            server.close()


def run_again(page: Page) -> None:
    """Run the notebook's cell, and wait until its page is drawn."""
    page.evaluate("document.querySelector('.kd-run')?.setAttribute('data-before', '')")
    run_all_cells(page)
    page.locator(".kd-run:not([data-before])").wait_for()
    page.locator(".kd-matrices .heatmaplayer image").first.wait_for(state="attached")


def kernel_bytes(server: Server) -> int:
    (kernel,) = server.processes(KERNEL)
    return kernel.memory_full_info().uss


def describe(session: CDPSession) -> str:
    """Return the bytes of the page's JavaScript and the number of its elements, once what is free was collected."""
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {row["name"]: row["value"] for row in session.send("Performance.getMetrics")["metrics"]}
    return f"{metrics['JSHeapUsedSize'] / 1e6:>16.1f}{metrics['Nodes']:>10.0f}"


if __name__ == "__main__":
    main()
