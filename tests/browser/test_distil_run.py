"""What a person does with a run on the page "Distil"."""

import re
import signal

from dashboard import Dashboard
from playwright.sync_api import expect

from kdlab.figures.theme import ROLES
from kdlab.train.spec import Spec

# The colour as the browser writes it.
STUDENT = "rgb({}, {}, {})".format(*bytes.fromhex(ROLES["student"].colour[1:]))
LINE = f".kd-curves .kd-canvas:first-child path.js-line[style*='{STUDENT}']"


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
        LINE,
    )
    dashboard.fill("Teacher epochs", 5)
    dashboard.fill("Epochs", 100)
    dashboard.press("start")
    dashboard.expect_state("done")
    expect(dashboard.status).to_contain_text("Done")
    seen = page.evaluate("kdWatch.disconnect(); ({status: kdSeen.status, line: [...kdSeen.line]})")

    told = [line.partition(":")[0] for line in seen["status"]]
    assert told.index("Training the teacher") < told.index("Distilling the student beside its baseline")
    assert len(seen["line"]) > 4
    verdict, errors = dashboard.verdict.inner_text(), dashboard.errors()
    better, worse = re.search(r"(\d+) images? only the student has right, (\d+) only the baseline", verdict).groups()
    assert int(better) - int(worse) == errors["baseline"] - errors["student"]


def test_a_knob_turned_during_the_run_is_marked_on_the_curves(dashboard: Dashboard) -> None:
    dashboard.begin(teacher_epochs=1, epochs=9000)  # long enough for a busy machine
    dashboard.wait_for_step(50)
    temperature = dashboard.turn("temperature", "ArrowRight", 3)
    for curve in dashboard.page.locator(".kd-curves .kd-canvas").all():
        expect(curve.locator(".annotation-text").last).to_have_text(f"T {temperature:.3g}")
        expect(curve.locator(".shapelayer path").last).to_be_attached()


def test_pause_holds_step_makes_one_and_resume_goes_on(dashboard: Dashboard) -> None:
    dashboard.fill("Teacher epochs", 1)
    dashboard.press("step")
    expect(dashboard.status).to_contain_text("Paused. Training the teacher: step 1 of")
    dashboard.press("resume")
    expect(dashboard.status).to_contain_text("Distilling the student")
    dashboard.wait_for_step(20)
    dashboard.press("pause")
    dashboard.expect_state("paused")
    expect(dashboard.status).to_contain_text("Paused.")
    held = dashboard.step()
    for made in (1, 2):
        dashboard.press("step")
        expect(dashboard.status).to_contain_text(re.compile(rf"Paused\. Distilling .*: step {held + made:,} of"))
    dashboard.press("resume")
    dashboard.expect_state("running")
    dashboard.wait_for_step(held + 5)

    dashboard.press("stop")
    dashboard.expect_state("stopped")
    expect(dashboard.status).to_contain_text("Stopped.")
    assert dashboard.tiles() != dashboard.opening
    dashboard.reset()
    expect(dashboard.status).to_have_text("Ready: press Start.")


def test_an_augmentation_offers_ways_of_teaching(dashboard: Dashboard) -> None:
    augmentations = dashboard.page.get_by_label("Augmentation", exact=True)
    teaching = dashboard.page.get_by_label("Teaching", exact=True)
    meaning = dashboard.page.get_by_text("The teacher always sees the image as it is.")
    expect(teaching).to_be_hidden()
    augmentations.select_option("Other …")
    dashboard.fill("Augmentation name", "shift:pixels=1")
    teaching.select_option(label="Fixed")
    expect(meaning).to_be_visible()
    dashboard.begin(teacher_epochs=1)
    expect(dashboard.page.locator(".kd-summary-text")).to_contain_text(
        re.compile(r"200 images to learn from with shift:pixels=1, mlp:32x1 taught by \S+, fixed teaching\.")
    )
    expect(dashboard.error).to_be_hidden()
    augmentations.select_option("none")
    for gone in (teaching, meaning):
        expect(gone).to_be_hidden()


def test_what_goes_wrong_in_the_worker_is_shown_and_a_good_run_works_again(dashboard: Dashboard) -> None:
    datasets = dashboard.page.get_by_label("Data set", exact=True)
    datasets.select_option("Other …")
    dashboard.fill("Data set name", "folder:/nonexistent/pictures")
    dashboard.press("start")
    dashboard.expect_state("failed")
    expect(dashboard.error).to_contain_text("/nonexistent/pictures")

    datasets.select_option("digits")
    expect(dashboard.page.get_by_label("Epochs", exact=True)).to_have_value(str(Spec.suggested("digits").epochs))
    dashboard.begin(teacher_epochs=1)
    expect(dashboard.error).to_be_hidden()

    dashboard.server.worker().send_signal(signal.SIGKILL)
    dashboard.expect_state("failed")
    expect(dashboard.error).to_contain_text("The worker process ended unexpectedly (SIGKILL).")
    dashboard.press("start")
    dashboard.expect_state("running")
    expect(dashboard.error).to_be_hidden()
