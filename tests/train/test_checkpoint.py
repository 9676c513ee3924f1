"""A run that was interrupted goes on from its last checkpoint and ends as if it had never been."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refusal
from torch import Tensor, nn

from kdlab.datasets import load
from kdlab.distillation import teacher_training
from kdlab.distillation.distill import distill_events, fit
from kdlab.distillation.result import DistillResult
from kdlab.live_params import LiveParams
from kdlab.registry import InputError
from kdlab.train import checkpoint, loop
from kdlab.train.events import Event, Opened, ParamsChanged, Phase, Restored, Saved, Step
from kdlab.train.history import History
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import TeacherLogitCache

BASE: dict[str, Any] = {"epochs": 2, "teacher_epochs": 2, "batch_size": 256, "learning_rate": 1e-2}
PERCEPTRONS = {
    "teacher": "mlp:24x2:dropout=0.5:input_dropout=0.2:max_norm=1",
    "student": "mlp:16x1:dropout=0.3:max_norm=1",
    "transfer_size": 700,
}
SPECS = {
    "perceptrons": Spec(**BASE | PERCEPTRONS, precision="float32"),
    "bfloat16": Spec(**BASE | PERCEPTRONS, precision="bfloat16"),
    "batch norm": Spec(**BASE, teacher="cnn:width=2:dropout=0.3", student="cnn:width=2", transfer_size=600),
    "views": Spec(
        **BASE | {"epochs": 3}, teacher="mlp:16x1", student="mlp:8x1", transfer_size=600, augmentation="shift:pixels=1",
        teacher_augmentation="shift:pixels=1", teaching="independent", batch_seed=3,
    ),
    "of two kinds": Spec(**BASE, teacher="cnn:width=2", student="mlp:8x1:dropout=0.2", transfer_size=600),
}  # fmt: skip
SPEC = SPECS["perceptrons"]


@pytest.fixture(autouse=True)
def no_kept_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_training, "_last_teacher", None)


def run_through(
    spec: Spec, *, turn: Mapping[str, float] | None = None, every: float | None = 0, **options: Any
) -> tuple[DistillResult, list[Event]]:
    """A whole run with a teacher that is trained anew; `turn` is set at the student's first step."""
    teacher_training._last_teacher = None
    live, events = LiveParams(), []
    generator = distill_events(spec, live=live, every=every, **options)
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return end.value, events
        if turn and isinstance(events[-1], Step) and (events[-1].phase, events[-1].step) == ("student", 1):
            live.set(turn)


def checkpoints(events: list[Event]) -> list[Mapping[str, bytes]]:
    return [event.files for event in events if isinstance(event, Saved)]


def mark(files: Mapping[str, bytes]) -> dict[str, Any]:
    return json.loads(files["checkpoint.json"])["about"]["mark"]


def assert_same(one: DistillResult, other: DistillResult) -> None:
    for name in ("teacher", "student", "baseline"):
        first, second = getattr(one, name).state_dict(), getattr(other, name).state_dict()
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert np.array_equal(one.history.logits[name], other.history.logits[name])
        assert one.history.errors[name].values == other.history.errors[name].values
    assert one.history.losses.keys() == other.history.losses.keys()
    for key, curve in one.history.losses.items():
        assert curve.values == other.history.losses[key].values
        # A file keeps epochs in float32.
        assert np.array_equal(np.float32(curve.epochs), np.float32(other.history.losses[key].epochs))
    assert one.history.param_changes == other.history.param_changes
    assert one.history.step == other.history.step
    assert one.history.phase == other.history.phase
    first, second = dict(one.result), dict(other.result)
    assert first.pop("seconds").keys() == second.pop("seconds").keys()
    assert first == second


