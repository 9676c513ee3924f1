"""A teacher of one's own, from the file that `kdlab distill --out` wrote: only evaluated, and taught with."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from distil_page import on_page
from refusals import refusal
from test_address import come, until

from kdlab.datasets import load
from kdlab.distillation import run_folder
from kdlab.distillation.distill import distill_events
from kdlab.distillation.job import run_distill_job
from kdlab.io import WeightsFile, read_weights
from kdlab.pages import Distil
from kdlab.pages.distil import view
from kdlab.pages.experiments.settings import Settings
from kdlab.pages.experiments.state import ExperimentState
from kdlab.paths import runs_folder
from kdlab.registry import EXPERIMENTS
from kdlab.runs import client
from kdlab.runs.executors.local import LocalExecutor
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import RunContext
from kdlab.runs.server import RunServer
from kdlab.runs.store import RunStore
from kdlab.train.evaluate import predict
from kdlab.train.events import Event, Opened, Phase, Probe, Saved
from kdlab.train.spec import Spec
from kdlab.widgets.weights import WeightsField

pytestmark = pytest.mark.usefixtures("own_server")

LIMIT = 1_000_000
SMALL = "teacher=mlp:16x1&student=mlp:8x1&epochs=1&transfer_size=200"
ANNA = "a" * 32
AGAIN = "This run's teacher came from a file: choose the file again"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run."""
    folder = tmp_path_factory.mktemp("saved") / "run"
    command = [
        Path(sys.executable).with_name("kdlab"), "distill", "--teacher", "mlp:16x1", "--student", "mlp:8x1",
        "--teacher-epochs", "4", "--epochs", "1", "--json", "--out", folder,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def weights(saved: Path) -> WeightsFile:
    return read_weights("teacher.safetensors", (saved / "teacher.safetensors").read_bytes(), LIMIT)


@pytest.fixture
def spec(saved: Path) -> Spec:
    return Spec.from_json((saved / "spec.json").read_text())


def errors(saved: Path) -> int:
    return int(json.loads((saved / "result.json").read_text())["teacher"]["errors"])


# --- in the worker ----------------------------------------------------------------------------------------------------


def test_it_is_evaluated_and_not_trained(saved: Path, weights: WeightsFile, spec: Spec) -> None:
    events = list(run_distill_job(RunContext(), spec, teacher=weights))
    assert [event.name for event in events if isinstance(event, Phase)] == ["student"]
    files = events[-1].files
    assert json.loads(files["spec.json"]) == {**json.loads(spec.to_json()), "teacher_weights": weights.digest}
    assert json.loads(files["result.json"])["teacher"]["errors"] == errors(saved)
    # And the student learns what it learnt from the teacher that was trained.
    assert json.loads(files["result.json"])["student"] == json.loads((saved / "result.json").read_text())["student"]
    assert files["teacher.safetensors"] == weights.content


@pytest.mark.parametrize(
    ("name", "needs", "has"),
    [
        ("mlp:17x1", "1.weight as (17, 64)", "has it as (16, 64)"),
        ("mlp:16x2", "3.weight as (16, 16)", "has it as (10, 16)"),
        ("cnn:width=4", "0.weight as (4, 1, 3, 3)", "does not have it"),
    ],
)
def test_another_build_is_refused_before_anything_is_opened(
    weights: WeightsFile, spec: Spec, name: str, needs: str, has: str
) -> None:
    seen: list[Event] = []
    said = refusal(lambda: seen.extend(run_distill_job(RunContext(), spec.replace(teacher=name), teacher=weights)))
    assert said == (
        f"The {name} for 10 classes needs the weights {needs}, and teacher.safetensors {has}: name the network that "
        "they belong to."
    )
    assert not any(isinstance(event, Opened) for event in seen)


def test_bounds_are_looked_at_first(weights: WeightsFile, spec: Spec) -> None:
    context = RunContext(limits=Limits(parameters=2000))
    said = refusal(run_distill_job, context, spec.replace(teacher="mlp:99x1"), weights)
    assert said == "The teacher mlp:99x1 has 7,435 parameters; this server allows 2,000: choose a smaller one."


def test_without_its_file_a_run_goes_on_from_a_checkpoint_and_does_not_begin(weights: WeightsFile, spec: Spec) -> None:
    spec = spec.replace(epochs=3)
    whole = list(run_distill_job(RunContext(), spec, teacher=weights, seconds=0))
    *kept, end = (event.files for event in whole if isinstance(event, Saved))
    named = spec.replace(teacher_weights=weights.digest)
    assert refusal(run_distill_job, RunContext(), named) == f"{AGAIN}."
    for one in (None, weights):
        again = list(run_distill_job(RunContext(checkpoint=kept[0]), named, teacher=one))
        assert not any(isinstance(event, Probe) and event.phase == "teacher" for event in again)
        for name in ("student.safetensors", "teacher.safetensors", "spec.json"):
            assert again[-1].files[name] == end[name]
    other = spec.replace(teacher_weights="0" * 12)
    assert "other settings" in refusal(run_distill_job, RunContext(checkpoint=kept[0]), other)


def test_a_module_still_stands_for_a_named_file(saved: Path, weights: WeightsFile, spec: Spec) -> None:
    module, named = run_folder.load(saved, "teacher"), spec.replace(teacher_weights=weights.digest)
    probe = next(event for event in distill_events(named, teacher=module) if isinstance(event, Probe))
    assert (probe.logits["teacher"] == predict(module, load("digits").validation).numpy()).all()


# --- on the page ------------------------------------------------------------------------------------------------------


def send(field: WeightsField, name: str, content: bytes, piece: int = 2_000) -> dict[str, Any]:
    """Send a file as the browser does, and return the last answer."""
    answers: list[dict[str, Any]] = []
    field.send = lambda content, buffers=None: answers.append(content["answer"])
    for at in range(0, max(1, len(content)), piece):
        about = {"type": "file", "id": "1", "file": "f", "name": name, "size": len(content), "at": at}
        tell(field, about, [content[at : at + piece]])
        if "error" in answers[-1]:
            break
    return answers[-1]


def tell(field: WeightsField, content: Any, buffers: list[bytes] | None = None) -> None:
    field._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": buffers or []})


def test_a_run_with_a_file_shows_the_teachers_errors_at_once(saved: Path) -> None:
    content = (saved / "teacher.safetensors").read_bytes()

    async def use(page: Distil) -> None:
        await come(page, f"{SMALL}&teacher_epochs=99", ANNA)
        field, form = page.view.setup.file, page.view.setup.form
        assert send(field, "../mine/teacher.safetensors", content) == {}
        assert (field.file_state, field.title, field.size) == ("file", "teacher.safetensors", len(content))
        assert form.descriptions["teacher_epochs"]["disabled"]
        assert "not trained" in form.descriptions["teacher_epochs"]["help"]
        page.state.teacher = "mlp:17x1"
        page.view._act("start")
        await until(lambda: page.view._panel.state == "failed", 60)
        assert "The mlp:17x1 for 10 classes needs the weights" in page.view._panel.error
        page.state.teacher = "mlp:16x1"
        assert field.file_state == "file"
        page.view._act("start")
        await until(lambda: page.view._panel.state == "done", 60)
        page.view._draw_all()
        assert page.history.result["teacher"]["errors"] == errors(saved)
        assert page.history.opened.spec.teacher_weights == field.digest
        assert "mlp:8x1 taught by mlp:16x1 from a file" in page.view.results.summary.content["run"]
        assert page.view.results.summary.content["note"].endswith("so its errors, and its student's, may flatter it.")
        assert "teacher" not in view.progress(page.history, "done", None)[1]
        assert client.the_server().runs()[0].label == "mlp:8x1 taught by mlp:16x1 from a file on digits"
        # The same run on a page that has not the file: it is asked for, or let go.
        other = Distil()
        await come(other, f"run={page.header.run}&{SMALL}", ANNA)
        await until(lambda: other.view._panel.state == "done")
        assert other.view.setup.file.file_state == "missing"
        other.view._act("start")
        assert other.view._panel.error.startswith(AGAIN)
        send(other.view.setup.file, "teacher.safetensors", content)
        assert (other.view.setup.file.file_state, other.view.setup.file.digest) == ("file", field.digest)
        tell(other.view.setup.file, {"type": "let_go", "id": "1"})
        assert (other.view.setup.file.file_state, other.view.setup.file.weights) == ("none", None)
        assert not other.view.setup.form.descriptions["teacher_epochs"]["disabled"]
        other.close()
        page.view._act("reset")
        await until(lambda: field.file_state == "none")

    on_page(use)


def test_what_is_no_file_of_weights_is_refused_and_the_one_before_is_kept(saved: Path) -> None:
    content = (saved / "teacher.safetensors").read_bytes()

    async def use(page: Distil) -> None:
        field = page.view.setup.file
        for name, bad, words in (
            ("net.pt", b"PK\x03\x04" + bytes(5_000), "never opened here: save it with safetensors"),
            ("cut.safetensors", content[:-1], "damaged"),
            ("large", bytes(8_000_001), "8,000,000 are the most"),
        ):
            assert words in send(field, name, bad)["error"]
            assert (field.file_state, field.digest) == ("none", "")
        send(field, "teacher.safetensors", content)
        for question in (None, 5, {}, {"type": "file"}, {"type": "__init__"}, {"type": "file", "size": "1"}):
            tell(field, question)
        assert "error" in send(field, "net.pt", b"\x80\x02}q")
        # What the browser makes of the traits changes nothing.
        state = {"file_state": "none", "title": "<b>", "size": 10**9, "digest": "0" * 12}
        field._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})
        assert field.weights.content == content
        assert field.digest == field.weights.digest

    on_page(use)


