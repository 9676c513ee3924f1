"""The page "Distil" without a browser: what is chosen is what runs, in a process that never imports torch."""

import asyncio
import dataclasses
import subprocess
import sys
from importlib.resources import files

import pytest
from distil_page import on_page
from forms import enter, enter_invalid

from kdlab.pages import Distil
from kdlab.pages.distil import view
from kdlab.pages.distil.figures import CURVES
from kdlab.registry import LOSSES, Knob
from kdlab.runs.protocol import EventBatch, RunSnapshot, Status
from kdlab.train.events import ParamsChanged
from kdlab.train.history import History
from kdlab.train.spec import Spec

pytestmark = pytest.mark.usefixtures("own_server")

SCRIPT = """
import queue, sys
from kdlab.distillation.request import distill_request
from kdlab.runs.limits import Limits
from kdlab.runs.worker import Start
from kdlab.runs.worker_process import WorkerProcess
from kdlab.train.events import Saved
from kdlab.train.history import History
from kdlab.train.spec import Spec
from kdlab.pages.distil import view
from kdlab.pages.distil.figures import CURVES, MATRICES
from kdlab.runs.protocol import EventBatch, Status

if __name__ == "__main__":
    messages, history = queue.Queue(), History()
    worker = WorkerProcess(lambda _: None)
    request = distill_request(Spec(teacher="mlp:16x1", student="mlp:8x1", epochs=1, teacher_epochs=1))
    worker.start(Start(request, Limits(), None, False), messages.put)
    while True:
        match messages.get(timeout=120):
            case EventBatch(events):
                for event in events:
                    if not isinstance(event, Saved):
                        history.append(event)
            case Status("done"):
                break
            case Status("failed", kind, text):
                raise SystemExit(f"{kind}: {text}")
    assert view.summary(history, "")["verdict"].endswith(history.result["mcnemar"]["verdict"][1:])
    assert all(curves(history, None)["data"] for curves in CURVES.values())
    assert all(matrix(history)["data"] for matrix in MATRICES.values())
    worker.close()
    print(sorted({"torch", "torchvision", "sklearn", "pandas"} & set(sys.modules)))
"""


def test_a_whole_run_leaves_torch_out_of_the_pages_process(tmp_path) -> None:
    script = tmp_path / "page.py"
    script.write_text(SCRIPT)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


