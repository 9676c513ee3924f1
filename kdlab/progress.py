"""How far long work has come: the one event that `kdlab.datasets` and `kdlab.train.events` share, and time in words."""

from dataclasses import dataclass

__all__ = ["Progress", "duration"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Something other than training goes on: `done` of `total` units (`total` 0: unknown)."""

    label: str
    done: int
    total: int
    unit: str


def duration(seconds: float) -> str:
    """Return seconds as people say them: "12 s", "4 min", "2.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
