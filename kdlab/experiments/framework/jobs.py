"""Training jobs of experiments: the networks to train, how, on which data, and the trained networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kdlab.lazy import nn, torch
from kdlab.registry import LOSSES, InputError

if TYPE_CHECKING:
    from kdlab.datasets import Dataset, Split

__all__ = ["DataOverride", "NetworkSpec", "TrainConfig", "TrainJob", "TrainedNetwork"]


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network to train: on labels, or on a teacher's logits by `loss` with `knobs`.

    `seed` fixes its first weights and its dropout.
    """

    network: str
    seed: int
    loss: str = ""
    knobs: Mapping[str, float] = field(default_factory=dict)
    name: str = ""

    @property
    def label(self) -> str:
        """Its name beside others."""
        return self.name or self.network

    def loss_args(self) -> dict[str, Any]:
        """Return its loss and knobs, as a `Learner` takes them; raises InputError for a bad one."""
        if not self.loss:
            return {}
        entry, _ = LOSSES.find(self.loss)
        knobs_by_key = {knob.key: knob for knob in entry.knobs}
        if unknown := set(self.knobs) - set(knobs_by_key):
            raise InputError(f"The loss {self.loss!r} has no knob {unknown.pop()!r}.")
        knobs = {key: knob.check(self.knobs.get(key, knob.default)) for key, knob in knobs_by_key.items()}
        return {"loss": entry.build, "knobs": knobs}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How networks are trained, side by side on the same batches, whose order `seed` fixes.

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
class DataOverride:
    """Data and first weights that replace the study's: of the training images of `data`, `examples` are shown.

    `initial`: the network before training; each network of the job starts as a copy. `name` identifies the override
    before its content is known, so that a plan can be made: it must follow from the inputs. `cache_tag`: plain data
    that become known only later; networks that were cached with another tag are trained anew.
    """

    name: str
    data: Dataset
    initial: nn.Module
    examples: torch.Tensor
    cache_tag: Any = None


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network, its unique name, and its validation curve by epoch.

    `best`: the same network after `epoch` epochs, the best by early stopping, if the config asks for it. `cache_tag`:
    as in `DataOverride`.
    """

    module: nn.Module
    name: str
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)
    epoch: int = 0
    best: TrainedNetwork | None = None
    cache_tag: Any = None

    @property
    def stopped_early(self) -> TrainedNetwork:
        """The network after early stopping, which the config must ask for."""
        assert self.best is not None
        return self.best


@dataclass(frozen=True, eq=False)
class TrainJob:
    """Networks that are trained together: a request to `Study.train`, with all defaults filled in.

    `overrides`: one for each network, where there are several, instead of `split`, `examples` and `validation`.
    """

    label: str
    name: str
    specs: Sequence[NetworkSpec]
    config: TrainConfig
    teacher: TrainedNetwork | None
    split: Split
    examples: torch.Tensor
    validation: Split
    overrides: Sequence[DataOverride] = ()
    cache_tag: Any = None

    @property
    def steps(self) -> int:
        """Optimisation steps of the whole job."""
        size = min(self.config.batch_size, len(self.examples))
        return self.config.epochs * (len(self.examples) // size)
