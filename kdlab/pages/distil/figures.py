"""The figures of the page "Distil", as pure functions of histories; all of them are of validation data."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from kdlab.figures.confusion import confusion_difference, confusion_heatmap
from kdlab.figures.curves import Line, Mark, error_curves, loss_curves
from kdlab.figures.theme import ROLES, Figure
from kdlab.metrics.classification import confusion_matrix
from kdlab.registry import LOSSES
from kdlab.train.events import Opened
from kdlab.train.history import Curve, History

__all__ = ["CURVES", "MATRICES", "comparable", "of_before"]


def errors(history: History, before: History | None) -> Figure:
    """Return the validation errors over epochs, with pale curves of the run `before` on the same images."""
    opened = history.opened
    assert opened is not None
    finished = set() if _teaching(history) else {"teacher"}
    lines = {name: _line(history.errors[name]) for name in ROLES if name in history.errors}
    pale = {} if before is None else {name: _line(curve) for name, curve in before.errors.items() if curve.values}
    epochs, changes = _epochs(history), _changes(history)
    return error_curves(lines, len(opened.labels), opened.example_unit, changes, epochs, finished, pale)


def losses(history: History, before: History | None) -> Figure:
    """Return the loss parts over epochs, with pale curves of the run `before`."""
    lines = {key: _line(curve) for key, curve in history.losses.items()}
    pale = {}
    if before is not None and before.opened and history.opened and _same_loss(before.opened, history.opened):
        pale = {key: _line(curve) for key, curve in before.losses.items() if curve.values}
    return loss_curves(lines, _changes(history), _epochs(history), pale)


def _line(curve: Curve) -> Line:
    return curve.epochs, curve.values


def _same_loss(first: Opened, second: Opened) -> bool:
    return first.spec.loss == second.spec.loss and first.spec.knobs == second.spec.knobs


def _teaching(history: History) -> bool:
    return history.phase is not None and history.phase.name == "teacher"


def _epochs(history: History) -> float:
    assert history.opened is not None
    spec = history.opened.spec
    return float(spec.teacher_epochs if _teaching(history) else spec.epochs)


def _changes(history: History) -> list[Mark]:
    """Return the changes of knobs by their symbols."""
    assert history.opened is not None
    loss = LOSSES.find(history.opened.spec.loss)[0]
    symbols = {knob.key: knob.symbol or knob.label for knob in loss.knobs}
    return [
        # What was turned before the student began holds for the student from its beginning.
        (turn.epoch if turn.phase == "student" else 0.0, {symbols[key]: value for key, value in turn.values.items()})
        for turn in ([] if _teaching(history) else history.param_changes)
    ]


def matrix(network: str, history: History) -> Figure:
    """Return the confusion matrix of a network; {} while it was not evaluated."""
    opened = history.opened
    assert opened is not None
    counts = {name: confusion_matrix(logits, opened.labels) for name, logits in history.logits.items()}
    if network not in counts:
        return {}
    mistakes = {name: matrix - np.diag(np.diag(matrix)) for name, matrix in counts.items()}
    return confusion_heatmap(
        counts[network],
        opened.classes,
        f"<b>{ROLES[network].label}</b>: {mistakes[network].sum():,} validation errors",
        # One colour scale for student and baseline.
        max((int(matrix.max()) for name, matrix in mistakes.items() if name != "teacher"), default=1),
        opened.example_unit,
    )


def difference(history: History) -> Figure:
    """Return the difference of the student's and the baseline's confusion matrices; {} while one is missing."""
    opened, logits = history.opened, history.logits
    assert opened is not None
    if not {"student", "baseline"} <= logits.keys():
        return {}
    student, baseline = (confusion_matrix(logits[name], opened.labels) for name in ("student", "baseline"))
    return confusion_difference(student, baseline, opened.classes, "<b>Student − baseline</b>")


def comparable(before: History | None, history: History) -> History | None:
    """Return the run before where its curves can stand beside those of another: on the same examples."""
    if before is None or before.opened is None or history.opened is None or before is history:
        return None
    same = before.opened.spec.dataset == history.opened.spec.dataset
    return before if same and np.array_equal(before.opened.labels, history.opened.labels) else None


def of_before(figure: Figure) -> Figure:
    """Return a figure of the run before, whose title says so."""
    if not figure:
        return {}
    layout = figure["layout"]
    title = layout["title"] | {"text": f"{layout['title']['text']} (run before)"}
    return figure | {"layout": layout | {"title": title}}


# The figures, in their order on the page. Curves are drawn at every step, beside those of the run before.
CURVES: Mapping[str, Callable[[History, History | None], Figure]] = {"errors": errors, "losses": losses}
# Matrices are drawn after an evaluation; until the first one stands that of the run before, pale.
MATRICES: Mapping[str, Callable[[History], Figure]] = {
    **{name: partial(matrix, name) for name in ROLES},
    "difference": difference,
}
