"""How far a download or a long read has come: the one event that `kdlab.core.data` and `kdlab.core.events` share."""

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Something other than training goes on: `done` of `total` units (`total` 0: unknown)."""

    label: str
    done: int
    total: int
    unit: str
