"""The settings of a run: a frozen, serialisable `Spec`, made when Start is pressed."""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdlab import augmentations, datasets, losses, models  # noqa: F401  (they fill the registries)
from kdlab.registry import (
    AUGMENTATIONS,
    DATASETS,
    LOSSES,
    MODELS,
    TEACHER_VIEWS,
    InputError,
    Knob,
    knob_field,
    knob_fields,
    quote,
    read_options,
)
from kdlab.train.probabilities import OUTPUTS

__all__ = ["PRECISIONS", "SCHEDULES", "STUDENT_ONLY", "Spec", "check_knobs", "knob_defaults"]

DIGEST = re.compile("[0-9a-f]{12}")

PRECISIONS = ("auto", "float32", "bfloat16")
SCHEDULES = ("cosine", "constant")
# Fields that the training of a teacher does not depend on; all others are part of its recipe.
STUDENT_ONLY = frozenset(
    {
        "student",
        "loss",
        "knobs",
        "augmentation",
        "teaching",
        "transfer_size",
        "epochs",
        "outputs",
        "teacher_weights",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One distillation run: the data, the two networks, how long, and the loss's knobs.

    `teacher` and `student` are names of models; for a module made in Python they only record its class.
    `transfer_size`: number of training images for student and baseline (0: all of them); `augmentation` is applied to
    these, and `teaching` selects the views that the teacher sees; `teacher_augmentation` is for the teacher's own
    training. `precision`: of products in training ("auto": the fastest on the machine). `schedule`: the learning rate
    falls to 0 by a cosine, or stays. `batch_seed`, if given, fixes batches, views and transfer set, and `seed` only
    weights and dropout. `teacher_weights`: the digest of the file with the teacher's weights (`WeightsFile.digest`),
    which is then not trained; "" for a teacher to train. `outputs`: kind of the outputs of a teacher made in Python:
    "logits", "probabilities", whose logarithm is then taken, or "" for logits unless they look like probabilities.
    """

    dataset: str = "digits"
    teacher: str = "mlp:256x2:dropout=0.5:input_dropout=0.2"
    student: str = "mlp:32x1"
    loss: str = "hinton"
    knobs: Mapping[str, float] = field(default_factory=dict)
    augmentation: str = "none"
    teacher_augmentation: str = "none"
    teaching: str = "consistent"
    precision: str = "auto"
    schedule: str = "cosine"
    batch_seed: int | None = None
    teacher_weights: str = ""
    outputs: str = ""
    transfer_size: int = knob_field(
        "transfer_size", "Transfer set", 0, 0, 10_000_000, "images that student and baseline learn from; 0 means all"
    )
    epochs: int = knob_field("epochs", "Epochs", 20, 1, 100_000, "passes over the transfer set")
    teacher_epochs: int = knob_field("teacher_epochs", "Teacher epochs", 20, 1, 100_000, "passes over the training set")
    batch_size: int = knob_field(
        "batch_size", "Batch size", 64, 1, 1_000_000,
        "images in one step; those left over in an epoch, too few for a step, wait for another shuffle", scale="log",
    )  # fmt: skip
    learning_rate: float = knob_field(
        "learning_rate", "Learning rate", 1e-3, 1e-6, 10.0, "Adam's", kind=float, scale="log"
    )
    seed: int = knob_field("seed", "Seed", 0, 0, 2**31 - 1, "fixes weights, batches and dropout")

    def __post_init__(self) -> None:
        for key in (*self.names(), "teacher_weights", "outputs"):
            if not isinstance(getattr(self, key), str):
                raise InputError(f"The {key} of a spec must be text, not {quote(getattr(self, key))}.")
        if not isinstance(self.knobs, Mapping):
            raise InputError(f"The knobs of a spec must be numbers by their keys, not {quote(self.knobs)}.")
        for key, knob in knob_fields(type(self)).items():
            object.__setattr__(self, key, knob.check(getattr(self, key)))
        for registry, name in (
            (DATASETS, self.dataset), (LOSSES, self.loss), (TEACHER_VIEWS, self.teaching),
        ):  # fmt: skip
            _, argument = registry.find(name)
            if registry is not DATASETS:
                read_options(f"{registry.kind} {quote(name)}", argument, ())
        for name in (self.augmentation, self.teacher_augmentation):
            entry, argument = AUGMENTATIONS.find(name)
            read_options(f"augmentation {quote(name)}", argument, entry.knobs)
        if self.precision not in PRECISIONS:
            raise InputError(f"There is no precision {quote(self.precision)}; known: {', '.join(PRECISIONS)}.")
        if self.schedule not in SCHEDULES:
            raise InputError(f"There is no schedule {quote(self.schedule)}; known: {', '.join(SCHEDULES)}.")
        if self.outputs not in OUTPUTS:
            raise InputError(f"The outputs of a teacher are {' or '.join(OUTPUTS[1:])}, not {quote(self.outputs)}.")
        if self.batch_seed is not None:
            object.__setattr__(self, "batch_seed", self.run_knobs()["seed"].check(self.batch_seed))
        if self.teacher_weights and not DIGEST.fullmatch(self.teacher_weights):
            raise InputError(
                f"The teacher_weights of a spec are a digest of 12 letters, not {quote(self.teacher_weights)}."
            )
        for name in (self.teacher, self.student):
            if not name.startswith("module:"):
                MODELS.find(name)
        if clashes := sorted({knob.key for knob in LOSSES.find(self.loss)[0].knobs} & set(self.__dataclass_fields__)):
            raise InputError(
                f"The loss {quote(self.loss)} has a knob {clashes[0]!r}, as each run has: give it another key."
            )
        object.__setattr__(self, "knobs", knob_defaults(self.loss) | check_knobs(self.loss, self.knobs))

    @classmethod
    def suggested(cls, dataset: str, **fields: Any) -> "Spec":
        """Return a spec with the data set's suggested values for all fields that are not in `fields`."""
        entry, _ = DATASETS.find(dataset)
        return cls(**{"dataset": dataset, **entry.suggested, **fields})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the fields that hold a name: of a data set, a network, an augmentation, a loss or a mode."""
        fields = (spec_field.name for spec_field in dataclasses.fields(cls) if spec_field.type is str)
        return tuple(name for name in fields if name not in ("teacher_weights", "outputs"))

    @property
    def label(self) -> str:
        """One line for a list of runs."""
        origin = " from a file" if self.teacher_weights else ""
        return f"{self.student} taught by {self.teacher}{origin} on {self.dataset}"

    @property
    def shuffle_seed(self) -> int:
        """The seed of batches, views and transfer set."""
        return self.seed if self.batch_seed is None else self.batch_seed

    @classmethod
    def run_knobs(cls) -> dict[str, Knob]:
        """Return the knobs of the run itself (epochs, batch size, …) by key."""
        return knob_fields(cls)

    def replace(self, **changes: Any) -> "Spec":
        """Return a copy with these fields changed."""
        return dataclasses.replace(self, **changes)

    def limits_input(self) -> dict[str, Any]:
        """Return what `Limits.check` checks before a run of this spec."""
        teacher_epochs = 0 if self.teacher_weights else self.teacher_epochs
        return {"dataset": self.dataset, "epochs": self.epochs, "teacher_epochs": teacher_epochs}

    def to_json(self) -> str:
        """Return the spec as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Return the spec that `to_json` wrote; raises InputError when the text is no spec."""
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError("This is no kdlab spec, but other or damaged text: give what `to_json` wrote.") from error
        names = [spec_field.name for spec_field in dataclasses.fields(cls)]
        if not isinstance(fields, dict) or (unknown := [key for key in fields if key not in names]):
            problem = f"has no field {quote(unknown[0])}" if isinstance(fields, dict) else "is a list of fields"
            raise InputError(f"This is no kdlab spec, which {problem}: give what `to_json` wrote.")
        return cls(**fields)


def knob_defaults(loss: str) -> dict[str, float]:
    """Return a loss's knobs at their default values."""
    return {knob.key: knob.default for knob in LOSSES.find(loss)[0].knobs}


def check_knobs(loss: str, values: Mapping[str, float]) -> dict[str, float]:
    """Return a loss's knob values, checked; an unknown knob or a bad value raises InputError."""
    knobs = {knob.key: knob for knob in LOSSES.find(loss)[0].knobs}
    for key in values:
        if key not in knobs:
            raise InputError(f"The loss {loss!r} has no knob {quote(key)}; it has {', '.join(knobs)}.")
    return {key: knobs[key].check(value) for key, value in values.items()}
