"""What happens while an experiment runs, as small frozen records without tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdlab.progress import Progress

__all__ = ["Advanced", "Began", "Concluded", "Event", "Noted", "Planned", "Progress", "Watched"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be trained: `pieces` (label, estimated seconds; 0 for one that is kept from before), in order.

    `seconds`: the whole, as estimated from a few steps of each kind on this machine.
    """

    pieces: tuple[tuple[str, float], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Began:
    """A piece of training begins; `kept`: it was finished before and is only read."""

    label: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Advanced:
    """`seconds` of what was planned are done, counted as estimated."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Watched:
    """Networks were looked at after `epoch` of `epochs`: wrong validation `examples` of `total`, by name."""

    label: str
    epoch: int
    epochs: int
    errors: Mapping[str, int]
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class Noted:
    """Something to look at before the end, as NumPy `arrays` by name."""

    arrays: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Concluded:
    """The experiment is complete; `report` is what `kdlab reproduce --json` prints, `arrays` what pages re-score."""

    report: Mapping[str, Any]
    arrays: Mapping[str, Any]


Event = Progress | Planned | Began | Advanced | Watched | Noted | Concluded