async def settle() -> None:
    """Let the page do what it has posted to its loop, and what followed from that."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_what_is_chosen_is_what_runs() -> None:
    async def use(page: Distil) -> None:
        ended = asyncio.get_running_loop().create_future()

        def watch(change: dict) -> None:
            if change["new"] in ("done", "failed") and not ended.done():
                ended.set_result(change["new"])

        page.view._panel.observe(watch, "state")
        enter(page.view.setup.form, "augmentation", "shift:pixels=1")
        enter(page.view.setup.form, "teaching", "fixed")
        page.state.epochs = page.state.teacher_epochs = 2
        chosen = page.state.spec()
        page.view._act("start")
        assert await asyncio.wait_for(ended, 120) == "done", page.view._panel.error
        page.view._draw_all()  # what the last event asked for
        spec = page.history.opened.spec
        assert spec == chosen
        assert (spec.augmentation, spec.teaching, spec.precision) == ("shift:pixels=1", "fixed", "float32")
        assert f"{spec.teacher}, fixed teaching. T 4, " in page.view.results.summary.content["run"]
        assert page.view._panel.error == ""

    on_page(use)


def test_teaching_is_offered_only_where_it_changes_something() -> None:
    async def use(page: Distil) -> None:
        form = page.view.setup.form

        def offered() -> bool:
            return not form.descriptions["teaching"]["hidden"]

        assert not offered()
        for name, expected in (("affine:views=12", True), ("none", False), ("shift:pixels=1", True)):
            enter(form, "augmentation", name)
            await settle()
            assert offered() is expected, name
        page.view._act("reset")
        await settle()
        assert (page.state.augmentation, offered()) == ("none", False)

    on_page(use)


def test_another_data_set_brings_all_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = Knob("other_weight", "Other weight", 1.0, 0.0, 10.0, "of nothing")
    other = dataclasses.replace(LOSSES["hinton"], key="other", label="Other", knobs=(weight,))
    monkeypatch.setitem(LOSSES._entries, "other", other)

    async def use(page: Distil) -> None:
        enter(page.view.setup.form, "augmentation", "shift:pixels=2")
        enter(page.view.setup.form, "teaching", "independent")
        enter(page.view.knobs.loss, "loss", "other")
        page.state.other_weight, page.state.seed = 3.0, 5
        for dataset, precision in (("mnist", "auto"), ("digits", "float32")):
            page.state.dataset = dataset
            await settle()
            assert page.view._panel.error == ""
            kept = {"loss": "other", "knobs": {"other_weight": 3.0}, "seed": 5}
            assert page.state.spec() == Spec.suggested(dataset, **kept)
            assert (page.state.augmentation, page.state.teaching) == ("none", "consistent")
            assert page.state.precision == precision

    on_page(use)


def test_start_is_refused_while_a_field_shows_an_error() -> None:
    async def use(page: Distil) -> None:
        form, sentence = page.view.setup.form, "Epochs must be a whole number from 1 to 100,000, not 12.5."
        enter_invalid(form, "epochs", "12.5")
        page.view._act("start")
        assert (page.view._panel.state, page.view._panel.error) == ("idle", sentence)
        enter(form, "epochs", page.state.epochs)
        await settle()
        assert page.view._panel.error == ""
        enter_invalid(form, "epochs", "12.5")
        page.view._act("reset")
        await settle()
        assert form.invalid == {}
        enter_invalid(form, "epochs", "12.5")
        page.state.dataset = "mnist"  # which brings its own numbers
        await settle()
        assert form.invalid == {}

    on_page(use)


def test_the_fields_of_a_page_are_few_widgets() -> None:
    """Each costs a message, memory in kernel and browser, and a place in a saved notebook."""

    async def use(page: Distil) -> None:
        assert [type(part).__name__ for part in page.view.setup.children] == ["Form", "TeacherFile", "Form"]

    on_page(use)


def test_a_failure_right_after_the_data_were_opened_stays_on_the_page() -> None:
    async def use(page: Distil) -> None:
        opened = page.history.opened
        begun = RunSnapshot("run", History(), "distil", {}, mine=True)
        for message in (
            begun,
            Status("starting"),
            EventBatch((opened,)),
            Status("failed", "InputError", "This cannot be used."),
        ):
            # As an augmentation's wrong option does: all before the page's loop turns again.
            page.view._on_message(message)
        await settle()
        assert (page.view._panel.state, page.view._panel.error) == ("failed", "This cannot be used.")
        page.state.epochs += 1
        await settle()
        assert page.view._panel.error == ""

    on_page(use)


def opening() -> History:
    return History.load(files("kdlab.assets") / "opening" / "history.npz")


@pytest.mark.parametrize(
    ("augmentation", "teaching", "sentence"),
    [
        ("none", "consistent", "Shown: digits, 200 images to learn from, mlp:32x1 taught by mlp:64x1."),
        ("none", "fixed", "Shown: digits, 200 images to learn from, mlp:32x1 taught by mlp:64x1."),
        (
            "shift:pixels=2", "consistent",
            "Shown: digits, 200 images to learn from with shift:pixels=2, mlp:32x1 taught by mlp:64x1.",
        ),
        (
            "affine:views=12", "independent",
            "Shown: digits, 200 images to learn from with affine:views=12, mlp:32x1 taught by mlp:64x1, "
            "independent teaching.",
        ),
    ],
)  # fmt: skip
def test_the_page_says_which_run_is_shown(augmentation: str, teaching: str, sentence: str) -> None:
    history = opening()
    spec = history.opened.spec.replace(teacher="mlp:64x1", augmentation=augmentation, teaching=teaching)
    history.opened = dataclasses.replace(history.opened, spec=spec)
    assert view.summary(history, "")["run"] == f"{sentence} T 4, soft 0.9, hard 0.1, seed 0."


def test_the_page_says_which_knobs_and_seed_the_shown_run_has() -> None:
    history = opening()
    history.opened = dataclasses.replace(history.opened, spec=history.opened.spec.replace(seed=7))
    history.append(ParamsChanged("student", 3, {"temperature": 8.0}))
    history.append(ParamsChanged("student", 9, {"temperature": 2.5, "hard_weight": 0.0}))
    assert view.summary(history, "")["run"].endswith(" T 2.5, soft 0.9, hard 0, seed 7.")


def test_a_new_run_shows_no_numbers_of_the_run_before() -> None:
    async def use(page: Distil) -> None:
        before = page.view.results.summary.content
        assert [tile["errors"] for tile in before["tiles"]] == ["11", "31", "14"]
        page.view._on_message(RunSnapshot("run", History(), "distil", {}, mine=True))
        page.view._on_message(Status("starting"))
        page.view._draw_all()
        content = page.view.results.summary.content
        assert [(tile["errors"], tile["share"], tile["counted"]) for tile in content["tiles"]] == [
            ("–", "not trained yet", "")
        ] * 3
        assert (content["verdict"], content["differs"], content["warnings"]) == ("", False, [])
        assert content["note"].startswith("The run has not opened its data yet.")
        assert content["run"] == before["run"].replace("Shown: ", "Figures below: ")
        page.view._on_message(EventBatch((page.history.opened,)))
        page.view._draw_all()
        assert page.view.results.summary.content["run"] == before["run"]
        assert page.view.results.summary.content["verdict"] == ""
        page.view._on_message(Status("idle"))
        page.view._draw_all()
        assert page.view.results.summary.content == before

    on_page(use)


def test_a_run_that_ended_before_its_data_were_opened_says_so() -> None:
    async def use(page: Distil) -> None:
        page.view._on_message(RunSnapshot("run", History(), "distil", {}, mine=True))
        page.view._on_message(Status("failed", "InputError", "This cannot be used."))
        page.view._draw_all()
        assert page.view.results.summary.content["note"].startswith("The run ended before it had opened its data.")
        assert {tile["errors"] for tile in page.view.results.summary.content["tiles"]} == {"–"}

    on_page(use)


def partly(phase: str) -> History:
    """The opening's history without its end, in a phase."""
    history = opening()
    history.result, history.phase = None, dataclasses.replace(history.phase, name=phase)
    return history


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted"])
def test_of_a_run_that_did_not_come_to_its_end_nothing_more_is_promised(state: str) -> None:
    verb = "failed" if state == "failed" else f"was {state}"
    note = view.summary(partly("teacher"), "", state)["note"]
    assert note == f"This run {verb} while the teacher was training; student and baseline were not trained."
    assert "come next" in view.summary(partly("teacher"), "", "running")["note"]
    summary = view.summary(partly("student"), "", state)
    assert summary["note"].startswith(f"This run {verb} while student and baseline were training")
    assert summary["verdict"].endswith(" This run did not come to its end, so this is no final result.")


def test_a_verdict_before_the_end_is_said_to_change() -> None:
    verdict = view.summary(partly("student"), "", "running")["verdict"]
    assert verdict.startswith("So far, on 143 validation images: ")
    assert verdict.endswith(" It changes as training goes on; only the end counts.")
    assert "only the end counts" not in view.summary(opening(), "", "done")["verdict"]


def test_large_counts_have_commas() -> None:
    history = opening()
    history.result["validation"]["teacher"]["errors"] = 3455
    assert "(teacher 3,455, " in view.summary(history, "")["note"]


def test_losses_are_said_to_be_of_training_batches() -> None:
    title = CURVES["losses"](opening(), None)["layout"]["title"]["text"]
    assert title == "Loss by part on training batches, in nats"
