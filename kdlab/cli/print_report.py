"""An experiment's report on a terminal: reported and measured numbers, and the claims' verdicts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kdlab.experiments.framework.report_files import format_measured, format_reference, format_value
from kdlab.experiments.framework.verdicts import HOLDS, NO_GAIN, NOISE, REFUTED
from kdlab.progress import duration

__all__ = ["print_report"]

STYLES = {HOLDS: "green", REFUTED: "red", NOISE: "yellow", NO_GAIN: "yellow"}


def print_report(report: Mapping[str, Any], path: Path) -> None:
    """Print a report that is saved at `path`."""
    console = Console(highlight=False, markup=False)
    console.print(f"{report['label']}{' (quick)' if report['size'] == 'quick' else ''}", style="bold")
    console.print(_rows(report))
    console.print(_claims(report))
    for note in report["notes"]:
        console.print(note)
    for key, citation in report["sources"].items():
        console.print(f"{key}: {citation}")
    console.print(_circumstances(report))
    console.print(f"The report is in {path}", soft_wrap=True)


def _rows(report: Mapping[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    sources = list(report["sources"])
    for heading in (*sources, "here"):
        table.add_column(Text(heading), justify="right")
    table.add_column("")
    for row in report["rows"]:
        references = [format_reference(row, source) for source in sources]
        cells = [row["label"], *references, format_measured(row), row["unit"]]
        table.add_row(*map(Text, cells))
    return table


def _claims(report: Mapping[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("claim")
    table.add_column("measured")
    table.add_column("verdict", no_wrap=True)
    for claim in report["claims"]:
        verdict = Text(claim["verdict"], style=STYLES[claim["verdict"]])
        table.add_row(Text(claim["text"]), Text(claim["measured"]), verdict)
    return table


def _circumstances(report: Mapping[str, Any]) -> str:
    """Return choices, seeds, examples, time, device and versions in a few sentences."""
    seeds = report["settings"]["seeds"]
    choices = report["chosen"]
    chosen = [f"{key} {'; '.join(format_value(choice[key]) for choice in choices)}" for key in choices[0]]
    examples, versions = report["examples"], report["versions"]
    spread = "" if seeds == 1 else ", mean ± standard deviation over them"
    return (
        (f"Chosen or noted before the test: {', '.join(chosen)}. " if chosen else "")
        + f"Seeds {', '.join(map(str, range(seeds)))}{spread}. "
        f"{report['settings']['dataset']}: {examples['train']:,} to learn from, {examples['validation']:,} for "
        f"validation, {examples['test']:,} to test on. This took {duration(report['seconds'])} on {report['device']} "
        f"({report['machine']}, {report['threads']} thread{'' if report['threads'] == 1 else 's'}), kdlab "
        f"{versions['kdlab']}, torch {versions['torch']}, Python {versions['python']}."
    )