def test_the_operators_limits_reach_page_and_worker(
    saved: Path, monkeypatch: pytest.MonkeyPatch, own_server: None
) -> None:
    limits = Limits(parameters=1500, datasets=("digits", "mnist"), upload_bytes=5_000, epochs=50)
    for key, text in limits.environment().items():
        monkeypatch.setenv(key, text)  # as `kdlab app` does
    server = RunServer(LocalExecutor(), RunStore(runs_folder()), limits)
    monkeypatch.setattr(client, "the_server", lambda: server)
    content = (saved / "teacher.safetensors").read_bytes()

    async def use(page: Distil) -> None:
        datasets = page.view.setup.children[0].descriptions["dataset"]
        assert datasets["options"] == ["digits", "mnist"]
        kind = EXPERIMENTS["mnist"].build
        assert Settings(ExperimentState(kind), kind).descriptions["dataset"]["options"] == ["digits", "mnist"]
        assert not datasets["any_name"]
        assert "5,000 are the most" in send(page.view.setup.file, "teacher.safetensors", content)["error"]
        await come(page, f"{SMALL}&teacher_epochs=1&student=mlp:99x1", ANNA)
        page.view._act("start")
        await until(lambda: page.view._panel.state == "failed", 60)
        assert page.view._panel.error.startswith("The student mlp:99x1 has 7,435 parameters; this server allows 1,500")

    try:
        on_page(use)
    finally:
        server.close()
