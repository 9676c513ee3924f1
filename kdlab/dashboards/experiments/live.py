"""What happened in a run of an experiment so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdlab.core.experiments.events import Advanced, Began, Concluded, Event, Noted, Planned, Progress, Watched
from kdlab.dashboards.experiments.shipped import Result

__all__ = ["Live"]


@dataclass(slots=True, eq=False)
class Live:
    """A run's events, kept as a page shows them; `watched` is of the piece at work, the last one in `begun`.

    `settings`: the experiment's, with which the run was started.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: Planned | None = None
    begun: list[Began] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    done: float = 0.0
    progress: Progress | None = None
    noted: Noted | None = None
    result: Result | None = None

    def append(self, event: Event) -> None:
        """Take in one event."""
        self.progress = None
        match event:
            case Progress():
                self.progress = event
            case Planned():
                self.planned = event
            case Began():
                self.begun.append(event)
                if not event.kept:  # the curve of the piece before stays until there is another
                    self.watched = []
            case Watched():
                self.watched.append(event)
            case Advanced(seconds):
                self.done = seconds
            case Noted():
                self.noted = event
            case Concluded(report, arrays):
                self.result = Result(report, arrays)
