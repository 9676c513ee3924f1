"""What a server keeps of a run: its files at the end, its record, and the line that a list of runs shows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refusal

from kdlab.datasets import load
from kdlab.distillation import run_folder, teacher_training
from kdlab.distillation.distill import distill_events
from kdlab.distillation.job import run_distill_job
from kdlab.io.predictions import Predictions
from kdlab.live_params import LiveParams
from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import RunContext
from kdlab.train.evaluate import predict
from kdlab.train.events import Done, Event, Opened, Phase, Probe, Progress, Saved, Step
from kdlab.train.history import History
from kdlab.train.spec import Spec

SPEC = Spec(teacher="mlp:16x1", student="mlp:8x1", epochs=2, teacher_epochs=1, batch_size=256, transfer_size=600)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    teacher_training._last_teacher = None
    return list(run_distill_job(RunContext(), SPEC, seconds=0))


@pytest.fixture(scope="module")
def history(events: list[Event]) -> History:
    return replay(events)


def replay(events: list[Event]) -> History:
    history = History()
    for event in events:
        history.append(event)
    return history


# --- the finished run -------------------------------------------------------------------------------------------------


def test_the_last_event_holds_the_files_that_save_writes(events: list[Event], tmp_path: Path) -> None:
    assert [event.final for event in events if isinstance(event, Saved)] == [False] * 3 + [True]
    assert isinstance(events[-2], Done)
    assert isinstance(events[-1], Saved)
    for name, content in events[-1].files.items():
        (tmp_path / name).write_bytes(content)
    generator = distill_events(SPEC)
    while True:
        try:
            next(generator)
        except StopIteration as end:
            run = end.value
            break
    run_folder.save(run, tmp_path / "saved")
    assert {path.name for path in (tmp_path / "saved").iterdir()} == set(events[-1].files)
    assert json.loads(events[-1].files["result.json"])["student"] == run.result["student"]
    test = load("digits").test
    for network in run_folder.NETWORKS:
        module, again = run_folder.load(tmp_path, network), run_folder.load(tmp_path / "saved", network)
        assert torch.equal(predict(module, test), predict(again, test))
    assert np.array_equal(Predictions.read(tmp_path).logits["student"], run.history.logits["student"])


def test_going_on_ends_with_the_same_files_but_for_the_seconds(events: list[Event]) -> None:
    assert isinstance(events[-1], Saved)
    whole = events[-1].files
    kept = [event.files for event in events if isinstance(event, Saved) and not event.final]
    last = list(run_distill_job(RunContext(checkpoint=kept[1]), SPEC))[-1]
    assert isinstance(last, Saved)
    assert last.files.keys() == whole.keys()
    for name in ("spec.json", "teacher.safetensors", "student.safetensors", "baseline.safetensors"):
        assert last.files[name] == whole[name]
    first, second = (json.loads(files["result.json"]) for files in (whole, last.files))
    first.pop("seconds"), second.pop("seconds")
    assert first == second


def test_knobs_that_are_set_reach_the_run() -> None:
    live, events = LiveParams(), []
    for event in run_distill_job(RunContext(live), SPEC):
        events.append(event)
        if isinstance(event, Phase) and event.name == "student":
            live.set({"temperature": 2.0})
    (done,) = (event for event in events if isinstance(event, Done))
    assert done.result["knobs_at_end"]["temperature"] == live.values["temperature"] == 2.0


def within(parameters: int) -> RunContext:
    return RunContext(limits=Limits(parameters=parameters))


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_a_network_that_is_too_large_is_refused_before_anything_happens() -> None:
    spec = SPEC.replace(teacher="mlp:1000x2")  # 64·1000 + 1000 + 1000·1000 + 1000 + 1000·10 + 10
    message = refusal(run_distill_job, within(1_076_009), spec)
    assert (
        message
        == "The teacher mlp:1000x2 has 1,076,010 parameters; this server allows 1,076,009: choose a smaller one."
    )
    assert refusal(run_distill_job, within(50_000), SPEC.replace(student="mlp:1000x2")).startswith(
        "The student mlp:1000x2"
    )
    # Larger than any memory.
    assert "16,925,491,210" not in refusal(run_distill_job, within(1_000_000), SPEC.replace(student="mlp:16384x64"))
    seen: list[Event] = []
    with pytest.raises(InputError):
        seen.extend(run_distill_job(within(1_000_000), spec))
    assert not any(isinstance(event, Opened | Phase) for event in seen)
    events = run_distill_job(within(1_076_010), spec)
    assert isinstance(next(event for event in events if not isinstance(event, Progress)), Opened)
    events.close()


def test_bounds_hold_for_a_run_that_goes_on(events: list[Event]) -> None:
    kept = next(event.files for event in events if isinstance(event, Saved))
    assert "teacher mlp:16x1" in refusal(run_distill_job, replace(within(1000), checkpoint=kept), SPEC)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(epochs=1), "1 epochs at most"),
        (Limits(datasets=("mnist",)), "does not train on 'digits'"),
    ],
)
def test_a_worker_holds_to_the_limits_whatever_the_request_said(limits: Limits, says: str) -> None:
    """The server has only what the request says of itself, before the run is queued."""
    assert says in refusal(run_distill_job, RunContext(limits=limits), SPEC)


def test_what_only_torch_can_tell_is_refused_before_training() -> None:
    for spec, says in (
        (SPEC.replace(student="mlp:wide"), "WIDTHxDEPTH"),
        (SPEC.replace(teacher="cnn:width=0"), "width"),
        (SPEC.replace(knobs={"soft_weight": 0, "hard_weight": 0}), "All weights of the loss are 0"),
        (SPEC.replace(transfer_size=5000), "transfer set cannot have 5,000"),
    ):
        seen: list[Event] = []
        with pytest.raises(InputError, match=says):
            seen.extend(run_distill_job(RunContext(), spec))
        assert not any(isinstance(event, Phase) for event in seen)


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_history_as_files_comes_back(events: list[Event], history: History) -> None:
    files = history.files()
    assert set(files) == {"history.npz"}
    again = History.of(files)
    assert again.opened is not None
    assert again.opened.spec == SPEC
    assert again.summary() == history.summary()
    assert again.files() == files
    assert History().files() == {}
    assert History.of({}).opened is None


def test_a_history_can_be_kept_at_any_moment(events: list[Event]) -> None:
    history = History()
    for event in events:
        history.append(event)
        again = History.of(history.files())
        assert again.summary() == history.summary()
        assert again.step == history.step
        assert json.loads(json.dumps(history.summary())) == history.summary()


@pytest.mark.parametrize("cut", [0, 1, 100, -100, -1])
def test_a_damaged_history_is_refused(history: History, cut: int) -> None:
    content = history.files()["history.npz"]
    assert "damaged" in refusal(History.of, {"history.npz": content[:cut]})
    middle = len(content) // 2
    assert "damaged" in refusal(
        History.of, {"history.npz": content[:middle] + bytes(50 * [255]) + content[middle + 50 :]}
    )
    assert "damaged" in refusal(History.of, {"something": content})


def test_a_summary_says_what_was_asked_for_and_what_is_known(events: list[Event], history: History) -> None:
    done = next(event.result for event in events if isinstance(event, Done))
    networks = ("teacher", "student", "baseline")
    expected = {
        "dataset": "digits", "teacher": "mlp:16x1", "student": "mlp:8x1", "loss": "hinton",
        "knobs": SPEC.knobs, "examples": 143, "test_examples": 360, "device": done["device"],
        "seconds": done["seconds"],
        "test": {name: done[name]["errors"] for name in networks},
        "validation": {name: done["validation"][name]["errors"] for name in networks},
        "p": done["mcnemar"]["p"], "paired_test": "mcnemar",
        "turns": {}, "reached": {"phase": "student", "epoch": 2.0, "epochs": 2.0},
    }  # fmt: skip
    assert history.summary() == expected
    first_student = next(at for at, event in enumerate(events) if isinstance(event, Step) and event.phase == "student")
    running = replay(events[:first_student]).summary()
    probe = next(event for event in events if isinstance(event, Probe) and event.phase == "student")
    opened = next(event for event in events if isinstance(event, Opened))
    wrong = int((probe.logits["student"].argmax(1) != opened.labels).sum())
    assert running["validation"]["student"] == running["validation"]["baseline"] == wrong
    assert not {"test", "test_examples", "p", "seconds"} & set(running)
    assert History().summary() == {}
