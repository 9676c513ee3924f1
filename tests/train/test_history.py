"""The record of a short real run, and its file."""

import io
import json
import zipfile
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdlab.distillation.distill import distill_events
from kdlab.io.predictions import Predictions
from kdlab.live_params import LiveParams
from kdlab.metrics.classification import count_errors
from kdlab.registry import InputError
from kdlab.train.events import Event, Opened, ParamsChanged, Phase, Probe, Progress, Step
from kdlab.train.history import Curve, History
from kdlab.train.spec import Spec

SPEC = Spec(teacher="mlp:8x1", student="mlp:4x1", epochs=2, teacher_epochs=1, batch_size=400, transfer_size=1200)


def run() -> list[Event]:
    """A run of three steps an epoch in which the temperature is turned after the student's fourth step."""
    events, live = [], LiveParams()
    for event in distill_events(SPEC, live=live):
        events.append(event)
        if isinstance(event, Step) and event.phase == "student" and event.step == 4:
            live.set({"temperature": 2.0})
    return events


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return run()


@pytest.fixture
def history(events: list[Event]) -> History:
    history = History()
    for event in events:
        history.append(event)
    return history


def test_curves_hold_every_step_over_the_epochs_of_its_own_phase(events: list[Event], history: History) -> None:
    assert set(history.losses) == {("teacher", "hard"), ("student", "soft"), ("student", "hard"), ("baseline", "hard")}
    steps = [event for event in events if isinstance(event, Step) and event.phase == "student"]
    for network, part in set(history.losses) - {("teacher", "hard")}:
        curve = history.losses[network, part]
        assert list(curve.values) == [step.losses[network][part] for step in steps]
        assert list(curve.epochs) == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
    assert list(history.losses["teacher", "hard"].epochs) == pytest.approx([1 / 3, 2 / 3, 1])


def test_errors_and_logits_come_from_the_probes(events: list[Event], history: History) -> None:
    opened = next(event for event in events if isinstance(event, Opened))
    probes = [event for event in events if isinstance(event, Probe) and event.phase == "student"]
    for network in ("student", "baseline"):
        errors = [count_errors(probe.logits[network], opened.labels) for probe in probes]
        assert history.errors[network] == Curve(array("d", [0, 1, 2]), array("d", errors))
        assert history.logits[network] is probes[-1].logits[network]
        assert history.result is not None
        assert history.result["validation"][network]["errors"] == errors[-1]
    assert list(history.errors["teacher"].epochs) == [0, 1]


def test_a_turned_knob_is_kept_where_it_was_turned(history: History) -> None:
    (turn,) = history.param_changes
    assert (turn.phase, turn.values) == ("student", {"temperature": 2.0})
    assert turn.epoch == pytest.approx(4 / 3)


def test_a_summary_says_what_was_turned_when_and_how_far_the_run_came(events: list[Event]) -> None:
    history = History()
    for event in events:
        history.append(event)
        if isinstance(event, Phase) and event.name == "teacher":
            history.append(ParamsChanged("teacher", 2, {"soft_weight": 0.5}))  # holds from the student's beginning
        if isinstance(event, Step) and event.phase == "student" and event.step == 5:
            for value in (3.0, 5.0):
                history.append(ParamsChanged("student", 5, {"temperature": value}))
            break
    summary = history.summary()
    assert summary["turns"] == {"soft_weight": [[0.0, 0.5]], "temperature": [[1.3, 2.0], [1.7, 5.0]]}
    assert (summary["knobs"]["soft_weight"], summary["knobs"]["temperature"]) == (0.5, 5.0)
    assert summary["reached"] == {"phase": "student", "epoch": 1.7, "epochs": 2.0}


def test_knobs_that_are_turned_before_the_first_phase_stand_at_0() -> None:
    history = History()
    history.append(ParamsChanged("", 0, {"temperature": 2.0}))
    assert history.param_changes[0].epoch == 0


def test_progress_is_over_when_the_data_are_open(events: list[Event]) -> None:
    history = History()
    progress = Progress("Reading", 1, 2, "images")
    history.append(progress)
    assert history.progress == progress
    history.append(next(event for event in events if isinstance(event, Opened)))
    assert history.progress is None


def test_a_new_phase_begins_at_step_0(history: History) -> None:
    assert (history.step, history.phase and history.phase.steps) == (6, 6)
    history.append(Phase("student", "Again", 9, 3))
    assert (history.step, history.phase and history.phase.steps) == (0, 9)


