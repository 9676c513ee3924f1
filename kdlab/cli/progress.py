"""Progress of a run: bars on a terminal, else a plain line a minute, on standard error."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Display

from kdlab.metrics.classification import count_errors
from kdlab.train.events import Event, Note, Opened, Phase, Probe, Progress, Step

__all__ = ["RunProgress", "amount", "run_progress"]

WIDE_COLUMNS = 130  # terminal width from which on the losses are shown
LINE_INTERVAL = 60.0  # seconds between two plain lines


class RunProgress(Protocol):
    """Shows the events of a run."""

    def show(self, event: Event) -> None:
        """Show one event."""


def run_progress() -> AbstractContextManager[RunProgress]:
    """Return the progress display that suits standard error."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return _Bars() if is_terminal else nullcontext(_Lines())


class _Lines:
    """Plain lines for a log file: the notes at once, and how far the run is every minute."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()
        self._opened: Opened | None = None
        self._phase: Phase | None = None
        self._errors = ""

    def show(self, event: Event) -> None:
        match event:
            case Note():
                click.echo(event.text, err=True)
            case Opened():
                self._opened = event
            case Phase():
                self._phase, self._errors = event, ""
            case Probe():
                self._errors = validation_errors(event, self._opened)
            case Progress():
                self._print(f"{event.label} {amount(event)}".strip())
            case Step() if self._phase:
                share = f"{event.step / self._phase.steps:.0%}"
                step = f"{self._phase.name}: step {event.step:,} of {self._phase.steps:,} ({share})"
                self._print(", ".join(filter(None, [step, self._errors])))

    def _print(self, line: str) -> None:
        if time.monotonic() - self._printed_at >= LINE_INTERVAL:
            self._printed_at = time.monotonic()
            click.echo(f"{time.strftime('%H:%M')} {line}", err=True)


class _Bars:
    """One bar after the other; finished bars stay on the screen."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}", style="dim"),
            TimeRemainingColumn(compact=True),
        )
        self._display = Display(*columns, console=Console(stderr=True))
        self._label = ""
        self._bar: TaskID | None = None
        self._opened: Opened | None = None
        self._errors = ""

    def __enter__(self) -> "_Bars":
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def show(self, event: Event) -> None:
        match event:
            case Progress():
                if event.label != self._label:
                    self._begin(event.label, event.total)
                self._update(event.done, amount(event))
            case Opened():
                self._end()
                self._opened = event
            case Note():
                self._display.console.print(event.text, markup=False, highlight=False, soft_wrap=True)
            case Phase():
                self._begin(event.name.capitalize(), event.steps)
            case Probe():
                self._errors = validation_errors(event, self._opened)
                self._update(event.step, self._errors)
            case Step():
                losses = [
                    f"{network} {' + '.join(f'{value:.2f} {part}' for part, value in parts.items())}"
                    for network, parts in event.losses.items()
                ]
                wide = self._display.console.width >= WIDE_COLUMNS
                self._update(event.step, f"{self._errors} · loss: {', '.join(losses)}" if wide else self._errors)

    def _begin(self, label: str, total: int) -> None:
        self._end()
        self._label, self._errors = label, ""
        self._bar = self._display.add_task(label, total=total or None, detail="")

    def _end(self) -> None:
        """Complete the current bar, whose length may be unknown."""
        if self._bar is not None:
            task = next(task for task in self._display.tasks if task.id == self._bar)
            self._display.update(self._bar, total=task.total or 1, completed=task.total or 1)

    def _update(self, done: int, detail: str) -> None:
        if self._bar is not None:
            self._display.update(self._bar, completed=done, detail=detail)


def validation_errors(probe: Probe, opened: Opened | None) -> str:
    """Return the errors of an evaluation in words; "" before the data are open."""
    if opened is None:
        return ""
    errors = [f"{name} {count_errors(logits, opened.labels):,}" for name, logits in probe.logits.items()]
    return f"validation errors of {len(opened.labels):,}: {', '.join(errors)}"


def amount(event: Progress) -> str:
    """Return the amount done in words, or "" for an unknown total."""
    if not event.total:
        return ""
    if event.unit == "B":
        return f"{decimal(event.done)} of {decimal(event.total)}"
    return f"{event.done:,} of {event.total:,} {event.unit}"
