"""Progress of an experiment: one bar on a terminal, else one line per job."""

import sys
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Display

from kdlab.cli.progress import amount
from kdlab.experiments.framework.events import (
    Event,
    ExperimentFinished,
    ExperimentPlanned,
    JobStarted,
    JobValidated,
    PlanAdvanced,
    Progress,
)
from kdlab.progress import duration

__all__ = ["follow"]

MAX_LISTED_NETWORKS = 3  # networks up to which each error count is printed


def follow(events: Generator[Event, None, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Run an experiment to its end and return its report and arrays; progress goes to standard error."""
    columns = (
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[detail]}", markup=False, style="dim"),
    )
    terminal = sys.stderr.isatty()
    console = Console(stderr=True, highlight=False)
    # Estimated over ten minutes, because jobs of different kinds deviate from the planned speed.
    display = Display(*columns, console=console, disable=not terminal, speed_estimate_period=600)
    with display, closing(events):
        bar = display.add_task("", total=None, detail="")
        share, planned = 0.0, 0.0
        for event in events:
            match event:
                case Progress():
                    display.update(bar, description=event.label, detail=amount(event))
                case ExperimentPlanned():
                    planned = event.seconds
                    share = 0.0 if planned else 1.0
                    display.reset(bar, total=planned or None, description="", detail="")
                    console.print(_announce(event), soft_wrap=True, markup=False)
                case JobStarted():
                    display.update(bar, description=event.label, detail="kept" if event.kept else "")
                    if not terminal:
                        cached_note = ", kept from before" if event.kept else ""
                        console.print(f"{share:4.0%}  {event.label}{cached_note}", soft_wrap=True, markup=False)
                case PlanAdvanced():
                    share = event.seconds / planned if planned else 1.0
                    display.update(bar, completed=event.seconds)
                case JobValidated():
                    display.update(bar, detail=_detail(event))
                case ExperimentFinished():
                    display.update(bar, total=planned or 1, completed=planned or 1, description="", detail="")
                    return event.report, event.arrays
    raise RuntimeError("An experiment ended without a report.")


def _announce(plan: ExperimentPlanned) -> str:
    jobs = len(plan.pieces)
    cached = sum(not seconds for _, seconds in plan.pieces)
    if cached == jobs:
        return f"All {jobs} pieces are kept from before; only the test is left."
    remaining = f"; {cached} of {jobs} pieces are kept from before" if cached else f", in {jobs} pieces"
    return (
        f"About {duration(plan.seconds)} on this machine{remaining}. Ctrl-C stops it; the same line goes on from there."
    )


def _detail(event: JobValidated) -> str:
    """Return the epoch and the validation errors; for many networks only their range."""
    is_short, errors = len(event.errors) <= MAX_LISTED_NETWORKS, event.errors.values()
    errors_text = ", ".join(f"{name} {count:,}" for name, count in event.errors.items())
    errors_text = errors_text if is_short else f"{min(errors):,} to {max(errors):,}"
    return f"epoch {event.epoch} of {event.epochs} · validation errors of {event.total:,}: {errors_text}"
