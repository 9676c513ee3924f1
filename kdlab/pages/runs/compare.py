"""Runs side by side: what was asked for where they differ, and what came out."""

import json
from collections.abc import Sequence
from typing import Any

from kdlab.figures.theme import ROLES
from kdlab.metrics.significance import write_p
from kdlab.progress import duration
from kdlab.registry import OBJECTIVES
from kdlab.runs.run_info import Row
from kdlab.train.spec import Spec

__all__ = ["KNOBS", "STATES", "compared", "number", "unfinished"]

NOISE = (
    "One run each: another seed moves these numbers. Choose by validation errors, and quote the test errors of what "
    "you chose."
)
STATES = {"starting": "starting", "queued": "waiting its turn", "running": "training"}
KNOBS = {knob.key: knob for entry in OBJECTIVES.values() for knob in entry.knobs}
LABELS = {
    "dataset": "Data set", "teacher_augmentation": "Teacher's augmentation", "batch_seed": "Seed of the batches",
    **{key: knob.label for key, knob in {**Spec.run_knobs(), **KNOBS}.items()},
}  # fmt: skip


def compared(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what differs between runs, and what came out, side by side; {} for fewer than two."""
    if len(rows) < 2:
        return {}
    settings = [_settings(row) for row in rows]
    names = list(dict.fromkeys(name for one in settings for name in one))
    told = {name: [one.get(name, "–") for one in settings] for name in names}
    differing = {name: values for name, values in told.items() if len(set(values)) > 1}
    results = {"State": [_stands(row) for row in rows]}
    for name, role in ROLES.items():
        results[f"{role.label}: validation errors"] = [_errors(row, "validation", "examples", name) for row in rows]
    for name, role in ROLES.items():
        results[f"{role.label}: test errors"] = [_errors(row, "test", "test_examples", name) for row in rows]
    results["Student against baseline, test: p"] = [_p(row) for row in rows]
    results["Took"] = ["–" if row.seconds is None else duration(row.seconds) for row in rows]
    return {
        "columns": [
            {"label": row.label, "run": row.run, "created": row.created, "state": unfinished(row)} for row in rows
        ],
        "differing": [{"label": name, "values": values} for name, values in differing.items()],
        "results": [
            {"label": name, "values": values} for name, values in results.items() if set(values) != {"–"}
        ],
        "same": "All else is the same." if differing else "They were asked for the same.",
        "note": NOISE if any(row.summary.get("validation") for row in rows) else "",
    }  # fmt: skip


def unfinished(row: Row) -> str:
    """Return the word for a run that did not come to its end, or has not yet, else ""."""
    return "" if row.state == "done" else STATES.get(row.state, row.state)


def _stands(row: Row) -> str:
    """Say how a run stands, and how far it came if not to its end."""
    state, reached = unfinished(row), row.summary.get("reached")
    if not state or not reached:
        return state or "done"
    where = "" if reached["phase"] == "student" else f" of the {reached['phase']}"
    return f"{state} at epoch {reached['epoch']:g} of {reached['epochs']:g}{where}"


def _settings(row: Row) -> dict[str, str]:
    """Return what a run was asked for, and how its knobs were turned, by what people call it."""
    flat = {key: _told(value) for key, value in row.about.items() if key != "knobs"}
    if row.about.get("teacher_weights"):  # a teacher from a file is not trained
        flat = {key: value for key, value in flat.items() if key not in ("teacher_epochs", "teacher_augmentation")}
    asked, ended = (one.get("knobs") or {} for one in (row.about, row.summary))
    flat |= {key: _turned(row, key, asked.get(key, ended.get(key)), ended.get(key)) for key in {**asked, **ended}}
    return {"What": row.kind, **{LABELS.get(key, key.replace("_", " ").capitalize()): flat[key] for key in flat}}


def _turned(row: Row, key: str, asked: Any, ended: Any) -> str:
    """Say what a knob was, and what it was turned to when."""
    values = {0.0: asked} | dict((row.summary.get("turns") or {}).get(key, ()))
    first, *later = values.items()
    told = [_told(first[1]), *(f"{_told(value)} at epoch {epoch:g}" for epoch, value in later)]
    if ended not in (None, [*values.values()][-1]):  # a record from before turns were kept
        told.append(_told(ended))
    return " → ".join(told if len(told) < 5 else [*told[:2], "…", *told[-2:]])


def _told(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _errors(row: Row, split: str, total: str, network: str) -> str:
    count, examples = (row.summary.get(split) or {}).get(network), row.summary.get(total)
    if "errors" in row.summary:  # a record from before the test set was kept apart: its `examples` are the test's
        return number(count)
    return f"{count:,} of {examples:,}" if count is not None and examples else "–"


def _p(row: Row) -> str:
    if few := row.summary.get("too_few"):
        return f"{few}: too few"
    return "–" if (p := row.summary.get("p")) is None else write_p(p)


def number(count: int | None) -> str:
    """Return a count as people read it."""
    return "–" if count is None else f"{count:,}"
