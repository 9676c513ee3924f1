"""What the page "Distil" shows, as a pure function of its state and of a run's history.

All of it is of validation images, but for the tiles and the verdict of a run that is done, which are of the test set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.figures.confusion import confusion_difference, confusion_heatmap
from kdlab.figures.curves import error_curves, loss_curves
from kdlab.figures.theme import ROLES, Figure
from kdlab.metrics.classification import confusion_matrix
from kdlab.metrics.significance import FEWEST_GROUPS, LEVEL, find_test, paired_test
from kdlab.progress import counted, duration, singular
from kdlab.registry import OBJECTIVES
from kdlab.train.events import Opened
from kdlab.train.history import History
from kdlab.train.spec import Spec

__all__ = ["Cell", "Pictures", "curves", "example", "matrices", "picked", "pictures", "progress", "summary"]

NETWORKS = tuple(ROLES)
MOST_PICTURES = 24
FEWEST = 50  # examples from which on two networks are compared while they train
FLATTERED = (
    " What the file's network was trained on is not known here, so its errors, and its student's, may flatter it."
)
NOTES = {
    "teacher": "First the teacher learns from the labels of the whole training set; student and baseline come next.",
    "student": "Student: soft targets of the teacher and labels. Baseline: labels alone. Same start, same batches.",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a matrix that was clicked; `matrix` is a network's name or "difference"."""

    matrix: str
    true: int
    predicted: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """Validation images to look at: a title, their indices, and a caption for each."""

    title: str
    indices: Sequence[int]
    captions: Sequence[str]


def curves(history: History) -> dict[str, Figure]:
    """Return the figures that move with every step: validation errors and loss parts."""
    opened = history.opened
    assert opened is not None
    spec = opened.spec
    teaching = history.phase is not None and history.phase.name == "teacher"
    epochs = float(spec.teacher_epochs if teaching else spec.epochs)
    symbols = {knob.key: knob.symbol or knob.label for knob in OBJECTIVES.find(spec.objective)[0].knobs}
    turns = [
        # What was turned before the student began holds for the student from its beginning.
        (turn.epoch if turn.phase == "student" else 0.0, {symbols[key]: value for key, value in turn.values.items()})
        for turn in ([] if teaching else history.turns)
    ]
    errors = {
        name: (history.errors[name].epochs, history.errors[name].values) for name in NETWORKS if name in history.errors
    }
    losses = {key: (curve.epochs, curve.values) for key, curve in history.losses.items()}
    finished = set() if teaching else {"teacher"}
    return {
        "errors": error_curves(errors, len(opened.labels), opened.example_unit, turns, epochs, finished),
        "losses": loss_curves(losses, turns, epochs),
    }


def matrices(history: History) -> dict[str, Figure]:
    """Return the confusion matrices of the networks that were evaluated, and the difference of student and baseline."""
    opened = history.opened
    assert opened is not None
    counts = {name: confusion_matrix(logits, opened.labels) for name, logits in history.logits.items()}
    mistakes = {name: matrix - np.diag(np.diag(matrix)) for name, matrix in counts.items()}
    most = max((int(matrix.max()) for name, matrix in mistakes.items() if name != "teacher"), default=1)
    shown = {
        name: confusion_heatmap(
            matrix,
            opened.classes,
            f"<b>{ROLES[name].label}</b>: {mistakes[name].sum():,} validation errors",
            most,
            opened.example_unit,
        )
        for name, matrix in counts.items()
    }
    if {"student", "baseline"} <= counts.keys():
        title = "<b>Student − baseline</b>"
        shown["difference"] = confusion_difference(counts["student"], counts["baseline"], opened.classes, title)
    return shown


def summary(history: History, note: str) -> dict[str, Any]:
    """Return three numbers, the sentence that tells a difference from noise, `note` or what goes on, and warnings.

    At the end of a run numbers and sentence are of the test set, and say so.
    """
    assert history.opened is not None
    if not note and history.result:
        errors = ", ".join(f"{name} {history.result['validation'][name]['errors']}" for name in NETWORKS)
        note = f"All else is of validation: choose settings by its errors ({errors}), and try other seeds."
    elif not note and history.phase:
        note = NOTES[history.phase.name]
    if note and history.opened.spec.teacher_weights:
        note += FLATTERED
    verdict, differs = _verdict(history)
    return {
        "tiles": [_tile(history, name) for name in NETWORKS],
        "verdict": verdict,
        "differs": differs,
        "warnings": history.notes,
        "note": note,
        "run": _describe(history.opened.spec, history.opened.example_unit),
    }


def _tile(history: History, name: str) -> dict[str, str]:
    """Return a network's errors: of the test set when the run is done, else the latest ones of validation."""
    opened, result, curve = history.opened, history.result, history.errors.get(name)
    assert opened is not None
    tile = {"role": name, "label": ROLES[name].label}
    if result:
        errors, examples, split = result[name]["errors"], result["examples"], "test"
    elif curve and curve.values:
        errors, examples, split = int(curve.values[-1]), len(opened.labels), "validation"
    else:
        return tile | {"errors": "–", "share": "not trained yet", "counted": ""}
    share = f"{100 * errors / examples:.1f} % wrong"
    return tile | {
        "errors": f"{errors:,}",
        "share": share,
        "counted": f"of {_of(split, examples, opened.example_unit)}",
    }


