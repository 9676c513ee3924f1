"""Experiments in miniature: smallest settings, on digits whose test images note when they are looked at."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from seal import Sealed, log
from torch import Tensor

import kdlab.experiments  # noqa: F401  (fills the registry)
from kdlab.datasets import Dataset, loading
from kdlab.experiments.framework.events import ExperimentFinished
from kdlab.experiments.framework.experiment import Experiment
from kdlab.experiments.framework.run import reproduce_events
from kdlab.registry import DATASETS, EXPERIMENTS, Entry

# Speech has its own data set and its own tests.
NAMES = [name for name in EXPERIMENTS if name != "speech"]
SEEDS = 2
# The smallest sensible values of the fields that experiments have; of an experiment with others, its quick ones count.
SMALLEST: dict[str, Any] = {
    "dataset": "sealed:plain", "other": "sealed:plain", "teacher": "mlp:12x1:dropout=0.2:max_norm=2",
    "student": "mlp:8x1", "network": "mlp:8x1", "augmentation": "affine:views=2", "temperatures": "3,10,20",
    "widths": "4,8", "shares": "10,100", "share": 10, "left_out": "3; only 7,8", "every": False, "seeds": SEEDS,
    "members": 3, "teachers": 2, "epochs": 2, "teacher_epochs": 2, "cnn_epochs": 1, "long_epochs": 2, "steps": 20,
    "subsets": "", "similarity": "correlation", "clustering": "k-means", "count": 3, "size": 4, "specialist_epochs": 1,
    "student_epochs": 2,
}  # fmt: skip
# Where these will not do.
OWN: dict[str, dict[str, Any]] = {
    "mnist": {"network": "cnn:width=2"},
    "cnn-to-mlp": {"network": "cnn:width=2"},
}


def sealed(argument: str) -> Generator[Any, None, Dataset]:
    """Digits with a sealed test set: "plain" the usual one, "changed" other images with labels in another order."""
    data: Dataset = yield from DATASETS["digits"].build("")
    images, labels = data.test.images, data.test.labels
    if argument == "changed":
        draw = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, images.shape, generator=draw, dtype=torch.uint8)
        labels = labels[torch.randperm(len(labels), generator=draw)]
    return replace(data, name=f"sealed:{argument}", test=Sealed(images, labels), notes=("The test set is sealed.",))


def kind_of(name: str) -> type[Experiment]:
    kind: Any = EXPERIMENTS[name].build
    return kind  # type: ignore[no-any-return]


def smallest(name: str, **changes: Any) -> dict[str, Any]:
    known = {item.name for item in fields(kind_of(name))}
    return {key: value for key, value in (SMALLEST | OWN.get(name, {}) | changes).items() if key in known}


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that came of an experiment: its events, its files' weights, and the log's entries in order."""

    events: list[Any]
    pieces: dict[str, dict[str, Tensor]]
    log: list[str]

    def every(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def concluded(self) -> ExperimentFinished:
        end = self.events[-1]
        assert isinstance(end, ExperimentFinished)
        return end

    @property
    def report(self) -> Any:
        return self.concluded.report

    @property
    def numbers(self) -> dict[str, Any]:
        """What must be the same in each run: all of the report but how long something took."""
        whole = {key: value for key, value in self.report.items() if key not in ("seconds", "pieces", "settings")}
        whole["rows"] = [row for row in whole["rows"] if ": time for an answer" not in row["label"]]
        return whole | {"chosen": self.chosen}

    @property
    def chosen(self) -> list[dict[str, Any]]:
        return [{key: value for key, value in one.items() if key != "latency"} for one in self.report["chosen"]]


@cache
def outcome(name: str) -> Outcome:
    """An experiment from beginning to end, made once for all tests of a process."""
    with TemporaryDirectory() as folder:
        return conduct(name, Path(folder))


@contextmanager
def noting(kind: type[Experiment]) -> Iterator[None]:
    """Note in the log when the experiment has trained and chosen what it needs for a seed."""
    train = kind.train

    def noted(self: Experiment, study: Any, seed: int) -> Any:
        finished = yield from train(self, study, seed)
        log.append("trained")
        return finished

    check = loading._check

    def unnoted(name: str, dataset: object) -> None:
        """Whether a data set is well-formed is asked of its test set too, and decides nothing."""
        looks = len(log)
        check(name, dataset)
        del log[looks:]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_check", unnoted)
        patch.setattr(kind, "train", noted)
        patch.setitem(DATASETS._entries, "sealed", Entry("sealed", "Sealed digits", "for tests", sealed))
        yield


def conduct(name: str, folder: Path, pieces: int | None = None, **changes: Any) -> Outcome:
    """Run an experiment with its smallest settings, or until so many `pieces` are finished and the next has begun."""
    log.clear()
    events: list[Any] = []
    begun = 0
    with noting(kind_of(name)):
        running = reproduce_events(name, folder, True, smallest(name, **changes))
        for event in running:
            events.append(event)
            begun += type(event).__name__ == "JobStarted"
            if pieces is not None and begun > pieces:
                running.close()
    kept = {path.stem: load_file(path) for path in sorted(folder.iterdir())}
    # What teachers answered is kept beside the networks.
    pieces = {name: tensors for name, tensors in kept.items() if "0/known" not in tensors}
    return Outcome(events, pieces, list(log))
