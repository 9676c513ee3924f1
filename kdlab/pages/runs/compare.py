"""Runs side by side: the settings in which they differ, and their results."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kdlab.figures.theme import ROLES
from kdlab.metrics.significance import write_p
from kdlab.progress import duration
from kdlab.registry import LOSSES
from kdlab.runs.run_info import RunInfo
from kdlab.train.spec import Spec

__all__ = ["KNOBS", "STATES", "compared", "knobs_text", "number", "unfinished"]

NOISE = (
    "One run each: another seed moves these numbers. Choose by validation errors, and quote the test errors of what "
    "you chose."
)
STATES = {"starting": "starting", "queued": "waiting its turn", "running": "training"}
TESTS = {"mcnemar": "McNemar", "sign_flips": "sign flips"}  # paired tests by their keys in a result
KNOBS = {knob.key: knob for entry in LOSSES.values() for knob in entry.knobs}
LABELS = {
    "dataset": "Data set", "teacher_augmentation": "Teacher's augmentation", "batch_seed": "Seed of the batches",
    **{key: knob.label for key, knob in {**Spec.run_knobs(), **KNOBS}.items()},
}  # fmt: skip


def compared(rows: Sequence[RunInfo]) -> dict[str, Any]:
    """Return the differing settings and the results of runs, side by side; {} for fewer than two."""
    if len(rows) < 2:
        return {}
    settings = [_settings(row) for row in rows]
    names = list(dict.fromkeys(name for texts in settings for name in texts))
    table = {name: [texts.get(name, "–") for texts in settings] for name in names}
    differing = {name: values for name, values in table.items() if len(set(values)) > 1}
    results = {"State": [_format_state(row) for row in rows]}
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


def unfinished(row: RunInfo) -> str:
    """Return the word for a run that is not done, else ""."""
    return "" if row.state == "done" else STATES.get(row.state, row.state)


def _format_state(row: RunInfo) -> str:
    """Return the state of a run, with the epoch that it reached where it is not done."""
    state, reached = unfinished(row), row.summary.get("reached")
    if not state or not reached:
        return state or "done"
    where = "" if reached["phase"] == "student" else f" of the {reached['phase']}"
    return f"{state} at epoch {reached['epoch']:g} of {reached['epochs']:g}{where}"


def _settings(row: RunInfo) -> dict[str, str]:
    """Return the settings of a run and the changes of its knobs, by the names that people see."""
    flat = {key: _format_value(value) for key, value in row.config.items() if key != "knobs"}
    if row.config.get("teacher_weights"):  # a teacher from a file is not trained
        flat = {key: value for key, value in flat.items() if key not in ("teacher_epochs", "teacher_augmentation")}
    asked, ended = (record.get("knobs") or {} for record in (row.config, row.summary))
    flat |= {
        key: _format_changes(row, key, asked.get(key, ended.get(key)), ended.get(key)) for key in {**asked, **ended}
    }
    return {"What": row.kind, **{LABELS.get(key, key.replace("_", " ").capitalize()): flat[key] for key in flat}}


def _format_changes(row: RunInfo, key: str, asked: Any, ended: Any) -> str:
    """Return the first value of a knob and its changes, with their epochs."""
    values = {0.0: asked} | dict((row.summary.get("turns") or {}).get(key, ()))
    first, *changes = values.items()
    texts = [_format_value(first[1]), *(f"{_format_value(value)} at epoch {epoch:g}" for epoch, value in changes)]
    if ended not in (None, [*values.values()][-1]):  # a record from before turns were kept
        texts.append(_format_value(ended))
    return " → ".join(texts if len(texts) < 5 else [*texts[:2], "…", *texts[-2:]])


def _format_value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _errors(row: RunInfo, split: str, total: str, network: str) -> str:
    count, examples = (row.summary.get(split) or {}).get(network), row.summary.get(total)
    if "errors" in row.summary:  # a record from before the test set was kept apart: its `examples` are the test's
        return number(count)
    return f"{count:,} of {examples:,}" if count is not None and examples else "–"


def _p(row: RunInfo) -> str:
    """Return the p of a run, and which exact test it is of: a record from before tests were named does not say."""
    if few := row.summary.get("too_few"):
        return f"{few}: too few"
    if (p := row.summary.get("p")) is None:
        return "–"
    test = TESTS.get(row.summary.get("paired_test", ""), "")
    return f"{write_p(p)} ({test})" if test else write_p(p)


def knobs_text(values: Mapping[str, float]) -> str:
    """Return values of knobs by their symbols: "T 4, soft 0.9, hard 0.1"."""
    floats = {key: value for key, value in values.items() if key in KNOBS and KNOBS[key].kind is float}
    return ", ".join(f"{KNOBS[key].symbol or KNOBS[key].label} {value:.3g}" for key, value in floats.items())


def number(count: int | None) -> str:
    """Return a count with commas, or "–" for None."""
    return "–" if count is None else f"{count:,}"
