"""Progress of a run, as bars on a terminal."""

import sys
from collections.abc import Generator
from contextlib import closing

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Display

from kdlab.distillation.result import DistillResult
from kdlab.metrics.classification import count_errors
from kdlab.train.events import Event, Note, Opened, Phase, Probe, Progress, Step

__all__ = ["amount", "follow"]

WIDE_COLUMNS = 130  # terminal width from which on the losses are shown


def follow(events: Generator[Event, None, DistillResult]) -> DistillResult:
    """Run a run's events to the end and return its result, with bars on standard error where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", style="dim"),
        TimeRemainingColumn(compact=True),
    )
    # With FORCE_COLOR, Rich itself would draw bars even into a log file.
    with Display(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as display, closing(events):
        bars = _Bars(display)
        while True:
            try:
                bars.show(next(events))
            except StopIteration as end:
                result: DistillResult = end.value
                return result


class _Bars:
    """One bar after the other; finished bars stay on the screen."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._label = ""
        self._bar: TaskID | None = None
        self._opened: Opened | None = None
        self._errors = ""

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
                assert self._opened is not None
                labels = self._opened.labels
                errors = [f"{name} {count_errors(logits, labels):,}" for name, logits in event.logits.items()]
                self._errors = f"validation errors of {len(labels):,}: {', '.join(errors)}"
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


def amount(event: Progress) -> str:
    """Return the amount done in words, or "" for an unknown total."""
    if not event.total:
        return ""
    if event.unit == "B":
        return f"{decimal(event.done)} of {decimal(event.total)}"
    return f"{event.done:,} of {event.total:,} {event.unit}"
