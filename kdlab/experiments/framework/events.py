"""Events of a running experiment: small frozen records without tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdlab.progress import Progress

__all__ = [
    "Event",
    "ExperimentFinished",
    "ExperimentPlanned",
    "JobStarted",
    "JobValidated",
    "PlanAdvanced",
    "PreviewReady",
    "Progress",
]


@dataclass(frozen=True, slots=True)
class ExperimentPlanned:
    """The plan: `pieces` are the jobs (label, estimated seconds; 0 for a cached one), in order.

    `seconds`: their sum, estimated from a few steps of each kind on this machine.
    """

    pieces: tuple[tuple[str, float], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A training job starts; `kept`: it was finished before and is only read from the cache."""

    label: str
    kept: bool


@dataclass(frozen=True, slots=True)
class PlanAdvanced:
    """`seconds` of the plan are done, by its own estimate."""

    seconds: float


@dataclass(frozen=True, slots=True)
class JobValidated:
    """Networks were validated after `epoch` of `epochs`: wrong validation examples of `total`, by name."""

    label: str
    epoch: int
    epochs: int
    errors: Mapping[str, int]
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class PreviewReady:
    """NumPy `arrays` by name, to show before the experiment is finished."""

    arrays: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentFinished:
    """The experiment is finished; `kdlab reproduce --json` prints `report`, pages rescore `arrays`."""

    report: Mapping[str, Any]
    arrays: Mapping[str, Any]


Event = Progress | ExperimentPlanned | JobStarted | PlanAdvanced | JobValidated | PreviewReady | ExperimentFinished
