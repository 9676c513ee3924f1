"""What people steer by is of validation data: until a run's end nothing that it shows has looked at the test set.

Two data sets that differ in their test set alone give the same histories and the same views, but for what the end says.
"""

import asyncio
import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from distil_page import on_page
from seal import Sealed, log
from torch import nn

from kdlab.cli import main, progress
from kdlab.datasets import Dataset, Split, load, loading
from kdlab.distillation import many, teacher_training
from kdlab.distillation.distill import distill, distill_events, fit
from kdlab.distillation.many import distill_many, fit_many
from kdlab.figures.overlay import overlaid_errors
from kdlab.figures.theme import ROLES
from kdlab.io.predictions import Predictions
from kdlab.pages import Distil
from kdlab.pages.distil import view
from kdlab.pages.distil.figures import CURVES, MATRICES
from kdlab.pages.runs import compare
from kdlab.pages.runs import view as runs_view
from kdlab.registry import DATASETS, Entry, InputError
from kdlab.runs.protocol import EventBatch, RunSnapshot, Status
from kdlab.runs.run_info import RunInfo
from kdlab.train import checkpoint
from kdlab.train.events import Done, Event, Opened, Probe, Saved
from kdlab.train.history import History
from kdlab.train.spec import Spec

STUDENT: dict[str, Any] = {"epochs": 2, "batch_size": 256, "learning_rate": 1e-2, "precision": "float32"}
SETTINGS = {"teacher": "mlp:16x1", "student": "mlp:8x1", "teacher_epochs": 2, **STUDENT}


def quietly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function look at the test set without a note."""

    def call(*arguments: Any) -> Any:
        looks = len(log)
        result = function(*arguments)
        del log[looks:]
        return result

    return call


Register = Callable[..., None]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Register digits with a sealed test set, or another one with `changed`, as "sealed"."""
    # Whether a data set is well-formed, and still the same when a run goes on, is asked of its test set too.
    monkeypatch.setattr(loading, "_check", quietly(loading._check))
    monkeypatch.setattr(checkpoint, "_fingerprint", quietly(checkpoint._fingerprint))

    def add(changed: bool = False, change: Callable[[Dataset], Dataset] = lambda data: data) -> None:
        def build(argument: str) -> Iterator[Any]:
            data: Dataset = yield from DATASETS["digits"].build("")
            images, labels = data.test.images, data.test.labels
            if changed:
                draw = torch.Generator().manual_seed(0)
                images = torch.randint(0, 256, images.shape, generator=draw, dtype=torch.uint8)
                labels = labels[torch.randperm(len(labels), generator=draw)]
            return change(replace(data, name="sealed", test=Sealed(images, labels)))

        monkeypatch.setitem(DATASETS._entries, "sealed", Entry("sealed", "Sealed digits", "for tests", build))
        monkeypatch.setattr(teacher_training, "_last_teacher", None)
        log.clear()

    return add


def spec() -> Spec:
    return Spec(dataset="sealed", **SETTINGS)


def watch(see: Callable[[Event], Any], **options: Any) -> list[Any]:
    """Let `see` look at each event of a run, of which none but the last may come after a look at the test set."""
    log.clear()
    seen = []
    for event in distill_events(spec(), **options):
        assert isinstance(event, Done | Saved) or "look" not in log
        seen.append(see(event))
        assert isinstance(event, Done | Saved) or "look" not in log
    assert "look" in log
    return seen


def without_times(value: Any) -> Any:
    """The same without what differs from one run to the next: seconds."""
    return json.loads(json.dumps(value, default=str), object_hook=lambda held: {**held, "seconds": None})


# --- the core ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def teacher() -> nn.Module:
    return fit("digits", "mlp:16x1", epochs=1)


@pytest.mark.parametrize("given", [False, True])
def test_a_run_reads_the_test_set_at_its_end(given: bool, register: Register, teacher: nn.Module) -> None:
    register()
    kinds = watch(type, teacher=teacher if given else None)
    assert kinds[-1] is Done
    assert kinds.count(Probe) == (1 if given else 3) + 3
    watch(type, every=0)
    watch(type)  # whose teacher is the one before


