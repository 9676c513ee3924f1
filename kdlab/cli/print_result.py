"""A run's result as a small table and a sentence."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from kdlab.metrics.significance import find_test

__all__ = ["print_result"]


def print_result(result: Mapping[str, Any]) -> None:
    """Print errors and accuracy of the three networks, and whether student and baseline differ significantly."""
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
    verdict = find_test(result)["verdict"]
    console.print(f"On the test set: {verdict[0].lower()}{verdict[1:]}")
    times = f"{seconds['teacher']:.1f} s teacher, {seconds['student']:.1f} s student"
    console.print(f"{times}, on {result['device']} in {result['precision']['student']}")
