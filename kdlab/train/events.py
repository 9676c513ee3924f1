"""What happens in a run, as small frozen records: floats, strings and NumPy arrays, never a tensor.

A run is a generator of these, in this order: `Progress` while the data comes, `Opened`, a `Note` for each thing to
mind, then for the phases "teacher" and "student" `Phase`, and `Step`, `Probe` and `KnobsTurned` as they fall, and
`Done` at the end. Where checkpoints were asked for, `Saved` comes after a `Probe`. A run that goes on from one begins
with `Restored`, and then with what came after the checkpoint: neither `Opened` nor the phase that was under way is
announced again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.progress import Progress
from kdlab.train.spec import Spec

__all__ = ["Done", "Event", "KnobsTurned", "Note", "Opened", "Phase", "Probe", "Progress", "Restored", "Saved", "Step"]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The data are there: the validation split, which people steer by. The test set is in no event but `Done`.

    `images` uint8 (examples, channels, height, width), `labels` int64 (examples,), `groups` int64 (examples,) or None:
    which examples belong together. `example_unit` and `group_unit` say what is counted, in the plural.
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
    """A sentence to mind when reading the numbers: what was done with a person's files, what is odd about a teacher."""

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
class KnobsTurned:
    """The objective's knobs changed before the step after `step`; `values` holds those that changed."""

    phase: str
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Done:
    """The run is complete; `result` is what `kdlab distill --json` prints."""

    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What is worth keeping of a run: contents of files by name.

    `final`: the finished run's; otherwise a checkpoint that the run can go on from.
    """

    files: Mapping[str, bytes]
    final: bool


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A run goes on from a checkpoint; `history`: what happened up to it, as the file that `History` reads."""

    history: bytes


Event = Progress | Opened | Note | Phase | Step | Probe | KnobsTurned | Done | Saved | Restored
