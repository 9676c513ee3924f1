"""The events of a run as small frozen records of floats, strings and NumPy arrays, never tensors.

A run is a generator of these, in this order: `Progress` while the data loads, `Opened`, a `Note` for each warning, then
for the phases "teacher" and "student" `Phase` and a sequence of `Step`, `Probe` and `ParamsChanged`, and `Done` at the
end. With checkpoints, `Saved` comes after a `Probe`. A run that resumes from a checkpoint starts with `Restored` and
continues with the events after the checkpoint: neither `Opened` nor the current phase is announced again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.progress import Progress
from kdlab.train.spec import Spec

__all__ = [
    "Done",
    "Event",
    "Note",
    "Opened",
    "ParamsChanged",
    "Phase",
    "Probe",
    "Progress",
    "Restored",
    "Saved",
    "Step",
]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The data set is loaded: this event holds its validation split. The test set is in no event but `Done`.

    `images` uint8 (examples, channels, height, width), `labels` int64 (examples,), `groups` int64 (examples,) or None:
    the group of each example. `example_unit` and `group_unit`: their names in the plural.
    """

    spec: Spec
    classes: tuple[str, ...]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    device: str
    groups: NDArray[np.int64] | None = None
    example_unit: str = "images"
    group_unit: str = "groups"


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about the run's numbers, as a sentence: changes to a user's files, an unusual teacher."""

    text: str


@dataclass(frozen=True, slots=True)
class Phase:
    """Training of the teacher, or of student and baseline together, begins."""

    name: str
    label: str
    steps: int
    steps_per_epoch: int


@dataclass(frozen=True, slots=True)
class Step:
    """One optimisation step was made; `losses` holds each network's loss parts on this batch, unweighted.

    `step` counts from 1 within its phase; parts are in nats, mean over the batch.
    """

    phase: str
    step: int
    losses: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Networks were evaluated after `step` steps; `logits`: of validation, float32 (examples, classes)."""

    phase: str
    step: int
    logits: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ParamsChanged:
    """The loss's knobs changed before the step after `step`; `values` holds those that changed."""

    phase: str
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Done:
    """The run is complete; `result` is what `kdlab distill --json` prints."""

    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """Files of a run to save: contents by name.

    `final`: those of the finished run; otherwise a checkpoint from which the run can resume.
    """

    files: Mapping[str, bytes]
    final: bool


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A run resumes from a checkpoint; `history`: its events up to there, as the file that `History` reads."""

    history: bytes


Event = Progress | Opened | Note | Phase | Step | Probe | ParamsChanged | Done | Saved | Restored
