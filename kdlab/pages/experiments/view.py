"""Contents of an experiment's page, as pure functions of a result, of a run so far and of the choices."""

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.events import ExperimentPlanned
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.experiments.framework.report_files import format_measured, format_reference, format_value
from kdlab.experiments.framework.verdicts import FIRST_RULE, HOLDS, NO_GAIN, NOISE, REFUTED
from kdlab.figures.experiments import chart_figure, rows_plot, validation_curves
from kdlab.figures.theme import Figure
from kdlab.pages.catalogue import PageLink
from kdlab.progress import counted, duration
from kdlab.registry import Entry

__all__ = ["cards", "explored", "facts", "figures", "findings", "introduction", "jobs", "progress", "watched"]

MARKS = {HOLDS: "✓", REFUTED: "✗", NOISE: "≈", NO_GAIN: "≈"}
NOT_RUN = "Not run yet: press Start."
NOT_MEASURED = "Not measured: there is no number to judge."
Content = dict[str, Any]


def cards(pages: Sequence[PageLink], results: Mapping[str, Result]) -> Content:
    """Return a card for each page, with the first verdict of its first experiment where there is a result."""
    contents = []
    for link in pages:
        card = {"page": link.address(), "title": link.title, "question": link.question, "answer": "", "mark": ""}
        result = results.get(link.experiments[0]) if link.experiments else None
        if result and result.report["claims"]:
            claim = result.report["claims"][0]
            finding = f"“{claim['text']}” {claim['verdict'].capitalize()}: {_minus(claim['measured'])}."
            card |= {"answer": finding, "mark": MARKS[claim["verdict"]]}
        contents.append(card)
    return {"cards": contents}


def introduction(entry: Entry) -> Content:
    """Return the question of an experiment, from the docstring of its class."""
    paragraphs = inspect.cleandoc(entry.build.__doc__ or "").split("\n\n")
    words = [" ".join(paragraph.split()) for paragraph in paragraphs]
    return {"title": entry.label, "text": [f"{entry.help[:1].upper()}{entry.help[1:]}.", *words]}


def findings(result: Result | None, of_run: bool) -> Content:
    """Return claims and rows of a result; `of_run`: it is of a run on this page, not one that comes with kdlab."""
    if result is None:
        return {"empty": NOT_RUN}
    report = result.report
    return {
        "origin": _origin(report, of_run),
        "claims": [
            {
                "text": claim["text"], "measured": _sentence(claim["measured"]), "verdict": claim["verdict"],
                "interval": _interval(claim),
            }
            for claim in report["claims"]
        ],
        "rows": [_row(row) for row in report["rows"] if not row["detail"]],
        "details": [_row(row) for row in report["rows"] if row["detail"]],
        "sources": [list(pair) for pair in report["sources"].items()],
        "notes": [*report["notes"], *([] if "rule" in report else [FIRST_RULE])],
    }  # fmt: skip


def _origin(report: Mapping[str, Any], of_run: bool) -> str:
    seeds = report["settings"]["seeds"]
    how = f"{report['size']} experiment on {report['settings']['dataset']}, {seeds:g} seed{'s' if seeds > 1 else ''}"
    where = f"run on {report['device']} ({report['machine']}) in {duration(report['seconds'])}"
    return f"{'This run' if of_run else 'As shipped'}: {how}, {where}."


def _sentence(words: str) -> str:
    return _minus(f"{words[:1].upper()}{words[1:]}.") if words else ""


def _interval(claim: Mapping[str, Any]) -> str:
    if claim["verdict"] == NO_GAIN:
        return "The gain itself is not beyond the noise: there is nothing of which a share could be kept."
    if claim["interval"] is None and (claim["mean"] is None or math.isnan(claim["mean"])):
        return NOT_MEASURED
    if claim["interval"] is None:
        return "Too little was counted: nothing tells its noise."
    low, high = claim["interval"]
    if low is None or high is None:  # of a report from before
        return NOT_MEASURED
    return f"95 % interval of the mean score: {low:.3g} to {high:.3g}; the claim can hold only where it is above 0."


def _row(row: Mapping[str, Any]) -> Content:
    several = len(row["values"]) > 1
    seeds = ", ".join(format_measured(row | {"mean": value, "deviation": None}) for value in row["values"])
    return {
        "label": row["label"], "unit": row["unit"], "measured": _minus(format_measured(row)),
        "seeds": f"each seed: {_minus(seeds)}" if several else "",
        "references": [[_minus(format_reference(row, source)), source] for source in row["reference"]],
    }  # fmt: skip


def _minus(words: str) -> str:
    return re.sub(r"(?<!\w)-(?=\d)", "−", words)


def figures(result: Result | None) -> list[Figure]:
    """Return a result's figures: its rows, those of one unit together, and its charts."""
    if result is None:
        return []
    rows = sorted((row for row in result.report["rows"] if not row["detail"]), key=lambda row: row["unit"])
    by_unit = [(unit, list(group)) for unit, group in groupby(rows, key=lambda row: row["unit"])]
    by_unit.sort(key=lambda pair: -len(pair[1]))
    # One number of one seed without a reference is no figure.
    worth = [pair for pair in by_unit if len(pair[1]) > 1 or pair[1][0]["reference"] or len(pair[1][0]["values"]) > 1]
    return [
        *(rows_plot(group, f"{unit[:1].upper()}{unit[1:]}") for unit, group in worth),
        *map(chart_figure, result.report["charts"]),
    ]


