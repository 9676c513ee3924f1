"""How long an experiment will take here: its pieces, rehearsed without training, times the pace of a few steps."""

import math
import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdlab.augmentations import make_views
from kdlab.datasets import Dataset, Split
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment
from kdlab.experiments.framework.jobs import Course, Piece, Pupil, Subject, Trained
from kdlab.experiments.framework.trainer import Study
from kdlab.experiments.framework.weights_cache import Store
from kdlab.train.evaluate import predict
from kdlab.train.events import Probe, Step
from kdlab.train.group import Learner
from kdlab.train.loop import LiveKnobs, make_network, train
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import check_size

__all__ = ["Plan", "forecast"]

STEPS = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """The pieces (label, seconds) of an experiment in order, the seconds of each by name, and their sum."""

    pieces: tuple[tuple[str, float], ...]
    costs: dict[str, float]
    seconds: float


class Rehearsal(Study):
    """A study that only notes which pieces it is asked for."""

    def __init__(self, data: Dataset, store: Store, most_parameters: float = math.inf) -> None:
        super().__init__(data, store, most_parameters=most_parameters)
        self.pieces: list[Piece] = []

    def learn(
        self, label: str, pupils: Sequence[Pupil], course: Course, *,
        guide: Trained | None = None, split: Split | None = None, examples: Tensor | None = None,
        subjects: Sequence[Subject] = (),
    ) -> Generator[Event, None, list[Trained]]:  # fmt: skip
        """Return the pupils untrained."""
        piece, modules = self._prepare(label, pupils, course, guide, split, examples, subjects)
        self.pieces.append(piece)
        flat = {"curve": {"errors": [0.0] * (course.epochs + 1), "nats": [0.0] * (course.epochs + 1)}, "best_epoch": 1}
        weights = [module.state_dict() for module in modules] * 2
        return self._wrap(piece, modules, weights, {"networks": [flat] * len(modules)})
        yield  # which makes this a generator, as the real one is

    def logits(self, network: Trained, split: Split | None = None) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return zeros."""
        split = self.data.validation if split is None else split
        classes = predict(network.module, split.take(torch.arange(1, device=self.place))).shape[1]
        return np.zeros((len(split), classes), dtype=np.float32)

    def latency(self, networks: Mapping[str, Trained], batch: int) -> dict[str, float]:
        """Return ones."""
        return dict.fromkeys(networks, 1.0)


def forecast(experiment: Experiment, data: Dataset, store: Store, most_parameters: float = math.inf) -> Plan:
    """Return what there is to train and about how long it will take on this machine.

    Raises InputError for a network of more than `most_parameters`.
    """
    rehearsal = Rehearsal(data, store, most_parameters)
    for seed in range(experiment.seeds):
        for _ in experiment.train(rehearsal, seed):
            pass
    paces: dict[Any, tuple[float, float]] = {}
    costs: dict[str, float] = {}
    seen: set[str] = set()
    asked: set[Any] = set()
    labels = []
    for piece in rehearsal.pieces:
        if piece.name in seen:  # a teacher that seeds share
            continue
        seen.add(piece.name)
        if piece.name in store:
            labels.append((piece.label, 0.0))
            continue
        kind = tuple((one.network, one.objective) for one in piece.pupils), piece.course.batch_size
        if kind not in paces:
            paces[kind] = _pace(piece, rehearsal.data)
        step, look = paces[kind]
        seconds = piece.steps * step + (piece.course.epochs + 1) * look
        if piece.guide and (question := (piece.guide.name, piece.split, piece.course.augmentation)) not in asked:
            asked.add(question)
            count = make_views(piece.course.augmentation, piece.split.images[:1]).count
            check_size(count, len(piece.split), len(data.classes))  # refused here, which is before any training
            images = min(len(piece.examples), len(piece.split)) * min(count, piece.course.epochs)
            if unknown := max(0, images - rehearsal.materials.kept_answers(piece)):
                seconds += unknown * _answering(piece.guide, piece.split)
        costs[piece.name] = seconds
        labels.append((piece.label, seconds))
    return Plan(tuple(labels), costs, sum(costs.values()))


def _pace(piece: Piece, data: Dataset) -> tuple[float, float]:
    """Seconds of one step of a piece, from a few, and of one look at the validation images."""
    size = min(piece.course.batch_size, len(piece.examples))
    learners = [
        Learner(f"{at}", make_network(pupil.network, data, pupil.seed, "student"), pupil.seed)
        for at, pupil in enumerate(piece.pupils)
    ]
    spec = Spec(batch_size=size, precision=piece.course.precision)
    examples = piece.examples[:size].repeat(STEPS)
    views = make_views("none", piece.split.images)
    clock, look, seconds = time.perf_counter(), 0.0, []
    for event in train(
        "student", "", learners, piece.split, examples, views, spec,
        epochs=1, live=LiveKnobs(spec), watch=data.validation,
    ):  # fmt: skip
        took = time.perf_counter() - clock
        if isinstance(event, Step):
            seconds.append(took)
        elif isinstance(event, Probe):
            look = took  # the last one's: the first still has to begin
        clock = time.perf_counter()
    return statistics.median(seconds[1:] or seconds), look


def _answering(guide: Trained, split: Split) -> float:
    """Seconds in which the guide answers one example."""
    some = split.take(torch.arange(min(256, len(split)), device=split.labels.device))
    began = time.perf_counter()
    predict(guide.module, some)
    return (time.perf_counter() - began) / len(some)
