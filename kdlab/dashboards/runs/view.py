"""What the page "Your runs" shows, as pure functions of what is known of the runs."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from kdlab.core.history import History
from kdlab.core.progress import duration
from kdlab.core.spec import Spec
from kdlab.dashboards.runs.state import MOST
from kdlab.desk.row import Row
from kdlab.figures.overlay import Overlaid
from kdlab.figures.theme import ROLES
from kdlab.registry import OBJECTIVES
from kdlab.runner import ENDS

__all__ = ["archive", "compared", "curves", "listed"]

STATES = {"starting": "starting", "queued": "waiting its turn", "running": "training"}
HINT = "This browser keeps the number by which these runs are known to be yours."
KNOBS = {knob.key: knob for entry in OBJECTIVES.values() for knob in entry.knobs}
LABELS = {
    "dataset": "Data set", "teacher_augmentation": "Teacher's augmentation", "batch_seed": "Seed of the batches",
    **{key: knob.label for key, knob in {**Spec.run_knobs(), **KNOBS}.items()},
}  # fmt: skip


def listed(rows: Sequence[Row], known: bool, trouble: str, chosen: Sequence[str]) -> dict[str, Any]:
    """Return the list: what each run was to be, how it stands, and the errors of its networks.

    `known`: whether it was asked already which runs there are.
    """
    note = ""
    if len(chosen) == 1:
        note = "Tick another run to compare it with this one."
    elif rows:
        note = HINT
    return {
        "rows": [_listed(row) for row in rows],
        "empty": "" if rows or trouble else "Nothing is kept yet." if known else "Looking …",
        "known": known,
        "trouble": trouble,
        "note": note,
        "most": MOST,
    }


def _listed(row: Row) -> dict[str, Any]:
    errors, validation = (row.summary.get(key) or {} for key in ("errors", "validation"))
    return {
        "run": row.run,
        "page": f"{row.page}.ipynb#run={row.run}",
        "label": row.label,
        "created": row.created,
        "state": row.state,
        "stands": STATES.get(row.state, row.state),
        "message": row.message,
        "going": row.state not in ENDS,
        "errors": [
            {
                "role": name, "label": role.label, "test": _number(errors.get(name)),
                "validation": _number(validation.get(name)),
            }
            for name, role in ROLES.items()
            if errors
        ],
        "outcome": _outcome(row),
        "knobs": _knobs(row),
    }  # fmt: skip


def _outcome(row: Row) -> str:
    """Say in a line what came of a run that is no distillation."""
    if claims := row.summary.get("claims"):
        held = sum(claim["verdict"] == "holds" for claim in claims)
        return f"{held} of {len(claims)} claims hold"
    if "pieces" in row.summary:
        return f"{row.summary['begun']} of {row.summary['pieces']} pieces begun"
    return ""


def _knobs(row: Row) -> str:
    values = row.summary.get("knobs") or row.about.get("knobs") or {}
    return ", ".join(
        f"{KNOBS[key].symbol} {value:.3g}" for key, value in values.items() if key in KNOBS and KNOBS[key].kind is float
    )


def compared(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what differs between runs, and what came out, side by side; {} for fewer than two."""
    if len(rows) < 2:
        return {}
    settings = [_settings(row) for row in rows]
    names = list(dict.fromkeys(name for one in settings for name in one))
    told = {name: [_told(one.get(name)) for one in settings] for name in names}
    differing = {name: values for name, values in told.items() if len(set(values)) > 1}
    results: dict[str, list[str]] = {}
    for name, role in ROLES.items():
        results[f"{role.label}: test errors"] = [_errors(row, name) for row in rows]
    for name, role in ROLES.items():
        results[f"{role.label}: validation errors"] = [
            _number((row.summary.get("validation") or {}).get(name)) for row in rows
        ]
    results["Student against baseline: p"] = [
        "–" if (p := row.summary.get("p")) is None else "< 0.001" if p < 0.001 else f"{p:.2g}" for row in rows
    ]
    results["Took"] = ["–" if row.seconds is None else duration(row.seconds) for row in rows]
    return {
        "columns": [{"label": row.label, "run": row.run, "created": row.created} for row in rows],
        "differing": [{"label": name, "values": values} for name, values in differing.items()],
        "results": [
            {"label": name, "values": values} for name, values in results.items() if set(values) != {"–"}
        ],
        "same": "All else is the same." if differing else "They were asked for the very same.",
    }  # fmt: skip


def _settings(row: Row) -> dict[str, Any]:
    """Return what a run was asked for, knobs as they ended, by what people call it."""
    flat = {**row.about, **(row.about.get("knobs") or {}), **(row.summary.get("knobs") or {})}
    flat.pop("knobs", None)
    named = {LABELS.get(key, key.replace("_", " ").capitalize()): value for key, value in flat.items()}
    return {"What": row.kind, **named}


def _told(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _errors(row: Row, network: str) -> str:
    count, examples = (row.summary.get("errors") or {}).get(network), row.summary.get("examples")
    return f"{count:,} of {examples:,}" if count is not None and examples else "–"


def _number(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def curves(files: Mapping[str, bytes] | None) -> Overlaid | None:
    """Return the test errors of a kept run, or None where there are none; raises InputError when it is damaged."""
    if not files or "history.npz" not in files:
        return None
    history = History.of({"history.npz": files["history.npz"]})
    if history.opened is None:
        return None
    errors = {name: (curve.epochs, curve.values) for name, curve in history.errors.items()}
    return Overlaid(errors, len(history.opened.test_labels))


def archive(row: Row, parts: Mapping[str, Mapping[str, bytes]]) -> bytes:
    """Return a run as a .zip file: its files by part, and what the list says of it as run.json."""
    about = {
        "run": row.run, "kind": row.kind, "label": row.label, "state": row.state, "created": row.created,
        "ended": row.ended, "seconds": row.seconds, "about": dict(row.about), "summary": dict(row.summary),
    }  # fmt: skip
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:  # stored as they are: weights do not shrink
        file.writestr("run.json", json.dumps(about, indent=2) + "\n")
        for part, files in parts.items():
            for name, held in files.items():
                file.writestr(f"{part}/{name}", held)
    return content.getvalue()
