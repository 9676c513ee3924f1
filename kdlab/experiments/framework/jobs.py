"""What an experiment asks a study for: pupils, a course for them, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kdlab.registry import OBJECTIVES, InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from kdlab.datasets import Dataset, Split

__all__ = ["Course", "Piece", "Pupil", "Subject", "Trained"]


@dataclass(frozen=True, slots=True)
class Pupil:
    """A network to train: on labels, or on a teacher's answers by `objective` with `knobs`.

    `seed` fixes its first weights and its dropout.
    """

    network: str
    seed: int
    objective: str = ""
    knobs: Mapping[str, float] = field(default_factory=dict)
    name: str = ""

    @property
    def label(self) -> str:
        """What to call it beside others."""
        return self.name or self.network

    def way(self) -> dict[str, Any]:
        """Return its objective and knobs, as a `Learner` takes them; raises InputError for a bad one."""
        if not self.objective:
            return {}
        entry, _ = OBJECTIVES.find(self.objective)
        known = {knob.key: knob for knob in entry.knobs}
        if unknown := set(self.knobs) - set(known):
            raise InputError(f"The objective {self.objective!r} has no knob {unknown.pop()!r}.")
        knobs = {key: knob.check(self.knobs.get(key, knob.default)) for key, knob in known.items()}
        return {"objective": entry.build, "knobs": knobs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How pupils are trained, side by side on the same batches, whose order `seed` fixes.

    `early_stopping`: the weights of the best epoch, by errors on the validation images, are kept beside the last.
    """

    epochs: int
    seed: int = 0
    batch_size: int = 256
    learning_rate: float = 1e-3
    augmentation: str = "none"
    schedule: str = "cosine"
    precision: str = "auto"
    early_stopping: bool = False


@dataclass(frozen=True, eq=False)
class Subject:
    """What pupils learn when it is not the whole: `data` of its own, of whose training images `examples` are shown.

    `start`: the network as it begins, of which each pupil is a copy. `name` stands for all of it, so that a plan can be
    made before any of it is known: it must follow from what it is made of. `mark`: what came to be known of it, as
    plain data; what is kept with another one is trained anew.
    """

    name: str
    data: "Dataset"
    start: "nn.Module"
    examples: "Tensor"
    mark: Any = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A network that was trained, its name among all that ever were, and its validation curve by epoch.

    `best`: the same network as it stood after `epoch` epochs, the best by early stopping, where that was asked for.
    `mark`: as a `Subject` has it.
    """

    module: "nn.Module"
    name: str
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)
    epoch: int = 0
    best: "Trained | None" = None
    mark: Any = None

    @property
    def stopped_early(self) -> "Trained":
        """The network as early stopping leaves it; the course must have asked for it."""
        assert self.best is not None
        return self.best


@dataclass(frozen=True, eq=False)
class Piece:
    """Pupils that are trained together: what `Study.learn` was asked for, worked out.

    `subjects`: of each pupil its own, where there are several, instead of `split`, `examples` and `validation`.
    """

    label: str
    name: str
    pupils: Sequence[Pupil]
    course: Course
    guide: Trained | None
    split: "Split"
    examples: "Tensor"
    validation: "Split"
    subjects: "Sequence[Subject]" = ()
    mark: Any = None

    @property
    def steps(self) -> int:
        """Optimisation steps of the whole piece."""
        size = min(self.course.batch_size, len(self.examples))
        return self.course.epochs * (len(self.examples) // size)
