"""A run's result as a small table and a sentence."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

__all__ = ["print_report"]


def print_report(result: Mapping[str, Any]) -> None:
    """Print errors and accuracy of the three networks, and whether student and baseline really differ."""
    validation = result["validation"]
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    for heading in (f"test errors of {result['examples']:,}", "accuracy"):
        table.add_column(heading, justify="right")
    for heading in (f"validation errors of {validation['examples']:,}", "accuracy"):
        table.add_column(heading, justify="right")
    for network in ("teacher", "baseline", "student"):
        cells = [
            cell
            for scores in (result[network], validation[network])
            for cell in (f"{scores['errors']:,}", f"{scores['accuracy']:.2%}")
        ]
        table.add_row(network, *cells)
    console = Console(highlight=False)
    console.print(table)
    seconds = result["seconds"]
    console.print(_verdict(result))
    console.print(f"{seconds['teacher']:.1f} s teacher, {seconds['student']:.1f} s student, on {result['device']}")


def _verdict(result: Mapping[str, Any]) -> str:
    student, baseline = result["student"]["errors"], result["baseline"]["errors"]
    fewer = baseline - student
    if not fewer:
        return "Student and baseline make equally many test errors."
    count = f"{abs(fewer):,} test error{'s' if abs(fewer) > 1 else ''} {'fewer' if fewer > 0 else 'more'}"
    p = result["mcnemar"]["p"]
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    verdict = "a real difference between these two networks on these images" if p < 0.05 else "inside the noise"
    return f"The student makes {count} than the baseline: {verdict} (McNemar's exact test, {chance})."
