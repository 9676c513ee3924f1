"""How the web page lies in a desktop's and in a telephone's window."""

from collections.abc import Callable
from itertools import combinations

import psutil
import pytest
from dashboard import Dashboard
from servers import Server
from windows import DESKTOP, TELEPHONE

CARDS = ".kd-run, .kd-knobs, .kd-setup, .kd-summary, .kd-canvas, .kd-card"


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_nothing_overlaps_or_overflows(
    size: tuple[int, int],
    lend: Callable[..., Dashboard],
    serve: Callable[[str], Server],
    capsys: pytest.CaptureFixture[str],
) -> None:
    dashboard = lend(serve("voila"), size)
    dashboard.open()
    page = dashboard.page
    with capsys.disabled():
        print(f"\nfirst content after {dashboard.seconds:.1f} s, all figures after {dashboard.seconds_drawn:.1f} s")

    assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]

    start = page.locator("button[data-action=start]").bounding_box()
    assert start["y"] >= 0
    assert start["y"] + start["height"] <= size[1]

    cards = page.locator(CARDS).evaluate_all(
        "cards => cards.map(card => [card.className, card.getBoundingClientRect().toJSON()])"
    )
    assert len(cards) == 12
    for name, box in cards:
        assert min(box["width"], box["height"]) > 40, f"{name} is squeezed"
    for (first, a), (second, b) in combinations(cards, 2):
        apart = a["right"] <= b["left"] or b["right"] <= a["left"] or a["bottom"] <= b["top"] or b["bottom"] <= a["top"]
        assert apart, f"{first} overlaps {second}"


def test_leaving_the_page_ends_its_kernel(lend: Callable[..., Dashboard], serve: Callable[[str], Server]) -> None:
    dashboard = lend(serve("voila"))
    dashboard.open()
    kernel = dashboard.kernel()
    dashboard.page.goto("about:blank")
    _, left = psutil.wait_procs([kernel], timeout=20)
    assert left == []
