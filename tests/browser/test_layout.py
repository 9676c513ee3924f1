"""How the web page lies in a desktop's and in a telephone's window."""

import time
from collections.abc import Callable
from itertools import combinations

import pytest
from dashboard import Dashboard

pytestmark = pytest.mark.browser
CARDS = ".kd-run, .kd-knobs, .kd-setup, .kd-summary, .kd-canvas, .kd-card"


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "telephone"])
def test_nothing_overlaps_or_overflows(size: tuple[int, int], voila: Callable[[tuple[int, int]], Dashboard]) -> None:
    page = voila(size).page
    assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]

    start = page.locator("button[data-action=start]").bounding_box()
    assert start["y"] >= 0
    assert start["y"] + start["height"] <= size[1]

    cards = page.locator(CARDS).evaluate_all(
        "cards => cards.map(card => [card.className, card.getBoundingClientRect().toJSON()])"
    )
    assert len(cards) == 12
    for (first, a), (second, b) in combinations(cards, 2):
        apart = a["right"] <= b["left"] or b["right"] <= a["left"] or a["bottom"] <= b["top"] or b["bottom"] <= a["top"]
        assert apart, f"{first} overlaps {second}"
        assert min(a["width"], a["height"]) > 40
