"""How far an experiment has come: one bar on a terminal, a line for each piece elsewhere."""

import sys
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Display

from kdlab.cli.progress import amount
from kdlab.experiments.framework.events import Advanced, Began, Concluded, Event, Planned, Progress, Watched
from kdlab.progress import duration

__all__ = ["follow"]

FEW = 3  # networks whose errors are told one by one


def follow(events: Generator[Event, Any, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Drive an experiment to its end and return its report and arrays; what happens goes to standard error."""
    columns = (
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[detail]}", markup=False, style="dim"),
    )
    terminal = sys.stderr.isatty()
    console = Console(stderr=True, highlight=False)
    # Over ten minutes, because pieces of several kinds do not all keep the pace that was planned.
    display = Display(*columns, console=console, disable=not terminal, speed_estimate_period=600)
    with display, closing(events):
        bar = display.add_task("", total=None, detail="")
        share, planned = 0.0, 0.0
        for event in events:
            match event:
                case Progress():
                    display.update(bar, description=event.label, detail=amount(event))
                case Planned():
                    planned = event.seconds
                    share = 0.0 if planned else 1.0
                    display.reset(bar, total=planned or None, description="", detail="")
                    console.print(_announce(event), soft_wrap=True, markup=False)
                case Began():
                    display.update(bar, description=event.label, detail="kept" if event.kept else "")
                    if not terminal:
                        kept = ", kept from before" if event.kept else ""
                        console.print(f"{share:4.0%}  {event.label}{kept}", soft_wrap=True, markup=False)
                case Advanced():
                    share = event.seconds / planned if planned else 1.0
                    display.update(bar, completed=event.seconds)
                case Watched():
                    display.update(bar, detail=_detail(event))
                case Concluded():
                    display.update(bar, total=planned or 1, completed=planned or 1, description="", detail="")
                    return event.report, event.arrays
    raise RuntimeError("An experiment ended without a report.")


def _announce(plan: Planned) -> str:
    pieces = len(plan.pieces)
    kept = sum(not seconds for _, seconds in plan.pieces)
    if kept == pieces:
        return f"All {pieces} pieces are kept from before; only the test is left."
    left = f"; {kept} of {pieces} pieces are kept from before" if kept else f", in {pieces} pieces"
    return f"About {duration(plan.seconds)} on this machine{left}. Ctrl-C stops it; the same line goes on from there."


def _detail(event: Watched) -> str:
    """The epoch and the validation errors, of many networks only from the fewest to the most."""
    few, errors = len(event.errors) <= FEW, event.errors.values()
    told = ", ".join(f"{name} {count:,}" for name, count in event.errors.items())
    told = told if few else f"{min(errors):,} to {max(errors):,}"
    return f"epoch {event.epoch} of {event.epochs} · validation errors of {event.total:,}: {told}"
