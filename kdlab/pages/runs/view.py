"""Contents, figures and files of the page "Your runs", as pure functions of the runs' records."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from kdlab.figures.overlay import Overlaid
from kdlab.figures.theme import ROLES
from kdlab.pages.catalogue import DISTIL, experiment_page
from kdlab.pages.runs.compare import STATES, knobs_text, number, unfinished
from kdlab.pages.runs.state import MAX_CHOSEN
from kdlab.registry import EXPERIMENTS
from kdlab.runs.protocol import ENDS
from kdlab.runs.run_info import RunInfo
from kdlab.train.history import History

__all__ = ["archive", "curves", "listed"]

HINT = "This browser keeps the number by which these runs are known to be yours."


def listed(rows: Sequence[RunInfo], loaded: bool, trouble: str, chosen: Sequence[str]) -> dict[str, Any]:
    """Return the list: label, state and errors of each run.

    `loaded`: whether the runs were loaded.
    """
    note = ""
    if len(chosen) == 1:
        note = "Tick another run to compare it with this one."
    elif rows:
        note = HINT
    return {
        "rows": [_listed(row) for row in rows],
        "empty": "" if rows or trouble else "Nothing is kept yet." if loaded else "Looking …",
        "known": loaded,
        "trouble": trouble,
        "note": note,
        "most": MAX_CHOSEN,
    }


def _listed(row: RunInfo) -> dict[str, Any]:
    validation, test = (row.summary.get(key) or {} for key in ("validation", "test"))
    return {
        "run": row.run,
        "page": _address(row),
        "label": row.label,
        "created": row.created,
        "state": row.state,
        "stands": STATES.get(row.state, row.state),
        "message": row.message,
        "going": row.state not in ENDS,
        "errors": [
            {
                "role": name, "label": role.label, "validation": number(validation.get(name)),
                "test": number(test.get(name)) if test else "",
            }
            for name, role in ROLES.items()
            if validation
        ],
        "outcome": _outcome(row),
        "knobs": _knobs(row),
    }  # fmt: skip


def _address(row: RunInfo) -> str:
    """Return the address of a run on the page that shows its kind."""
    link = experiment_page(row.kind) if row.kind in EXPERIMENTS else DISTIL
    return link.address(row.kind if link.experiments else "", row.run)


def _outcome(row: RunInfo) -> str:
    """Return the outcome of an experiment's run in a line, or ""."""
    if claims := row.summary.get("claims"):
        held = sum(claim["verdict"] == "holds" for claim in claims)
        return f"{held} of {len(claims)} claims hold"
    if "pieces" in row.summary:
        return f"{row.summary['begun']} of {row.summary['pieces']} pieces begun"
    return ""


def _knobs(row: RunInfo) -> str:
    return knobs_text(row.summary.get("knobs") or row.config.get("knobs") or {})


def curves(row: RunInfo, files: Mapping[str, bytes] | None) -> Overlaid | None:
    """Return the validation errors of a run from its stored files, or None where there are none.

    Raises InputError when it is damaged.
    """
    if not files or "history.npz" not in files:
        return None
    history = History.of({"history.npz": files["history.npz"]})
    if history.opened is None:
        return None
    errors = {name: (curve.epochs, curve.values) for name, curve in history.errors.items()}
    return Overlaid(errors, len(history.opened.labels), history.opened.spec.dataset, unfinished(row))


def archive(row: RunInfo, parts: Mapping[str, Mapping[str, bytes]]) -> bytes:
    """Return a run as a .zip file: its files by part, and its record as run.json."""
    metadata = {
        "run": row.run, "kind": row.kind, "label": row.label, "state": row.state, "created": row.created,
        "ended": row.ended, "seconds": row.seconds, "about": dict(row.config), "summary": dict(row.summary),
    }  # fmt: skip
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:  # stored as they are: weights do not shrink
        file.writestr("run.json", json.dumps(metadata, indent=2) + "\n")
        for part, files in parts.items():
            for name, held in files.items():
                file.writestr(f"{part}/{name}", held)
    return content.getvalue()