@pytest.mark.parametrize("given", [False, True])
def test_many_runs_read_the_test_set_at_their_end(
    given: bool, register: Register, teacher: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    train = many.train

    def noted(*arguments: Any, **options: Any) -> Iterator[Event]:
        yield from train(*arguments, **options)
        log.append("trained")

    monkeypatch.setattr(many, "train", noted)
    if given:
        distill_many("sealed", teacher, "mlp:8x1", temperature=[1, 4], **STUDENT)
    else:
        distill_many("sealed", "mlp:16x1", "mlp:8x1", temperature=[1, 4], **STUDENT, teacher_epochs=2)
    assert log[0] == "trained"
    assert set(log[1:]) == {"look"}
    log.clear()
    fit_many("sealed", "mlp:8x1", seed=[0, 1], epochs=1)
    fit("sealed", "mlp:8x1", epochs=1)
    assert set(log) == {"trained"}


@pytest.mark.parametrize("many", [False, True])
def test_a_given_teacher_answers_each_split_once(many: bool, teacher: nn.Module) -> None:
    sizes: list[int] = []
    teacher.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    if many:
        distill_many("digits", teacher, "mlp:8x1", temperature=[1, 4], **STUDENT)
    else:
        distill("digits", teacher, "mlp:8x1", **STUDENT)
    data = load("digits")
    assert (sizes.count(len(data.validation)), sizes.count(len(data.test))) == (1, 1)


def arrays(history: History) -> dict[str, Any]:
    """All numbers of a history as bytes, but for the result."""
    assert history.opened is not None
    curves = {**history.errors, **history.losses}
    return {
        "images": history.opened.images.tobytes(), "labels": history.opened.labels.tobytes(),
        **{f"logits {name}": logits.tobytes() for name, logits in history.logits.items()},
        **{f"curve {name}": (curve.epochs.tobytes(), curve.values.tobytes()) for name, curve in curves.items()},
    }  # fmt: skip


def both(register: Register, drive: Callable[[], Any]) -> tuple[Any, Any]:
    """What `drive` returns with one test set, and with another."""
    register()
    one = drive()
    register(changed=True)
    return one, drive()


def test_a_history_is_the_same_whatever_the_test_set_is(register: Register, teacher: nn.Module) -> None:
    def drive() -> tuple[list[Any], Any]:
        history = History()
        watch(history.append)
        (run,) = distill_many("sealed", teacher, "mlp:8x1", **STUDENT)
        kept = History.of(history.files())
        return [arrays(history), arrays(kept), arrays(run.history)], (history.result, run.result)

    (one, results), (other, others) = both(register, drive)
    assert one == other
    for first, second in zip(results, others, strict=True):
        assert first["validation"] == second["validation"]
        assert [first[name] for name in ROLES] != [second[name] for name in ROLES]
    data = load("digits")
    assert one[0]["images"] == data.validation.images.numpy().tobytes() != data.test.images.numpy().tobytes()


# --- what is shown of a history ---------------------------------------------------------------------------------------


def shown(history: History) -> dict[str, Any]:
    """All that the page "Distil" and the lab make of a run, and what they say of its errors."""
    if history.opened is None or not history.logits:
        return {}
    cells = [None, view.Cell("teacher", 1, 1), view.Cell("difference", 8, 8) if "student" in history.logits else None]
    views = {
        "curves": {name: curves(history, None) for name, curves in CURVES.items()},
        "matrices": {name: matrix(history) for name, matrix in MATRICES.items()},
        "examples": [view.example(history, at) for at in range(0, 143, 11)],
        "pictures": [view.pictures(history, cell).__repr__() for cell in cells],
        "summary": view.summary(history, ""), "progress": view.progress(history, "running", 3.0),
    }  # fmt: skip
    if "student" in history.logits:
        lab = Predictions.of(history)
        rows = [logits.tolist() for logits in lab.logits.values()]
        views["lab"] = [rows, lab.labels.tolist(), lab.images.tobytes().hex(), lab.note, lab.label]
    return copy.deepcopy(views)


def test_the_views_of_a_history_are_the_same_whatever_the_test_set_is(register: Register) -> None:
    def drive() -> list[Any]:
        history = History()

        def see(event: Event) -> Any:
            history.append(event)
            return shown(history) if isinstance(event, Opened | Probe | Done) else None

        return [views for views in watch(see) if views]

    one, other = both(register, drive)
    assert one[:-1] == other[:-1]
    first, second = one[-1].pop("summary"), other[-1].pop("summary")
    assert one[-1] == other[-1]
    for key in ("warnings", "note", "run"):
        assert first[key] == second[key]
    assert all(tile["counted"] == "of 360 test images" for tile in first["tiles"])
    assert [tile["errors"] for tile in first["tiles"]] != [tile["errors"] for tile in second["tiles"]]
    assert first["verdict"].startswith("On the 360 test images: ")
    assert first["verdict"] != second["verdict"]
    before = one[-2]["summary"]
    assert all(tile["counted"] == "of 143 validation images" for tile in before["tiles"])
    assert before["verdict"].startswith("So far, on 143 validation images: ")


# --- the page "Distil" ------------------------------------------------------------------------------------------------


def on_screen(page: Distil) -> dict[str, Any]:
    """What the browser gets, but for the summary."""
    return {
        **{f"figure {name}": copy.deepcopy(canvas.figure) for name, canvas in page.view.results.canvases.items()},
        "bars": page.view.results.bars.example, "status": page.view._panel.status, "address": page.header.choices,
        "gallery": [getattr(page.view.results.gallery, name) for name in ("pixels", "shown", "chosen")],
        "picture": (page.view.results.bars.pixels, page.view.results.bars.picture),
    }  # fmt: skip


@pytest.mark.usefixtures("own_server")
def test_the_page_shows_the_same_whatever_the_test_set_is(register: Register) -> None:
    def drive() -> list[tuple[dict[str, Any], dict[str, Any]]]:
        screens: list[Any] = []

        async def use(page: Distil) -> None:
            page.view._on_message(RunSnapshot("run", History(), "distil", {}, mine=True))
            page.view._on_message(Status("running"))
            events = distill_events(spec())
            log.clear()
            for event in events:
                page.view._on_message(EventBatch((event,)))
                if isinstance(event, Opened | Probe | Done):
                    if "student" in page.history.logits:
                        page.view.results._click("student", {"y": 1, "x": 1})
                        page.state.chosen = 5
                    for _ in range(3):
                        await asyncio.sleep(0)
                    page.view._draw_all()
                    assert isinstance(event, Done) or "look" not in log
                    screens.append((on_screen(page), copy.deepcopy(page.view.results.summary.content)))

        on_page(use)
        assert "look" in log
        return screens

    one, other = both(register, drive)
    assert len(one) == 1 + 3 + 3 + 1
    assert one[:-1] == other[:-1]
    (screen, summary), (another, changed) = one[-1], other[-1]
    for each in (screen, another):
        each.pop("status")  # it tells the seconds
    assert screen == another
    assert {key for key in summary if summary[key] != changed[key]} <= {"tiles", "verdict", "differs"}
    assert summary["tiles"] != changed["tiles"]
    titles = [screen["gallery"][1]["title"], screen["picture"][1]["title"], screen["figure errors"]["layout"]["title"]]
    assert titles[1].startswith("Validation image 5, true class ")
    assert titles[2]["text"] == "Errors on 143 validation images"


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_bars_of_a_run_are_of_validation(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    show = progress._Bars.show

    def drive() -> list[str]:
        told: list[str] = []

        def noted(bars: Any, event: Event) -> None:
            assert isinstance(event, Done) or "look" not in log
            show(bars, event)
            assert isinstance(event, Done) or "look" not in log
            told.append(bars._errors)

        monkeypatch.setattr(progress._Bars, "show", noted)
        monkeypatch.setattr(sys, "stderr", Terminal())
        with progress.run_progress() as bars:
            for event in distill_events(spec()):
                bars.show(event)
        assert "look" in log
        return told

    one, other = both(register, drive)
    assert one == other
    assert one[-1].startswith("validation errors of 143: student ")


@pytest.mark.process
def test_the_command_tells_test_errors_from_those_of_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    options = ["--epochs", "2", "--teacher-epochs", "1", "--teacher", "mlp:16x1", "--student", "mlp:8x1"]
    done = CliRunner().invoke(main, ["distill", "--dataset", "digits", *options])
    assert done.exit_code == 0, done.output
    assert "test errors of 360" in done.stdout
    assert "validation errors of 143" in done.stdout
    assert "On the test set: " in done.stdout


# --- the page "Runs" --------------------------------------------------------------------------------------------------


def listed(history: History, state: Any) -> dict[str, Any]:
    """All that the page "Runs" makes of a run, beside another one."""
    about = {"dataset": "sealed"}
    row = RunInfo("a", "", "distil", "A", "distil", about, state, "", history.summary(), 0.0, None, None, True)
    curves = runs_view.curves(row, history.files())
    return {
        "list": runs_view.listed([row], True, "", []),
        "compared": compare.compared([row, replace(row, run="b")]),
        "figure": overlaid_errors({1: curves}) if curves else {},
    }


def test_the_list_of_runs_is_the_same_whatever_the_test_set_is(register: Register) -> None:
    def drive() -> list[Any]:
        history = History()

        def see(event: Event) -> Any:
            history.append(event)
            return listed(history, "running") if isinstance(event, Opened | Probe | Done) else None

        return without_times([one for one in watch(see) if one])

    one, other = both(register, drive)
    assert one[:-1] == other[:-1]
    assert {tile["test"] for tile in one[-2]["list"]["rows"][0]["errors"]} == {""}
    first, second = one[-1], other[-1]
    assert first["figure"] == second["figure"] != {}
    tiles, others = (each["list"]["rows"][0]["errors"] for each in (first, second))
    assert [tile["validation"] for tile in tiles] == [tile["validation"] for tile in others]
    assert [tile["test"] for tile in tiles] != [tile["test"] for tile in others]
    differing = {
        row["label"]
        for row, another in zip(first["compared"]["results"], second["compared"]["results"], strict=True)
        if row != another
    }
    assert differing <= {f"{name}: test errors" for name in ("Teacher", "Baseline", "Student")} | {
        "Student against baseline, test: p"
    }
    assert len(differing) > 1


# --- examples that belong together, and few examples ------------------------------------------------------------------


def grouped(data: Dataset) -> Dataset:
    """The same with three frames of one recording each in validation, and other units."""
    groups = torch.arange(len(data.validation)) // 3
    validation = Split(data.validation.images, data.validation.labels, groups)
    return replace(data, validation=validation, example_unit="frames", group_unit="recordings")


def test_groups_travel_with_a_run(register: Register) -> None:
    register(change=grouped)
    history, saved = History(), []

    def see(event: Event) -> str:
        history.append(event)
        if isinstance(event, Saved):
            saved.append(event.files)
        return str(view.summary(history, "")["verdict"]) if isinstance(event, Probe) else ""

    verdicts = [verdict for verdict in watch(see, every=0) if verdict]
    assert verdicts
    assert all(verdict.startswith("So far, on 143 validation frames: ") for verdict in verdicts)
    assert all("sign flips over 48 recordings" in verdict for verdict in verdicts)
    assert history.result is not None
    assert "sign_flips" in history.result["validation"]

    again = History()
    watch(again.append, checkpoint=saved[-1], every=None)
    for one in (again, History.of(history.files()), History.of(saved[-1])):
        assert one.opened is not None
        assert one.opened.groups is not None
        assert (one.opened.groups == torch.arange(143).numpy() // 3).all()
        assert (one.opened.example_unit, one.opened.group_unit) == ("frames", "recordings")
    assert arrays(History.of(again.files())) == arrays(History.of(history.files()))
    assert CURVES["errors"](again, None)["layout"]["title"]["text"] == "Errors on 143 validation frames"
    assert "the 143 validation frames of sealed" in Predictions.of(again).note


@pytest.mark.usefixtures("own_server")
def test_a_run_that_is_opened_again_has_its_groups(register: Register) -> None:
    register(change=grouped)
    history = History()
    for event in distill_events(spec()):
        history.append(event)
        if isinstance(event, Probe) and "student" in event.logits:
            break

    async def use(page: Distil) -> None:
        page.view._on_message(RunSnapshot("run", History.of(history.files()), "distil", {}, mine=True))
        page.view._on_message(Status("stopped"))
        page.view._draw_all()
        assert "sign flips over 48 recordings" in page.view.results.summary.content["verdict"]

    on_page(use)


def test_few_groups_have_no_verdict(register: Register) -> None:
    """Of fewer than six groups no exact test finds a difference, whatever they are."""

    def change(data: Dataset) -> Dataset:
        data = grouped(data)
        groups = torch.arange(len(data.validation)) % 5
        return replace(data, validation=replace(data.validation, groups=groups))

    register(change=change)
    history = History()

    def see(event: Event) -> Any:
        history.append(event)
        return view.summary(history, "")["verdict"] if isinstance(event, Probe) else None

    assert "5 validation recordings are too few to tell" in [verdict for verdict in watch(see) if verdict][-1]


@pytest.mark.parametrize(("count", "words"), [(1, "1 recording is too few"), (5, "5 recordings are too few")])
def test_few_test_groups_have_no_verdict_at_the_end(count: int, words: str, register: Register) -> None:
    def change(data: Dataset) -> Dataset:
        return quietly(lambda: replace(grouped(data), test=replace(data.test, groups=torch.arange(360) % count)))()

    register(change=change)
    history = History()
    watch(history.append)
    assert view.summary(history, "")["verdict"].startswith(
        f"On the 360 test frames: {words} to tell student and baseline apart: "
    )
    assert history.result is not None
    assert "too few" in history.result["sign_flips"]["verdict"]
    results = {line["label"]: line["values"] for line in listed(history, "done")["compared"]["results"]}
    assert results["Student against baseline, test: p"] == [f"{words.split(' is ')[0].split(' are ')[0]}: too few"] * 2


def test_examples_are_called_what_the_data_set_calls_them(register: Register) -> None:
    register(change=grouped)
    history = History()
    watch(history.append)
    assert history.opened is not None
    assert "all frames to learn from" in view.summary(history, "")["run"]
    assert view.pictures(history, None).title.startswith("Click a cell of a matrix to see its validation frames.")
    assert view.pictures(history, None).title.endswith(" frames, the first 24 shown).")
    assert view.picked(history.opened, 5).startswith("Validation frame 5, true class ")
    with pytest.raises(InputError, match="transfer set cannot have 5,000 frames"):
        distill("sealed", "mlp:8x1", "mlp:8x1", transfer_size=5000)


@pytest.mark.parametrize(("count", "words"), [(49, "49 validation images are too few to tell"), (50, "on 50 valid")])
def test_few_examples_have_no_verdict(count: int, words: str, register: Register) -> None:
    def cut(data: Dataset) -> Dataset:
        return replace(data, validation=data.validation.take(torch.arange(count)))

    register(change=cut)
    history = History()

    def see(event: Event) -> Any:
        history.append(event)
        return view.summary(history, "") if isinstance(event, Probe) else None

    last = [summary for summary in watch(see) if summary][-1]
    assert words in last["verdict"]
    assert "p =" not in last["verdict"] or count == 50
    assert not last["differs"]
    assert last["tiles"][2]["counted"] == f"of {count} validation images"