def _verdict(history: History) -> tuple[str, bool]:
    """Say whether student and baseline differ beyond noise, and return whether they do."""
    opened, logits = history.opened, history.logits
    assert opened is not None
    units = {"example_unit": opened.example_unit, "group_unit": opened.group_unit}
    if history.result:
        test = find_test(history.result)
        told, differs = test["verdict"], test["p"] < LEVEL
        where = f"On the {_of('test', history.result['examples'], opened.example_unit)}"
    elif not {"student", "baseline"} <= logits.keys():
        return "", False
    elif few := _too_few(opened):
        verb = "is" if few.startswith("1 ") else "are"
        return f"So far: {few} {verb} too few to tell student and baseline apart before the test.", False
    else:
        latest = paired_test(logits["student"], logits["baseline"], opened.labels, opened.groups, **units)
        told, differs = latest.verdict("student", "baseline"), latest.differs
        where = f"So far, on {_of('validation', len(opened.labels), opened.example_unit)}"
    return f"{where}: {told[0].lower()}{told[1:]}", differs


def _too_few(opened: Opened) -> str:
    """Return what there is too little of in the validation split to compare networks by, or ""."""
    if (count := len(opened.labels)) < FEWEST:
        return _of("validation", count, opened.example_unit)
    if opened.groups is not None and (count := len(np.unique(opened.groups))) < FEWEST_GROUPS:
        return _of("validation", count, opened.group_unit)
    return ""


def _of(split: str, count: int, unit: str) -> str:
    return counted(count, f"{split} {unit}")


def _describe(spec: Spec, unit: str) -> str:
    """Say which run is shown, as the choices may have moved on to the next one."""
    images = counted(spec.transfer_size, unit) if spec.transfer_size else f"all {unit}"
    teacher = f"{spec.teacher} from a file" if spec.teacher_weights else spec.teacher
    moved = taught = ""
    if spec.augmentation != "none":  # without it, all ways of teaching are one
        moved = f" with {spec.augmentation}"
        taught = "" if spec.teaching == Spec().teaching else f", {spec.teaching} teaching"
    return f"Shown: {spec.dataset}, {images} to learn from{moved}, {spec.student} taught by {teacher}{taught}."


def progress(history: History, state: str, seconds_left: float | None, said: str = "") -> tuple[float, str]:
    """Return the share of the phase that is done (-1: unknown) and a line that says so.

    `state`: a runner's state; `seconds_left`: until the end of the phase; `said`: what was said of the state.
    """
    share, doing = 0.0, ""
    if waiting := history.progress:
        share = waiting.done / waiting.total if waiting.total else -1.0
        scale, unit = (1e6, "MB") if waiting.unit == "B" else (1, waiting.unit)
        total = f" of {waiting.total / scale:,.0f} {unit}" if waiting.total else f" {unit}"
        doing = f"{waiting.label}: {waiting.done / scale:,.0f}{total}"
    elif phase := history.phase:
        share = history.step / phase.steps
        doing = f"{phase.label}: step {history.step:,} of {phase.steps:,}"
    match state:
        case "idle":
            return 0.0, "Ready: press Start."
        case "queued":
            return 0.0, said or "In the queue."
        case "starting":
            return -1.0, "Starting the worker and loading PyTorch …"
        case "running" if seconds_left is not None:
            return share, f"{doing}, {duration(seconds_left)} left"
        case "running":
            return share, doing or "Reading the data …"
        case "done":
            seconds = dict(history.result["seconds"]) if history.result else {}
            if history.opened and history.opened.spec.teacher_weights:  # which was not trained
                seconds.pop("teacher", None)
            return 1.0, "Done: " + ", ".join(f"{name} {duration(value)}" for name, value in seconds.items()) + "."
        case "failed":
            return share, "Failed."
        case "interrupted":
            return share, f"Interrupted. {said}".rstrip()
        case "stopped" if said:
            return share, said
        case _ if history.phase:
            return share, f"{state.capitalize()}. {doing}"
        case _:
            return share, doing


def example(history: History, chosen: int) -> dict[str, Any]:
    """Return classes, true class and each network's logits of one validation image."""
    assert history.opened is not None
    return {
        "classes": list(history.opened.classes),
        "truth": int(history.opened.labels[chosen]),
        "logits": {name: logits[chosen].tolist() for name, logits in history.logits.items()},
    }


def pictures(history: History, cell: Cell | None) -> Pictures:
    """Return the validation images behind a cell, or those that the student has wrong when no cell was clicked."""
    assert history.opened is not None
    classes, labels, unit = history.opened.classes, history.opened.labels, history.opened.example_unit
    answers: dict[str, NDArray[np.intp]] = {name: logits.argmax(1) for name, logits in history.logits.items()}
    if cell is None:
        if "student" not in answers:
            return Pictures(f"Click a cell of a matrix to see its validation {unit}.", [], [])
        found = np.flatnonzero(answers["student"] != labels)
        title = f"Click a cell of a matrix to see its validation {unit}. These are the ones that the student has wrong"
    else:
        where = f"true {classes[cell.true]}, predicted {classes[cell.predicted]}"
        if cell.matrix == "difference":
            inside = [answers[name] == cell.predicted for name in ("student", "baseline")]
            found = np.flatnonzero((labels == cell.true) & (inside[0] != inside[1]))
            title = f"{where} by only one of student and baseline"
        else:
            found = np.flatnonzero((labels == cell.true) & (answers[cell.matrix] == cell.predicted))
            title = f"{ROLES[cell.matrix].label}: {where}"
    shown = found[:MOST_PICTURES]
    captions = [
        f"true {classes[labels[index]]}; "
        + ", ".join(f"{name} says {classes[answer[index]]}" for name, answer in answers.items())
        for index in shown
    ]
    more = f", the first {len(shown)} shown" if len(found) > len(shown) else ""
    return Pictures(f"{title} ({counted(len(found), unit)}{more}).", shown.tolist(), captions)


def picked(opened: Opened, index: int) -> str:
    """Return the title of the validation image that was chosen."""
    unit = singular(opened.example_unit)
    return f"Validation {unit} {index}, true class {opened.classes[opened.labels[index]]}"
