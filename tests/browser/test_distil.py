"""What a person looks at on the page "Distil"."""

import re
from importlib.resources import files

import numpy as np
import pytest
from dashboard import Dashboard
from playwright.sync_api import expect

from kdlab.metrics.classification import confusion_matrix
from kdlab.train.history import History


@pytest.fixture(scope="module")
def opening() -> History:
    return History.load(files("kdlab.assets") / "opening" / "history.npz")


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    weights = np.exp((logits - logits.max()) / temperature)
    return weights / weights.sum()


def test_the_opening_shows_the_run_that_comes_with_kdlab(dashboard: Dashboard, opening: History) -> None:
    labels = opening.opened.labels
    wrong = {name: int((logits.argmax(1) != labels).sum()) for name, logits in opening.logits.items()}
    result = opening.result
    assert dashboard.errors() == {name: result[name]["errors"] for name in wrong}
    expect(dashboard.page.locator(".kd-tile-counted")).to_have_text(["of 360 test images"] * 3)
    expect(dashboard.page.locator(".kd-curves .gtitle").first).to_have_text("Errors on 143 validation images")
    for name, count in wrong.items():
        expect(dashboard.matrix(name).locator(".gtitle")).to_contain_text(f"{count} validation errors")
        assert sum(dashboard.shares(name)) == pytest.approx(1, abs=1e-4)
    expect(dashboard.page.locator(".kd-waiting:not(:empty)")).to_have_count(0)
    expect(dashboard.verdict).to_contain_text("On the 360 test images: ")
    expect(dashboard.verdict).to_contain_text("McNemar")


def test_the_temperature_moves_the_bars_while_the_kernel_stands_still(dashboard: Dashboard, opening: History) -> None:
    chosen = int(re.search(r"Validation image (\d+)", dashboard.picture.inner_text())[1])
    most, percentages = [], [dashboard.percentages("teacher")]
    kernel = dashboard.kernel()
    kernel.suspend()
    try:
        for _ in range(3):
            temperature = dashboard.turn("temperature", "ArrowRight", 15)
            for name, logits in opening.logits.items():
                assert dashboard.shares(name) == pytest.approx(softmax(logits[chosen], temperature), abs=1e-4)
            most.append(max(dashboard.shares("teacher")))
            percentages.append(dashboard.percentages("teacher"))
    finally:
        kernel.resume()
    assert most == sorted(most, reverse=True)
    assert len(set(map(tuple, percentages))) == 4
    # The browser holds back a slider's values from a kernel that does not answer: this answer comes after the last one.
    other = dashboard.gallery.locator("button").last
    other.click()
    expect(dashboard.picture.locator("p")).to_contain_text(f"Validation image {other.get_attribute('data-example')},")


def test_a_cell_shows_its_images_and_an_image_its_soft_targets(dashboard: Dashboard, opening: History) -> None:
    answers, labels = opening.logits["student"].argmax(1), opening.opened.labels
    counts = confusion_matrix(opening.logits["student"], labels)
    mistakes = counts - np.diag(np.diag(counts))
    true, predicted = map(int, np.unravel_index(mistakes.argmax(), mistakes.shape))
    found = np.flatnonzero((labels == true) & (answers == predicted)).tolist()

    images = f"{len(found)} image{'s' if len(found) > 1 else ''}"
    dashboard.click_cell("student", true, predicted, f"true {true}, predicted {predicted}: {len(found)} image")
    expect(dashboard.gallery.locator("p")).to_have_text(f"Student: true {true}, predicted {predicted} ({images}).")
    pictures = dashboard.gallery.locator("canvas")
    expect(pictures).to_have_count(len(found))
    red = "it => [...it.getContext('2d').getImageData(0, 0, it.width, it.height).data].filter((_, i) => i % 4 == 0)"
    assert pictures.last.evaluate(red) == opening.opened.images[found[-1]][0].ravel().tolist()

    pictures.last.click()
    expect(dashboard.picture.locator("p")).to_have_text(f"Validation image {found[-1]}, true class {true}")
    dashboard.wait_for_shares("student", softmax(opening.logits["student"][found[-1]], 4).tolist())