@pytest.mark.parametrize("name", SPECS)
def test_a_run_goes_on_from_any_epoch_and_ends_exactly_alike(name: str) -> None:
    spec = SPECS[name]
    turn = {"temperature": 2.0, "soft_weight": 0.5}
    plain, _ = run_through(spec, turn=turn, every=None)
    whole, events = run_through(spec, turn=turn)
    assert_same(plain, whole)  # to be kept changes nothing
    kept = checkpoints(events)
    places = [(mark(files)["phase"], mark(files)["epoch"]) for files in kept]
    epochs = {"teacher": spec.teacher_epochs, "student": spec.epochs}
    assert places == [(phase, epoch) for phase in epochs for epoch in range(1, epochs[phase] + 1)]
    for (phase, epoch), files in zip(places, kept, strict=True):
        torch.manual_seed(epoch)  # whatever else was drawn meanwhile
        again, later = run_through(spec, turn=turn, checkpoint=dict(files))
        assert_same(whole, again)
        assert isinstance(later[0], Restored)
        assert not any(isinstance(event, Opened) for event in later)
        # Only what came after it happens again.
        done, steps = mark(files)["step"], [event for event in later if isinstance(event, Step)]
        left = range(done + 1, epochs[phase] * done // epoch + 1)
        assert [event.step for event in steps if event.phase == phase] == list(left)
        assert any(event.phase == "teacher" for event in steps) == (phase == "teacher" and epoch < epochs["teacher"])
        assert [event.name for event in later if isinstance(event, Phase)] == ["student"] * (phase == "teacher")


def test_a_run_may_be_interrupted_again_and_again() -> None:
    whole, _ = run_through(SPEC, every=None)
    teacher_training._last_teacher = files = None
    for _ in range(SPEC.teacher_epochs + SPEC.epochs):
        generator = distill_events(SPEC, every=0, checkpoint=files)
        files = next(event.files for event in generator if isinstance(event, Saved))
        generator.close()
    assert (mark(files)["phase"], mark(files)["epoch"]) == ("student", 2)
    assert_same(whole, run_through(SPEC, checkpoint=files)[0])


def test_knobs_stand_as_they_were_turned_and_may_be_turned_on() -> None:
    whole, events = run_through(SPEC, turn={"temperature": 2.0})
    files = checkpoints(events)[2]
    assert mark(files)["knobs"]["temperature"] == 2.0
    live = LiveParams()
    generator = distill_events(SPEC, live=live, checkpoint=files)
    assert isinstance(next(generator), Restored)
    live.set({"temperature": 3.0})
    turned = next(generator)
    assert turned == ParamsChanged("student", mark(files)["step"], {"temperature": 3.0})
    while True:
        try:
            next(generator)
        except StopIteration as end:
            run = end.value
            break
    assert [(turn.epoch, turn.values["temperature"]) for turn in run.history.param_changes] == [(0.5, 2.0), (1.0, 3.0)]
    assert run.result["knobs_at_end"]["temperature"] == 3.0
    assert not torch.equal(run.student[1].weight, whole.student[1].weight)


def test_answers_that_are_too_many_to_keep_are_worked_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPEC.replace(teacher="mlp:300x2", epochs=4)
    whole, _ = run_through(spec, every=None)
    monkeypatch.setattr(checkpoint, "MAX_LOGIT_BYTES", 0)
    kept = checkpoints(run_through(spec)[1])
    assert not any("answers.safetensors" in files for files in kept)
    for files in kept[2:]:
        assert_same(whole, run_through(spec, checkpoint=files)[0])


def test_answers_that_were_kept_are_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ask, asked = TeacherLogitCache._compute, 0

    def count(self: TeacherLogitCache, index: Tensor, view: Tensor) -> Tensor:
        nonlocal asked
        asked += len(index)
        return ask(self, index, view)

    monkeypatch.setattr(TeacherLogitCache, "_compute", count)
    _, events = run_through(SPEC)
    in_all, asked = asked, 0
    run_through(SPEC, checkpoint=checkpoints(events)[2])
    assert asked == in_all - 512  # two batches of 256 in the first epoch
    assert 0 < asked < 200


def test_losses_are_still_held_against_the_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    _, events = run_through(SPEC)
    firsts = {event.phase: event.losses for event in events if isinstance(event, Step) and event.step == 1}
    check, seen = loop._check_losses, []

    def spy(losses: Any, first: Any, step: int, spec: Spec) -> None:
        seen.append(first)
        check(losses, first, step, spec)

    monkeypatch.setattr(loop, "_check_losses", spy)
    run_through(SPEC, checkpoint=checkpoints(events)[2])
    assert seen == [firsts["student"]] * 2


def test_the_seconds_before_the_interruption_count() -> None:
    _, events = run_through(SPEC)
    for files, phase in ((checkpoints(events)[1], "teacher"), (checkpoints(events)[3], "student")):
        before = mark(files)["seconds"][phase]
        assert before > 0
        assert run_through(SPEC, checkpoint=files)[0].result["seconds"][phase] >= round(before, 3)


def test_a_teacher_that_goes_on_is_not_replayed_to_later_runs() -> None:
    _, events = run_through(SPEC)
    fresh = [event for event in events if isinstance(event, Step)]
    teacher_training._last_teacher = None
    list(distill_events(SPEC, checkpoint=checkpoints(events)[0]))
    after = [event for event in distill_events(SPEC) if isinstance(event, Step)]
    assert after == fresh
    # Nor is one that is kept shown to a run that goes on.
    files = checkpoints(events)[0]
    later = [event for event in distill_events(SPEC, checkpoint=files) if isinstance(event, Step)]
    assert later == fresh[mark(files)["step"] :]


def test_checkpoints_come_only_when_asked_for_and_when_due() -> None:
    assert not checkpoints(run_through(SPEC, every=None)[1])
    assert not checkpoints(run_through(SPEC, every=1000)[1])


def test_modules_made_in_python_go_on_too() -> None:
    teacher = fit("digits", "mlp:16x1", epochs=1)

    def student() -> nn.Module:
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))

    options = {"teacher": teacher, "spec": SPEC.replace(teacher="module:Sequential", student="module:Sequential")}
    whole, events = run_through(student=student(), **options)
    again, _ = run_through(student=student(), checkpoint=checkpoints(events)[0], **options)
    assert_same(whole, again)
    with pytest.raises(InputError, match=r"built otherwise by now: start it from its beginning\.$"):
        run_through(
            student=nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), checkpoint=checkpoints(events)[0], **options
        )