def facts(result: Result | None) -> Content:
    """Return the circumstances of a result: time, machine, settings and versions."""
    if result is None:
        return {}
    report = result.report
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    chosen = [
        ", ".join(f"{key} {format_value(value)}" for key, value in values.items())
        for values in report["chosen"]
        if values
    ]  # of each seed
    pairs = [
        ("Time", duration(report["seconds"])),
        ("Computed on", f"{report['device']} ({report['machine']})"),
        ("Threads", f"{report['threads']}"),
        ("Seeds", f"{report['settings']['seeds']:g}"),
        ("Examples", ", ".join(f"{count:,} {name}" for name, count in report["examples"].items())),
        ("Chosen or noted before the test", "; ".join(chosen)),
        ("Settings", ", ".join(f"{key} {format_value(value)}" for key, value in report["settings"].items())),
        ("Versions", versions),
    ]
    return {"title": "How it was measured", "facts": [list(pair) for pair in pairs if pair[1]]}


def explored(entry: Entry, result: Result, choice: str, values: Mapping[str, float]) -> tuple[Content, list[Figure]]:
    """Return the tiles and figures of a result's logits, scored anew where the sliders stand."""
    scored = entry.build.rescore(result.arrays, choice, values)
    return {"facts": [list(tile) for tile in scored.tiles]}, [chart_figure(chart) for chart in scored.charts]


def watched(live: ExperimentRecord) -> Figure:
    """Return the validation errors of the job at work by epoch; empty while there are none."""
    if not live.watched:
        return {}
    last = live.watched[-1]
    errors = {name: [(event.epoch, event.errors[name]) for event in live.watched] for name in last.errors}
    return validation_curves(errors, last.total, last.epochs, f"Wrong validation images: {last.label}")


def jobs(live: ExperimentRecord, state: str) -> Content:
    """Return the training jobs, each with how far it is; `state`: a runner's."""
    if live.planned is None:
        return {"title": "What is to be trained", "pieces": []}
    rows = []
    at_work = len(live.begun) - 1 if state in ("running", "paused") and live.result is None else len(live.begun)
    ended = state in ("stopped", "failed") and live.result is None
    for index, (label, seconds) in enumerate(live.planned.pieces):
        if index < len(live.begun):
            label, cached = live.begun[index].label, live.begun[index].kept
            # The last one that was begun is not finished when a run is stopped.
            is_last = index == len(live.begun) - 1
            cut = ended and is_last and not cached and live.done < _until(live.planned, index)
            mark = "now" if index == at_work else "waiting" if cut else "kept" if cached else "done"
        else:
            mark = "waiting" if seconds else "kept"
        states = {"kept": "kept from before", "done": "kept", "now": "at work"}
        detail = states.get(mark, f"about {duration(seconds)}" if seconds else "")
        rows.append([label, mark, detail])
    finished = sum(mark in ("done", "kept") for _, mark, _ in rows)
    return {"title": f"{finished} of {len(rows)} pieces are trained and kept", "pieces": rows}


def _until(planned: ExperimentPlanned, index: int) -> float:
    return sum(seconds for _, seconds in planned.pieces[: index + 1]) - 1e-6


def progress(
    live: ExperimentRecord, state: str, seconds_left: float | None, status_text: str = ""
) -> tuple[float, str]:
    """Return the share of the whole that is done (-1: unknown) and a line that says so.

    `state`: a runner's state; `seconds_left`: until the end, from the pace so far; `status_text`: the text of
    the status.
    """
    share, doing = 0.0, ""
    if waiting := live.progress:
        share = waiting.done / waiting.total if waiting.total else -1.0
        scale, unit = (1e6, "MB") if waiting.unit == "B" else (1, waiting.unit)
        total = f" of {waiting.total / scale:,.0f} {unit}" if waiting.total else f" {unit}"
        doing = f"{waiting.label}: {waiting.done / scale:,.0f}{total}"
    elif planned := live.planned:
        share = min(live.done / planned.seconds, 1.0) if planned.seconds else 1.0
        left = planned.seconds - live.done if seconds_left is None else seconds_left
        doing = _at_work(live, planned)
        if state == "running":
            doing += f" About {duration(left)} left." if live.done < planned.seconds else " Now the test images."
    match state:
        case "idle":
            return 0.0, "Ready: Start runs the experiment here, with the settings below."
        case "queued":
            return 0.0, status_text or "In the queue."
        case "starting":
            return -1.0, "Starting the worker and loading PyTorch …"
        case "running" if not doing:
            return -1.0, "Reading the data and timing a few steps of each kind …"
        case "paused":
            return share, f"Paused. {doing}"
        case "interrupted":
            return share, f"Interrupted. {status_text} Finished pieces are kept.".replace("  ", " ")
        case "stopped" if status_text:
            return share, f"{status_text} Finished pieces are kept."
        case "stopped":
            return share, "Stopped. Finished pieces are kept: Start with the same settings goes on after them."
        case "done":
            seconds = live.result.report["seconds"] if live.result else 0
            return 1.0, f"Done in {duration(seconds)}. The result is below."
        case "failed":
            return share, "Failed. Finished pieces are kept."
        case _:
            return share, doing


def _at_work(live: ExperimentRecord, planned: ExperimentPlanned) -> str:
    if not live.begun:
        return f"{counted(len(planned.pieces), 'pieces')} to train."
    where = f"Piece {len(live.begun)} of {max(len(planned.pieces), len(live.begun))}, {live.begun[-1].label}"
    if not live.watched or live.begun[-1].kept:
        return f"{where}."
    return f"{where}: epoch {live.watched[-1].epoch} of {live.watched[-1].epochs}."
