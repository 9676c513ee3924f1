"""The plan of an experiment: its jobs, from a run without training, and the seconds of each, from a few steps."""

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
from kdlab.experiments.framework.jobs import DataOverride, NetworkSpec, TrainConfig, TrainedNetwork, TrainJob
from kdlab.experiments.framework.trainer import Study
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.train.evaluate import predict
from kdlab.train.events import Probe, Step
from kdlab.train.group import Learner
from kdlab.train.loop import make_network, train
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import check_size

__all__ = ["Plan", "forecast"]

TIMED_STEPS = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs (label, seconds) of an experiment in order, the seconds of each by name, and their sum."""

    jobs: tuple[tuple[str, float], ...]
    costs: dict[str, float]
    seconds: float


class Rehearsal(Study):
    """A study that only collects the jobs that it is asked for."""

    def __init__(self, data: Dataset, weights_cache: WeightsCache, max_parameters: float = math.inf) -> None:
        super().__init__(data, weights_cache, max_parameters=max_parameters)
        self.jobs: list[TrainJob] = []

    def train(
        self, label: str, specs: Sequence[NetworkSpec], config: TrainConfig, *,
        teacher: TrainedNetwork | None = None, split: Split | None = None, examples: Tensor | None = None,
        overrides: Sequence[DataOverride] = (),
    ) -> Generator[Event, None, list[TrainedNetwork]]:  # fmt: skip
        """Return the networks untrained."""
        job, modules = self._prepare(label, specs, config, teacher, split, examples, overrides)
        self.jobs.append(job)
        flat = {"curve": {"errors": [0.0] * (config.epochs + 1), "nats": [0.0] * (config.epochs + 1)}, "best_epoch": 1}
        weights = [module.state_dict() for module in modules] * 2
        return self._wrap(job, modules, weights, {"networks": [flat] * len(modules)})
        yield  # which makes this a generator, as the real one is

    def logits(self, network: TrainedNetwork, split: Split | None = None) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return zeros."""
        split = self.data.validation if split is None else split
        classes = predict(network.module, split.take(torch.arange(1, device=self.device))).shape[1]
        return np.zeros((len(split), classes), dtype=np.float32)

    def latency(self, networks: Mapping[str, TrainedNetwork], batch: int) -> dict[str, float]:
        """Return ones."""
        return dict.fromkeys(networks, 1.0)


def forecast(
    experiment: Experiment, data: Dataset, weights_cache: WeightsCache, max_parameters: float = math.inf
) -> Plan:
    """Return the jobs to train and about how long they will take on this machine.

    Raises InputError for a network of more than `max_parameters`.
    """
    rehearsal = Rehearsal(data, weights_cache, max_parameters)
    for seed in range(experiment.seeds):
        for _ in experiment.train(rehearsal, seed):
            pass
    paces: dict[Any, tuple[float, float]] = {}
    costs: dict[str, float] = {}
    counted: set[str] = set()
    asked: set[Any] = set()
    labels = []
    for job in rehearsal.jobs:
        if job.name in counted:  # a teacher that seeds share
            continue
        counted.add(job.name)
        if job.name in weights_cache:
            labels.append((job.label, 0.0))
            continue
        kind = tuple((spec.network, spec.loss) for spec in job.specs), job.config.batch_size
        if kind not in paces:
            paces[kind] = _pace(job, rehearsal.data)
        step, look = paces[kind]
        seconds = job.steps * step + (job.config.epochs + 1) * look
        if job.teacher and (question := (job.teacher.name, job.split, job.config.augmentation)) not in asked:
            asked.add(question)
            count = make_views(job.config.augmentation, job.split.images[:1]).count
            check_size(count, len(job.split), len(data.classes))  # raises InputError here, before any training
            images = min(len(job.examples), len(job.split)) * min(count, job.config.epochs)
            if unknown := max(0, images - rehearsal.data_cache.count_saved(job)):
                seconds += unknown * _prediction_seconds(job.teacher, job.split)
        costs[job.name] = seconds
        labels.append((job.label, seconds))
    return Plan(tuple(labels), costs, sum(costs.values()))


def _pace(job: TrainJob, data: Dataset) -> tuple[float, float]:
    """Seconds of one step of a job, from a few, and of one validation."""
    size = min(job.config.batch_size, len(job.examples))
    learners = [
        Learner(f"{index}", make_network(network_spec.network, data, network_spec.seed, "student"), network_spec.seed)
        for index, network_spec in enumerate(job.specs)
    ]
    spec = Spec(batch_size=size, precision=job.config.precision)
    examples = job.examples[:size].repeat(TIMED_STEPS)
    views = make_views("none", job.split.images)
    clock, look, seconds = time.perf_counter(), 0.0, []
    for event in train(
        "student", "", learners, job.split, examples, views, spec,
        epochs=1, eval_split=data.validation,
    ):  # fmt: skip
        took = time.perf_counter() - clock
        if isinstance(event, Step):
            seconds.append(took)
        elif isinstance(event, Probe):
            look = took  # the last one's: the first still has to begin
        clock = time.perf_counter()
    return statistics.median(seconds[1:] or seconds), look


def _prediction_seconds(teacher: TrainedNetwork, split: Split) -> float:
    """Seconds in which the teacher predicts one example."""
    some = split.take(torch.arange(min(256, len(split)), device=split.labels.device))
    began = time.perf_counter()
    predict(teacher.module, some)
    return (time.perf_counter() - began) / len(some)
