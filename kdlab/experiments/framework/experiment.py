"""The base class of experiments: a frozen record of settings, the training, and the summary of the test logits.

To add one, derive a frozen dataclass from `Experiment` in a file of its own and register it with `EXPERIMENTS.add`: the
command `kdlab reproduce` and the contract tests find it by themselves; pages are listed in `kdlab.pages`. Numbers
are `knob_field`s; text fields are names (of a data set, a network …) or text of its own kind. `train` never sees the
test set; `summarize` sees nothing but the logits of the trained networks on it. Torch is imported inside methods only:
the pages list experiments.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from kdlab import augmentations, datasets, losses, models  # noqa: F401  (they fill the registries)
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.jobs import TrainedNetwork
from kdlab.registry import AUGMENTATIONS, DATASETS, MODELS, InputError, Knob, Registry, knob_field, knob_fields, quote

if TYPE_CHECKING:
    from kdlab.experiments.framework.report import ReportSummary, Rescored
    from kdlab.experiments.framework.trainer import Study

__all__ = ["NAMES", "Experiment", "SeedResult", "TrainedSeed"]

# The fields whose text is a name that a registry knows.
NAMES: dict[str, Registry] = {
    "dataset": DATASETS, "other": DATASETS, "teacher": MODELS, "student": MODELS, "network": MODELS,
    "augmentation": AUGMENTATIONS,
}  # fmt: skip


@dataclass(frozen=True)
class TrainedSeed:
    """The outcome of training one seed.

    `networks` to be tested, by name: one, or several that are evaluated one by one; `chosen`: choices that were made
    without the test set (an offset, an epoch …), by name; `extras`: further arrays that a page may show.
    """

    networks: Mapping[str, TrainedNetwork | Sequence[TrainedNetwork]]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SeedResult:
    """The networks of one seed on the test set, which is read once, after all training of all seeds.

    `logits`: float32 (examples, classes), or (networks, examples, classes) where there were several, by name; `labels`
    int64 (examples,), of `classes`; `groups`: which examples belong together (frames of a recording), int64
    (examples,), or None; `curves`: validation errors and cross-entropy by epoch, by name; `sizes`: parameters and
    multiply-adds, by name; `extras`: as in `TrainedSeed`; `images`: uint8 (examples, channels, height, width), to show.
    """

    seed: int
    labels: NDArray[np.int64]
    logits: Mapping[str, NDArray[np.float32]]
    classes: Sequence[str] = ()
    groups: NDArray[np.int64] | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    images: NDArray[np.uint8] | None = None

    def wrong(self, name: str) -> NDArray[np.float64]:
        """Return 1 where the network called `name` is wrong and 0 where it is right, float64 (…, examples)."""
        wrong: NDArray[np.float64] = (self.logits[name].argmax(-1) != self.labels).astype(np.float64)
        return wrong


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """The settings of one experiment; their defaults are the full one, `quick` says what the quick one changes.

    `sliders` set the values with which `rescore` scores the validation logits that `summarize` returned. `title` of its
    page, which shows all experiments of the same title, and the `question` that the page answers, in the first of them;
    by default a page of its own, with its label and help.
    """

    dataset: str = "mnist"
    seeds: int = knob_field("seeds", "Seeds", 3, 1, 100, "how often all is repeated, but for shared teachers")

    title: ClassVar[str] = ""
    question: ClassVar[str] = ""
    quick: ClassVar[Mapping[str, Any]] = {}
    sliders: ClassVar[tuple[Knob, ...]] = ()

    def __post_init__(self) -> None:
        for key, knob in knob_fields(type(self)).items():
            object.__setattr__(self, key, knob.check(getattr(self, key)))
        for key, registry in NAMES.items():
            if hasattr(self, key):
                registry.find(getattr(self, key))
        for setting in fields(self):
            if setting.type is str and not isinstance(value := getattr(self, setting.name), str):
                raise InputError(f"The setting {setting.name} must be text, not {quote(value)}.")

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of all data sets that it reads."""
        return tuple(getattr(self, key) for key in NAMES if NAMES[key] is DATASETS and hasattr(self, key))

    @property
    def max_epochs(self) -> int:
        """The largest of the settings that count epochs, or 0 without any."""
        return max((getattr(self, key) for key in knob_fields(type(self)) if key.endswith("epochs")), default=0)

    def limits_input(self, quick: bool) -> dict[str, Any]:
        """Return what `Limits.check` checks before the quick or the full experiment is run with these settings."""
        size = "quick" if quick else "full"
        return {"experiment": True, "size": size, "datasets": self.datasets, "epochs": self.max_epochs}

    @classmethod
    def of_size(cls, quick: bool, /, **changes: Any) -> Self:
        """Return the quick or the full experiment with these settings changed; raises InputError."""
        names = [setting.name for setting in fields(cls)]
        for key in changes:
            if key not in names:
                raise InputError(f"The experiment has no setting {quote(key)}; it has {', '.join(names)}.")
        return cls(**{**(cls.quick if quick else {}), **changes})

    @abstractmethod
    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train what one seed needs and choose what must be chosen, on training and validation images alone."""

    @abstractmethod
    def summarize(self, results: Sequence[SeedResult]) -> "ReportSummary":
        """Return rows, claims and charts from the results of all seeds."""

    @classmethod
    def choices(cls, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Return what a page offers to choose from beside the sliders, the first to begin with; it may be nothing."""
        return []

    @classmethod
    def rescore(cls, arrays: Mapping[str, NDArray[Any]], choice: str, values: Mapping[str, float]) -> "Rescored":
        """Return what the kept logits (`Summary.arrays`) say for a choice and the sliders' `values`, in NumPy alone."""
        raise NotImplementedError
