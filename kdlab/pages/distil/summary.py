"""The summary of a run on the page "Distil": tiles, verdict, note, and which run is shown, as pure functions."""

from typing import Any

import numpy as np

from kdlab.figures.theme import ROLES
from kdlab.metrics.significance import LEVEL, MIN_GROUPS, find_test, paired_test
from kdlab.pages.runs.compare import knobs_text
from kdlab.progress import counted
from kdlab.train.events import Opened
from kdlab.train.history import History
from kdlab.train.spec import Spec

__all__ = ["current_knobs", "summary", "waiting"]

MIN_EXAMPLES = 50  # from which on two networks are compared while they train
FLATTERED = (
    " What the file's network was trained on is not known here, so its errors, and its student's, may flatter it."
)
NOTES = {
    "teacher": "First the teacher learns from the labels of the whole training set; student and baseline come next.",
    "student": "Student: soft targets of the teacher and labels. Baseline: labels alone. Same start, same batches.",
}
# Of a run that did not come to its end: by state, and by the phase in which it was.
ENDED = {"stopped": "was stopped", "failed": "failed", "interrupted": "was interrupted"}
ENDED_NOTES = {
    "teacher": "This run {ended} while the teacher was training; student and baseline were not trained.",
    "student": "This run {ended} while student and baseline were training; its numbers are of validation.",
}
NOT_FINAL = "It changes as training goes on; only the end counts."
NO_END = "This run did not come to its end, so this is no final result."
NOT_OPENED = "The run has not opened its data yet. Until then the figures below stay as they were."
NEVER_OPENED = "The run ended before it had opened its data. The figures below are those shown before it."


def summary(history: History, note: str, state: str = "running") -> dict[str, Any]:
    """Return three numbers, the sentence that tells a difference from noise, `note` or one of the phase, and warnings.

    At the end of a run numbers and sentence are of the test set, and say so. `state`: a runner's state.
    """
    opened = history.opened
    assert opened is not None
    if not note and history.result:
        errors = ", ".join(f"{name} {history.result['validation'][name]['errors']:,}" for name in ROLES)
        note = f"All else is of validation: choose settings by its errors ({errors}), and try other seeds."
    elif not note and history.phase and state in ENDED:
        note = ENDED_NOTES[history.phase.name].format(ended=ENDED[state])
    elif not note and history.phase:
        note = NOTES[history.phase.name]
    if note and opened.spec.teacher_weights:
        note += FLATTERED
    verdict, differs = _verdict(history, state)
    return {
        "tiles": [_tile(history, name) for name in ROLES],
        "verdict": verdict,
        "differs": differs,
        "warnings": history.notes,
        "note": note,
        "run": f"Shown: {_describe(history)}",
    }


def waiting(history: History, state: str) -> dict[str, Any]:
    """Return the summary of a run that has not opened its data: no numbers, as those of `history` are another run's."""
    return {
        "tiles": [_placeholder(name) for name in ROLES],
        "verdict": "",
        "differs": False,
        "warnings": [],
        "note": NEVER_OPENED if state in ENDED else NOT_OPENED,
        "run": f"Figures below: {_describe(history)}",
    }


def _tile(history: History, name: str) -> dict[str, str]:
    """Return a network's errors: of the test set when the run is done, else the latest ones of validation."""
    opened, result, curve = history.opened, history.result, history.errors.get(name)
    assert opened is not None
    if result:
        errors, examples, split = result[name]["errors"], result["examples"], "test"
    elif curve and curve.values:
        errors, examples, split = int(curve.values[-1]), len(opened.labels), "validation"
    else:
        return _placeholder(name)
    share = f"{100 * errors / examples:.1f} % wrong"
    return _placeholder(name) | {
        "errors": f"{errors:,}",
        "share": share,
        "counted": f"of {_of(split, examples, opened.example_unit)}",
    }


def _placeholder(name: str) -> dict[str, str]:
    """Return the tile of a network without numbers."""
    return {"role": name, "label": ROLES[name].label, "errors": "–", "share": "not trained yet", "counted": ""}


def _verdict(history: History, state: str) -> tuple[str, bool]:
    """Say whether student and baseline differ beyond noise, and return whether they do."""
    opened, logits = history.opened, history.logits
    assert opened is not None
    units = {"example_unit": opened.example_unit, "group_unit": opened.group_unit}
    if history.result:
        test = find_test(history.result)
        split = f"On the {_of('test', history.result['examples'], opened.example_unit)}"
        return f"{split}: {_lower(test['verdict'])}", test["p"] < LEVEL
    if not {"student", "baseline"} <= logits.keys():
        return "", False
    if few := _too_few(opened):
        verb = "is" if few.startswith("1 ") else "are"
        return f"So far: {few} {verb} too few to tell student and baseline apart before the test.", False
    latest = paired_test(logits["student"], logits["baseline"], opened.labels, opened.groups, **units)
    split = f"So far, on {_of('validation', len(opened.labels), opened.example_unit)}"
    reservation = NO_END if state in ENDED else NOT_FINAL
    return f"{split}: {_lower(latest.verdict('student', 'baseline'))} {reservation}", latest.differs


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _too_few(opened: Opened) -> str:
    """Return the count of validation examples or groups that is too small to compare networks, or ""."""
    if (count := len(opened.labels)) < MIN_EXAMPLES:
        return _of("validation", count, opened.example_unit)
    if opened.groups is not None and (count := len(np.unique(opened.groups))) < MIN_GROUPS:
        return _of("validation", count, opened.group_unit)
    return ""


def _of(split: str, count: int, unit: str) -> str:
    return counted(count, f"{split} {unit}")


def current_knobs(spec: Spec, history: History) -> dict[str, float]:
    """Return the knobs of a run as they are after the changes that `history` has."""
    return {**spec.knobs, **{key: value for change in history.param_changes for key, value in change.values.items()}}


def _describe(history: History) -> str:
    """Return the choices of a run, as those on the page may have moved on: names, then knobs as last set, and seed."""
    assert history.opened is not None
    spec, unit = history.opened.spec, history.opened.example_unit
    images = counted(spec.transfer_size, unit) if spec.transfer_size else f"all {unit}"
    teacher = f"{spec.teacher} from a file" if spec.teacher_weights else spec.teacher
    moved = taught = ""
    if spec.augmentation != "none":  # without it, all ways of teaching are one
        moved = f" with {spec.augmentation}"
        taught = "" if spec.teaching == Spec().teaching else f", {spec.teaching} teaching"
    settings = ", ".join(filter(None, [knobs_text(current_knobs(spec, history)), f"seed {spec.seed}"]))
    return (
        f"{spec.dataset}, {images} to learn from{moved}, {spec.student} taught by {teacher}{taught}. "
        f"{settings[:1].upper()}{settings[1:]}."
    )