def test_a_saved_history_comes_back(history: History, tmp_path: Path) -> None:
    history.save(tmp_path / "history.npz")
    loaded = History.load(tmp_path / "history.npz")
    assert history.opened is not None
    assert loaded.opened is not None
    assert loaded.opened.spec == history.opened.spec == SPEC
    assert (loaded.opened.classes, loaded.opened.device) == (history.opened.classes, history.opened.device)
    for name in ("images", "labels"):
        before, after = getattr(history.opened, name), getattr(loaded.opened, name)
        assert after.dtype == before.dtype
        assert np.array_equal(after, before)
    assert (loaded.phase, loaded.step, loaded.param_changes) == (history.phase, history.step, history.param_changes)
    assert loaded.logits.keys() == history.logits.keys()
    assert all(np.array_equal(loaded.logits[name], history.logits[name]) for name in history.logits)
    assert loaded.errors.keys() == history.errors.keys()
    assert loaded.losses.keys() == history.losses.keys()
    pairs = [(loaded.errors[name], history.errors[name]) for name in history.errors]
    pairs += [(loaded.losses[name], history.losses[name]) for name in history.losses]
    for after, before in pairs:
        assert after.values == before.values
        assert list(after.epochs) == pytest.approx(list(before.epochs), rel=1e-6)
    assert loaded.result is not None
    assert history.result is not None
    assert loaded.result["student"] == history.result["student"]
    assert loaded.result.keys() == history.result.keys()


def test_a_history_that_has_only_begun_comes_back(events: list[Event], tmp_path: Path) -> None:
    history = History()
    for event in events[: 1 + next(i for i, event in enumerate(events) if isinstance(event, Opened))]:
        history.append(event)
    history.save(tmp_path / "history.npz")
    loaded = History.load(tmp_path / "history.npz")
    assert (loaded.phase, loaded.step, loaded.param_changes, loaded.result) == (None, 0, [], None)
    assert not loaded.logits


def test_the_file_holds_no_pickled_object(history: History, tmp_path: Path) -> None:
    history.save(tmp_path / "history.npz")
    with zipfile.ZipFile(tmp_path / "history.npz") as archive:
        assert len(archive.namelist()) > 8
        for name in archive.namelist():
            np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


def odd(change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Change what the file says, and its arrays."""

    def make(content: bytes) -> bytes:
        with np.load(io.BytesIO(content)) as file:
            held = {name: file[name] for name in file.files}
        about = json.loads(str(held["about"]))
        change(about, held)
        written = io.BytesIO()
        np.savez(written, **{**held, "about": np.array(json.dumps(about))})
        return written.getvalue()

    return make


ODD: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:200],
    "empty": lambda content: b"",
    "no archive": lambda content: b"odd" * 99,
    "no unit": odd(lambda about, held: about.pop("example_unit")),
    "fewer labels": odd(lambda about, held: held.update(labels=held["labels"][:-3])),
    "labels without a class": odd(lambda about, held: held.update(labels=held["labels"] + 10)),
    "labels below 0": odd(lambda about, held: held.update(labels=held["labels"] - 10)),
    "fewer groups": odd(lambda about, held: held.update(groups=np.arange(3))),
    "fewer logits": odd(lambda about, held: held.update({"logits/student": held["logits/student"][:-1]})),
    "no test": odd(lambda about, held: about["result"].pop("mcnemar")),
    "no errors": odd(lambda about, held: about["result"].pop("student")),
}


@pytest.mark.parametrize("how", ODD)
def test_an_odd_file_is_refused_in_a_sentence(how: str, history: History, tmp_path: Path) -> None:
    content = ODD[how](history.files()["history.npz"])
    path = tmp_path / "run" / "history.npz"
    path.parent.mkdir()
    path.write_bytes(content)
    for read in (lambda: History.load(path), lambda: History.of({"history.npz": content})):
        with pytest.raises(InputError, match=r"^The record of this run is damaged: start the run again\.$"):
            read()
    with pytest.raises(InputError, match=r"^The run in .* is damaged: run it again into a new folder\.$"):
        Predictions.read(path.parent)


def test_a_curve_without_points_is_no_error(history: History) -> None:
    history.errors["student"] = Curve()
    again = History.of(history.files())
    assert set(again.summary()["validation"]) == set(again.summary()["test"]) == {"teacher", "baseline"}


def test_a_file_of_another_version_is_refused(history: History, tmp_path: Path) -> None:
    content = history.files()
    with np.load(io.BytesIO(content["history.npz"])) as file:
        held = {name: file[name] for name in file.files}
    about = json.loads(str(held["about"]))
    for number in (None, 1, 3):
        changed = {**about, "format": number}
        if number is None:
            del changed["format"]
        np.savez(tmp_path / "history.npz", **{**held, "about": np.array(json.dumps(changed))})
        for read in (
            lambda: History.load(tmp_path / "history.npz"),
            lambda: History.of({"history.npz": (tmp_path / "history.npz").read_bytes()}),
            lambda: Predictions.read(tmp_path),
        ):
            with pytest.raises(InputError, match=r"kept by another version of kdlab, .*: start the run again\.$"):
                read()
