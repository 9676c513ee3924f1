"""The progress event that `kdlab.datasets` and `kdlab.train.events` share, and durations and counts in words."""

from dataclasses import dataclass

__all__ = ["Progress", "counted", "duration", "singular"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of work other than training: `done` of `total` units (`total` 0: unknown)."""

    label: str
    done: int
    total: int
    unit: str


def singular(unit: str) -> str:
    """Return what one of a unit in the plural is called: "images" is "image"; a word without an s stays as it is."""
    return unit[:-1] if unit.endswith("s") and not unit.endswith(("ss", "ies")) else unit


def counted(count: int, unit: str) -> str:
    """Return a count and its unit, which is given in the plural: "1 image", "2,000 images"."""
    return f"{count:,} {singular(unit) if count == 1 else unit}"


def duration(seconds: float) -> str:
    """Return seconds in a readable unit: "12 s", "4 min", "2.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
