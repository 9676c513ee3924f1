"""In Firefox: what a translator made of a page goes on changing, and its numbers are right."""

from collections.abc import Callable

import pytest
from dashboard import Dashboard
from playwright.sync_api import Browser, expect
from temperature import share, spoken
from windows import Windows

# As browsers' translators do: each text becomes another one in two elements "font", and its own node leaves the page.
TRANSLATE = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const kept = "[translate=no], .notranslate, script, style, textarea, select, svg";
    if (!text.data.trim() || text.parentElement.closest(kept)) continue;
    const [outer, inner] = [document.createElement("font"), document.createElement("font")];
    inner.textContent = `«${text.data.replaceAll(".", ",")}»`;
    outer.append(inner);
    text.replaceWith(outer);
  }
}"""


@pytest.fixture(scope="module")
def windows(firefox: Browser) -> Windows:
    return Windows(firefox)


def test_numbers_follow_the_temperature(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    before = dashboard.percentages("teacher")
    dashboard.page.evaluate(TRANSLATE)
    temperature = dashboard.turn("temperature", "ArrowRight", 30)
    assert temperature > 4
    assert dashboard.percentages("teacher") != before
    for network in ("teacher", "baseline", "student"):
        assert dashboard.percentages(network) == [share(length) for length in dashboard.shares(network)]
    expect(dashboard.page.get_by_text(f"Softened predictions at T = {spoken(temperature)}")).to_be_visible()


def test_a_run_goes_on_telling(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    page = dashboard.page
    dashboard.begin(teacher_epochs=1, epochs=9000)
    page.evaluate(TRANSLATE)
    verdict, tiles = dashboard.verdict.text_content(), dashboard.tiles()
    dashboard.wait_for_step(dashboard.step() + 50)
    expect(dashboard.verdict).not_to_have_text(verdict)
    expect(page.locator(".kd-tile")).not_to_have_text(tiles)
    page.evaluate(TRANSLATE)
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    expect(dashboard.status).to_contain_text("Stopped.")
    expect(dashboard.verdict).to_contain_text("This run did not come to its end")
    assert "«" not in "".join(dashboard.tiles())
