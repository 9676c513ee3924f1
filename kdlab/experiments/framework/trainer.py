"""Training for experiments: pieces that are kept, on data without a test set."""

import math
import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset, Split
from kdlab.distillation.validate import check_network
from kdlab.experiments.framework.data_cache import Materials
from kdlab.experiments.framework.events import Advanced, Began, Event
from kdlab.experiments.framework.jobs import Course, Piece, Pupil, Subject, Trained
from kdlab.experiments.framework.train_job import give
from kdlab.experiments.framework.weights_cache import RECIPE, Store, Weights, digest
from kdlab.registry import AUGMENTATIONS, MODELS, OBJECTIVES, InputError
from kdlab.train.device import choose_precision, count_operations
from kdlab.train.evaluate import predict
from kdlab.train.logit_reader import bare
from kdlab.train.loop import make_network
from kdlab.train.network_check import ready_to_train
from kdlab.train.spec import Spec

__all__ = ["Study", "blind"]

ROUNDS = 101  # answers that a latency is the median of


class Study:
    """Trains what an experiment asks for, piece by piece, and keeps what is finished.

    `data` comes without its test set: `blind` takes it out, so that nothing that is trained or chosen can have seen it.
    `trained`: the pieces so far, and the seconds that each took to train, whenever that was; `shares_teacher`: whether
    seeds have one in common. A network of `most_parameters` is the largest that is built.
    """

    def __init__(
        self, data: Dataset, store: Store, costs: Mapping[str, float] | None = None, most_parameters: float = math.inf
    ) -> None:
        self.data = blind(data)
        self.store = store
        self.done = 0.0
        self.trained: list[tuple[str, float]] = []
        self.shares_teacher = False
        self._finished: dict[str, list[Trained]] = {}
        self._costs = costs or {}
        self._most_parameters = most_parameters
        self.materials = Materials(store, len(data.classes), self.place)

    @property
    def place(self) -> torch.device:
        """The device that all is on."""
        return self.data.train.labels.device

    def learn(
        self, label: str, pupils: Sequence[Pupil], course: Course, *,
        guide: Trained | None = None, split: Split | None = None, examples: Tensor | None = None,
        subjects: Sequence[Subject] = (),
    ) -> Generator[Event, None, list[Trained]]:  # fmt: skip
        """Train `pupils`, or read them when they were trained before, and return them in order.

        `guide`: the teacher; `split`: what is learnt from (the training images), of which `examples`, int64, are used
        (all); or `subjects` with data and weights of their own, one for all pupils or one for each. Raises InputError,
        Diverged.
        """
        piece, modules = self._prepare(label, pupils, course, guide, split, examples, subjects)
        if piece.name in self._finished:
            self.shares_teacher = True
            return self._finished[piece.name]
        kept, cost = self._kept(piece), self._costs.get(piece.name, 0.0)
        yield Began(label, kept is not None)
        if kept is None:
            if not subjects:
                self._try(piece, modules)
            weights, record = yield from give(piece, modules, self.materials, self.done, cost)
            self.store.write(piece.name, weights, record | {"mark": piece.mark})
        else:
            weights, record = kept
        self.done += cost
        self.trained.append((label, record["seconds"]))
        yield Advanced(self.done)
        self._finished[piece.name] = self._wrap(piece, modules, weights, record)
        return self._finished[piece.name]

    def _prepare(
        self, label: str, pupils: Sequence[Pupil], course: Course, guide: Trained | None, split: Split | None,
        examples: Tensor | None, subjects: Sequence[Subject],
    ) -> tuple[Piece, list[nn.Module]]:  # fmt: skip
        """What is asked for, worked out, and its networks as they begin."""
        for pupil in pupils:
            pupil.way()  # refused here, which is before any training
        about: dict[str, Any] = {}
        if subjects:
            own = subjects if len(subjects) > 1 else list(subjects) * len(pupils)
            modules = [deepcopy(subject.start) for subject in own]
            data, examples, split = subjects[0].data, subjects[0].examples, subjects[0].data.train
            about["subject"] = subjects[0].name if len(subjects) == 1 else [subject.name for subject in subjects]
        else:
            data, split = self.data, self.data.train if split is None else split
            if self._most_parameters < math.inf:
                for name in {pupil.network for pupil in pupils}:
                    check_network("network", name, data, self._most_parameters)
            modules = [make_network(pupil.network, data, pupil.seed, "student") for pupil in pupils]
            examples = torch.arange(len(split), device=self.place) if examples is None else examples.to(self.place)
            about |= {
                "split": self.materials.fingerprint(split),
                "validation": self.materials.fingerprint(data.validation),
                "examples": digest(examples.tolist()),
                "classes": len(data.classes),
            }
        about |= {
            "recipe": RECIPE,
            "pupils": [asdict(pupil) | {"name": ""} for pupil in pupils],
            "course": asdict(course),
            "guide": guide.name if guide else None,
            "precision": [str(choose_precision(course.precision, module, self.place)) for module in modules],
            "versions": [version("kdlab"), str(torch.__version__), self.place.type],
        }
        if stamps := _stamps(pupils, course):
            about["stamps"] = stamps
        several = subjects if len(subjects) > 1 else ()
        marks = [subject.mark for subject in subjects] + ([guide.mark] if guide else [])
        marks = [mark for mark in marks if mark is not None]
        piece = Piece(label, digest(about), pupils, course, guide, split, examples, data.validation, several, marks)
        return piece, modules

    def _try(self, piece: Piece, modules: Sequence[nn.Module]) -> None:
        """Raise InputError for networks that do not go with the data, before a long training finds out."""
        spec = Spec(batch_size=piece.course.batch_size, precision=piece.course.precision)
        for name, module in {
            pupil.network: module for pupil, module in zip(piece.pupils, modules, strict=True)
        }.items():
            tried = ready_to_train(f"network {name}", module, self.data, spec, len(piece.examples))
            if bare(tried) is not tried:
                raise InputError(f"The network {name} returns more than its logits: let it return them alone.")

    def _kept(self, piece: Piece) -> tuple[Weights, dict[str, Any]] | None:
        """What is kept of a piece that is the same to the mark."""
        kept = self.store.read(piece.name)
        return kept if kept and kept[1].get("mark", piece.mark) == piece.mark else None

    def _wrap(
        self, piece: Piece, modules: Sequence[nn.Module], weights: Weights, record: Mapping[str, Any]
    ) -> list[Trained]:
        """The networks as they ended, each with its best state where there is one."""
        count, networks = len(modules), []
        for at, (module, told) in enumerate(zip(modules, record["networks"], strict=True)):
            name, best = f"{piece.name}/{at}", None
            if piece.course.early_stopping:
                copy = deepcopy(module)
                copy.load_state_dict(weights[count + at])
                best = Trained(copy.eval(), f"{name}/best", told["curve"], told["best_epoch"])
            module.load_state_dict(weights[at])
            networks.append(Trained(module.eval(), name, told["curve"], piece.course.epochs, best))
        return networks

    def logits(self, network: Trained, split: Split | None = None) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return the logits of the validation images, or of another split, float32 (examples, classes)."""
        found: np.ndarray[Any, np.dtype[np.float32]]
        found = predict(network.module, self.data.validation if split is None else split).cpu().numpy()
        return found

    def latency(self, networks: Mapping[str, Trained], batch: int) -> dict[str, float]:
        """Return the seconds of an answer to `batch` images by each network: medians of rounds on one thread."""
        inputs = self.data.validation.inputs(slice(batch))
        seconds: dict[str, list[float]] = {name: [] for name in networks}
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # whatever trained before must not decide
        try:
            for _ in range(ROUNDS):
                for name, network in networks.items():
                    began = time.perf_counter()
                    with torch.no_grad():
                        network.module(inputs)[0, 0].item()  # asked for, so that an accelerator has answered
                    seconds[name].append(time.perf_counter() - began)
        finally:
            torch.set_num_threads(threads)
        return {name: statistics.median(own) for name, own in seconds.items()}


def _stamps(pupils: Sequence[Pupil], course: Course) -> list[str]:
    """What tells a person's own entries from others of the same names, such as those of another day's notebook."""
    names = [(AUGMENTATIONS, course.augmentation)]
    for pupil in pupils:
        names += [(MODELS, pupil.network), (OBJECTIVES, pupil.objective)]
    entries = [registry.get(name.partition(":")[0]) for registry, name in names]
    return sorted({entry.stamp for entry in entries if entry and not entry.shipped})


def blind(data: Dataset) -> Dataset:
    """Return the data with an empty test set."""
    empty = Split(data.validation.images[:0], data.validation.labels[:0])
    return replace(data, test=empty)


def sizes(networks: Sequence[Trained], split: Split) -> dict[str, int]:
    """Return parameters, and multiply-adds for one answer to an image of `split`, of all networks together."""
    image = split.inputs(slice(1))
    return {
        "parameters": sum(p.numel() for network in networks for p in network.module.parameters()),
        "multiply_adds": sum(count_operations(network.module, image) // 2 for network in networks),
    }
