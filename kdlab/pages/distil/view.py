"""What the page "Distil" shows, as a pure function of its state and of a run's history.

All of it is of validation images, but for the tiles and the verdict of a run that is done, which are of the test set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.figures.theme import ROLES
from kdlab.pages.distil.summary import current_knobs, summary, waiting
from kdlab.progress import counted, duration, singular
from kdlab.train.events import Opened
from kdlab.train.history import History

__all__ = [
    "Cell",
    "Pictures",
    "current_knobs",
    "example",
    "picked",
    "pictures",
    "progress",
    "summary",
    "waiting",
]

MAX_PICTURES = 24


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


def progress(history: History, state: str, seconds_left: float | None, status_text: str = "") -> tuple[float, str]:
    """Return the share of the phase that is done (-1: unknown) and a line that says so.

    `state`: a runner's state; `seconds_left`: until the end of the phase; `status_text`: the text of the status.
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
            return 0.0, status_text or "In the queue."
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
            return share, "That run failed: press Start for another one."
        case "interrupted":
            return share, f"Interrupted. {status_text}".rstrip()
        case "stopped" if status_text:
            return share, status_text
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
    predicted: dict[str, NDArray[np.intp]] = {name: logits.argmax(1) for name, logits in history.logits.items()}
    if cell is None:
        if "student" not in predicted:
            return Pictures(f"Click a cell of a matrix to see its validation {unit}.", [], [])
        indices = np.flatnonzero(predicted["student"] != labels)
        title = f"Click a cell of a matrix to see its validation {unit}. These are the ones that the student has wrong"
    else:
        where = f"true {classes[cell.true]}, predicted {classes[cell.predicted]}"
        if cell.matrix == "difference":
            inside = [predicted[name] == cell.predicted for name in ("student", "baseline")]
            indices = np.flatnonzero((labels == cell.true) & (inside[0] != inside[1]))
            title = f"{where} by only one of student and baseline"
        else:
            indices = np.flatnonzero((labels == cell.true) & (predicted[cell.matrix] == cell.predicted))
            title = f"{ROLES[cell.matrix].label}: {where}"
    shown = indices[:MAX_PICTURES]
    captions = [
        f"true {classes[labels[index]]}; "
        + ", ".join(f"{name} says {classes[class_indices[index]]}" for name, class_indices in predicted.items())
        for index in shown
    ]
    more = f", the first {len(shown)} shown" if len(indices) > len(shown) else ""
    return Pictures(f"{title} ({counted(len(indices), unit)}{more}).", shown.tolist(), captions)


def picked(opened: Opened, index: int) -> str:
    """Return the title of the validation image that was chosen."""
    unit = singular(opened.example_unit)
    return f"Validation {unit} {index}, true class {opened.classes[opened.labels[index]]}"