# --- what cannot be gone on from --------------------------------------------------------------------------------------

DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "without the last byte": lambda content: content[:-1],
    "with a byte too many": lambda content: content + b"\0",
    "text": lambda content: b"<html>not what you think it is</html>",
    "JSON of another kind": lambda content: b"[1]",
    "another digit": lambda content: content[:-30] + bytes([content[-30] ^ 1]) + content[-29:],
}


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return checkpoints(run_through(SPEC)[1])[2]


def resume_refusal(files: Mapping[str, bytes], spec: Spec = SPEC) -> str:
    """Return the sentence with which a run refuses to go on, before it makes a step."""
    seen: list[Event] = []
    message = refusal(lambda: seen.extend(distill_events(spec, checkpoint=files)))
    assert not any(isinstance(event, Step) for event in seen)
    assert message.endswith(" beginning.")
    return message


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_checkpoint_is_refused(how: str, files: Mapping[str, bytes]) -> None:
    names = {"checkpoint.json", "history.npz", "team-0.safetensors", "teacher.safetensors", "answers.safetensors"}
    assert set(files) == names
    for name in names:
        damaged = DAMAGE[how](files[name])
        changed = {key: content for key, content in files.items() if key != name}
        assert "damaged or incomplete" in resume_refusal(changed if damaged is None else changed | {name: damaged})
    assert "damaged or incomplete" in resume_refusal({})


def test_any_changed_number_of_its_description_is_noticed(files: Mapping[str, bytes]) -> None:
    content = json.loads(files["checkpoint.json"])
    content["about"]["mark"]["epoch"] += 1
    assert "damaged" in resume_refusal({**files, "checkpoint.json": json.dumps(content).encode()})


def test_checkpoints_of_something_else_are_refused(files: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "other settings" in resume_refusal(files, SPEC.replace(seed=1))
    assert "other settings" in resume_refusal(files, SPEC.replace(knobs={"temperature": 9}))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
        assert "was made by kdlab" in resume_refusal(files)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_machine", lambda teams: "bfloat16 on CPU")
        assert "in float32 on" in resume_refusal(files)
    data = load("digits")
    before = data.train.labels[0].item()
    data.train.labels[0] = (before + 1) % 10
    try:
        assert "data of digits have changed" in resume_refusal(files)
    finally:
        data.train.labels[0] = before
    assert run_through(SPEC, checkpoint=files)[0].result


def test_other_groups_and_units_are_other_data() -> None:
    data = load("digits")
    groups = torch.arange(360)
    others = [
        data,
        replace(data, example_unit="frames"),
        replace(data, group_unit="recordings"),
        *(replace(data, test=replace(data.test, groups=groups // size)) for size in (1, 2)),
        replace(data, validation=replace(data.validation, groups=groups[:143])),
    ]
    assert len({checkpoint._fingerprint(each) for each in others}) == len(others)


# --- what a page sees -------------------------------------------------------------------------------------------------


def test_a_history_takes_over_what_was_restored(files: Mapping[str, bytes]) -> None:
    history = History()
    for event in distill_events(SPEC):
        history.append(event)
    there, evaluations = history.opened, history.evaluations
    history.append(Restored(files["history.npz"]))
    assert history.evaluations != evaluations
    assert history.result is None
    assert history.step == mark(files)["step"]
    assert history.opened is not there
    assert history.opened is not None
    assert history.opened.spec == SPEC
    assert len(history.losses["student", "soft"].values) == mark(files)["step"]
