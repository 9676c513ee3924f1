"""What a person does on the page "Distil", in Voilà and in JupyterLab."""

import re
import signal
from importlib.resources import files

import numpy as np
import pytest
from dashboard import Dashboard
from playwright.sync_api import expect
from servers import KERNEL, WORKER

from kdlab.core.history import History
from kdlab.core.metrics import confusion_matrix
from kdlab.figures.theme import ROLES

pytestmark = pytest.mark.browser
LINE = f".kd-curves .kd-canvas:first-child path.js-line[style*='{{}}']"
# Colours as the browser writes them.
STUDENT = "rgb({}, {}, {})".format(*bytes.fromhex(ROLES["student"].colour[1:]))


@pytest.fixture(scope="module")
def opening() -> History:
    return History.load(files("kdlab.assets") / "opening" / "history.npz")


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    weights = np.exp((logits - logits.max()) / temperature)
    return weights / weights.sum()


def test_the_opening_shows_the_run_that_comes_with_kdlab(dashboard: Dashboard, opening: History) -> None:
    labels = opening.opened.test_labels
    wrong = {name: int((logits.argmax(1) != labels).sum()) for name, logits in opening.logits.items()}
    assert dashboard.errors() == wrong
    for name, count in wrong.items():
        expect(dashboard.matrix(name).locator(".gtitle")).to_contain_text(f"{count} mistakes")
        assert sum(dashboard.shares(name)) == pytest.approx(1, abs=1e-4)
    expect(dashboard.page.locator(".kd-waiting:not(:empty)")).to_have_count(0)
    expect(dashboard.verdict).to_contain_text("McNemar")


def test_start_moves_the_curves_and_ends_with_a_verdict(dashboard: Dashboard) -> None:
    page = dashboard.page
    # Phases may be short: the page itself notes every status line and every shape of the student's curve.
    page.evaluate(
        """line => {
          window.kdSeen = {status: [], line: new Set()};
          const look = () => {
            kdSeen.status.push(document.querySelector(".kd-status").textContent);
            kdSeen.line.add(document.querySelector(line)?.getAttribute("d"));
          };
          window.kdWatch = new MutationObserver(look);
          for (const element of document.querySelectorAll(".kd-run, .kd-curves"))
            kdWatch.observe(element, {subtree: true, childList: true, attributes: true, characterData: true});
        }""",
        LINE.format(STUDENT),
    )
    dashboard.begin(teacher_epochs=5, epochs=150)
    dashboard.expect_state("done")
    expect(dashboard.status).to_have_text("Done.")
    seen = page.evaluate("kdWatch.disconnect(); ({status: kdSeen.status, line: [...kdSeen.line]})")

    first = {text: next(i for i, line in enumerate(seen["status"]) if text in line) for text in ("teacher", "student")}
    assert first["teacher"] < first["student"]
    assert len(seen["line"]) > 5
    verdict, errors = dashboard.verdict.inner_text(), dashboard.errors()
    better, worse = re.search(r"(\d+) images? only the student has right, (\d+) only the baseline", verdict).groups()
    assert int(better) - int(worse) == errors["baseline"] - errors["student"]


def test_the_temperature_moves_the_bars_while_the_kernel_stands_still(dashboard: Dashboard, opening: History) -> None:
    chosen = int(re.search(r"Test image (\d+)", dashboard.picture.inner_text())[1])
    most, percentages = [], [dashboard.percentages("teacher")]
    (kernel,) = dashboard.server.processes(KERNEL)
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


def test_a_knob_turned_during_the_run_is_marked_on_the_curves(dashboard: Dashboard) -> None:
    dashboard.begin(teacher_epochs=1)
    dashboard.wait_for_step(500)
    temperature = dashboard.turn("temperature", "ArrowRight", 3)
    for curve in dashboard.page.locator(".kd-curves .kd-canvas").all():
        expect(curve.locator(".annotation-text")).to_have_text(f"T {temperature:.3g}")
        expect(curve.locator(".shapelayer path")).to_have_count(1)


def test_pause_holds_step_makes_one_and_resume_goes_on(dashboard: Dashboard) -> None:
    dashboard.fill("Teacher epochs", 1)
    dashboard.press("step")
    expect(dashboard.status).to_contain_text("Paused. Training the teacher: step 1 of")
    dashboard.press("resume")
    expect(dashboard.status).to_contain_text("Distilling the student")
    dashboard.wait_for_step(100)
    dashboard.press("pause")
    dashboard.expect_state("paused")
    expect(dashboard.status).to_contain_text("Paused.")
    held = dashboard.step()
    for made in (1, 2):
        dashboard.press("step")
        expect(dashboard.status).to_contain_text(f"Paused. Distilling the student beside its baseline: step {held + made:,} of")
    dashboard.press("resume")
    dashboard.expect_state("running")
    dashboard.wait_for_step(held + 50)

    dashboard.press("stop")
    dashboard.expect_state("stopped")
    expect(dashboard.status).to_contain_text("Stopped.")
    assert dashboard.tiles() != dashboard.opening
    dashboard.reset()
    expect(dashboard.status).to_have_text("Ready: press Start.")


def test_a_cell_shows_its_images_and_an_image_its_soft_targets(dashboard: Dashboard, opening: History) -> None:
    answers, labels = opening.logits["student"].argmax(1), opening.opened.test_labels
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
    assert pictures.last.evaluate(red) == opening.opened.test_images[found[-1]][0].ravel().tolist()

    pictures.last.click()
    expect(dashboard.picture.locator("p")).to_have_text(f"Test image {found[-1]}, true class {true}")
    assert dashboard.shares("student") == pytest.approx(softmax(opening.logits["student"][found[-1]], 4), abs=1e-4)


def test_what_goes_wrong_in_the_worker_is_shown_and_a_good_run_works_again(dashboard: Dashboard) -> None:
    datasets = dashboard.page.get_by_label("Data set", exact=True)
    datasets.select_option("Other …")
    dashboard.fill("Data set name", "folder:/nonexistent/pictures")
    dashboard.press("start")
    dashboard.expect_state("failed")
    expect(dashboard.error).to_contain_text("/nonexistent/pictures")

    datasets.select_option("digits")
    dashboard.begin(teacher_epochs=1)
    expect(dashboard.error).to_be_hidden()

    (worker,) = dashboard.server.processes(WORKER)
    worker.send_signal(signal.SIGKILL)
    dashboard.expect_state("failed")
    expect(dashboard.error).to_contain_text("The worker process ended unexpectedly (SIGKILL).")
    dashboard.press("start")
    dashboard.expect_state("running")
    expect(dashboard.error).to_be_hidden()


def test_python_follows_the_slider(dashboard: Dashboard) -> None:
    if dashboard.server.kind != "jupyterlab":
        pytest.skip("there is no cell to ask Python in")
    temperature = dashboard.turn("temperature", "ArrowRight", 5)
    dashboard.page.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-InputArea-prompt").click()
    dashboard.page.keyboard.press("b")
    dashboard.page.keyboard.press("Enter")
    dashboard.page.keyboard.type("Out[1].state.temperature")
    dashboard.page.keyboard.press("Shift+Enter")
    answer = dashboard.page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-executeResult pre")
    expect(answer).to_have_text(str(temperature))
