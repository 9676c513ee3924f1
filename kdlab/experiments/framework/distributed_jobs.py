"""The jobs of an experiment that can be trained now, on any machine, and the training of one of them.

No list says which job needs which: an experiment is a program, whose later jobs may depend on the logits of earlier
ones. So the program runs with the cached networks, and with stand-ins for all others: networks whose weights are NaN,
so that every network that depends on one has NaN in its weights, too. A job can be trained if it was requested before
anything depended on a stand-in. A teacher's logits are saved, because their last digit depends on the batch: where
other jobs would have asked the teacher first, their requests are replayed before the job is trained.
"""

import itertools
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset, Split, load_events
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment
from kdlab.experiments.framework.jobs import DataOverride, NetworkSpec, TrainConfig, TrainedNetwork, TrainJob
from kdlab.experiments.framework.plan import Rehearsal
from kdlab.experiments.framework.train_job import run
from kdlab.experiments.framework.trainer import Study
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.live_params import LiveParams
from kdlab.registry import InputError
from kdlab.train.device import choose_precision, count_operations, isolated, set_threads, training_context
from kdlab.train.events import Saved
from kdlab.train.heads import body
from kdlab.train.loop import make_network
from kdlab.train.stacked_mlp import mlp_signature

__all__ = ["ReadyJob", "Scout", "train_ready_job"]


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job that can be trained: its label, its seed, and the names of the cache files that it reads.

    `replays`: the jobs that would have asked the teacher before, in order.
    """

    label: str
    seed: int
    dependencies: tuple[str, ...]
    replays: tuple[str, ...] = ()


class Scout(Rehearsal):
    """A study that reads cached networks, has stand-ins for all others, and collects the jobs that can be trained."""

    def __init__(self, data: Dataset, weights_cache: WeightsCache) -> None:
        super().__init__(data, weights_cache)
        self.ready: dict[str, ReadyJob] = {}
        self._requested_by: dict[str, list[str]] = {}
        self._cached_at_start = {path.stem for path in weights_cache.folder.glob("*.safetensors")}
        self._logits: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}

    def find_ready(self, experiment: Experiment) -> dict[str, ReadyJob]:
        """Return the jobs that can be trained with the cached networks, by name, in order; none when all are cached."""
        self.ready, self._requested_by = {}, {}
        for seed in range(experiment.seeds):
            for _ in self.run_seed(experiment, seed):
                pass
        return self.ready

    def run_seed(self, experiment: Experiment, seed: int) -> Generator[Event, None, Any]:
        """Run the experiment's program for one seed."""
        self._seed, self._dependencies, self._depends_on_stand_in = seed, dict[str, None](), False
        return experiment.train(self, seed)

    def train(
        self, label: str, specs: Sequence[NetworkSpec], config: TrainConfig, *,
        teacher: TrainedNetwork | None = None, split: Split | None = None, examples: Tensor | None = None,
        overrides: Sequence[DataOverride] = (),
    ) -> Generator[Event, None, list[TrainedNetwork]]:  # fmt: skip
        """Return the cached networks, or stand-ins."""
        job, modules = self._prepare(label, specs, config, teacher, split, examples, overrides)
        logits_name, replays = self._teacher_request(job)
        if job.name not in self._finished and (cached := self._load(job)):
            self._finished[job.name] = self._wrap(job, modules, *cached)
        if job.name in self._finished:
            self._dependencies[job.name] = None
            return self._finished[job.name]
        sources = [override.initial for override in overrides] + ([teacher.module] if teacher else [])
        if not self._depends_on_stand_in and not any(map(_is_stand_in, sources)):
            dependencies = (*self._dependencies, *([logits_name] if logits_name in self.weights_cache else []))
            self.ready.setdefault(job.name, ReadyJob(label, self._seed, dependencies, replays))
        networks = yield from super().train(
            label, specs, config, teacher=teacher, split=split, examples=examples, overrides=overrides
        )
        for network in networks:
            for state in filter(None, (network, network.best)):
                with torch.no_grad():
                    for parameter in state.module.parameters():
                        parameter.fill_(torch.nan)
        return networks

    def _teacher_request(self, job: TrainJob) -> tuple[str, tuple[str, ...]]:
        """The file name of the teacher's logits, and the jobs that ask for them before this one."""
        if job.teacher is None or _is_stand_in(job.teacher.module):
            return "", ()
        name = self.data_cache.name(job)
        requesters = self._requested_by.setdefault(name, [])
        replays = (
            ()
            if self.data_cache.is_complete(job)
            else tuple(requester for requester in requesters if requester != job.name)
        )
        if job.name not in requesters and job.name not in self._cached_at_start:
            requesters.append(job.name)
        return name, replays

    def logits(self, network: TrainedNetwork, split: Split | None = None) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return the logits of a cached network, or zeros, on which all that follows depends."""
        if _is_stand_in(network.module):
            self._depends_on_stand_in = True
            return super().logits(network, split)
        if split is not None:
            return Study.logits(self, network, split)
        if network.name not in self._logits:
            self._logits[network.name] = Study.logits(self, network)
        return self._logits[network.name]


class Apprentice(Scout):
    """A scout that trains one job when the program requests it."""

    def __init__(self, data: Dataset, weights_cache: WeightsCache, target: str, replays: Sequence[str]) -> None:
        super().__init__(data, weights_cache)
        self._target, self._replays = target, list(replays)

    def train(
        self, label: str, specs: Sequence[NetworkSpec], config: TrainConfig, *,
        teacher: TrainedNetwork | None = None, split: Split | None = None, examples: Tensor | None = None,
        overrides: Sequence[DataOverride] = (),
    ) -> Generator[Event, None, list[TrainedNetwork]]:  # fmt: skip
        """Train the networks if they are the target job."""
        options: dict[str, Any] = {"teacher": teacher, "split": split, "examples": examples, "overrides": overrides}
        job, modules = self._prepare(label, specs, config, *options.values())
        networks = yield from super().train(label, specs, config, **options)
        if job.name in self._replays:
            self._replays.remove(job.name)
            self._replay(job, modules)
        elif job.name == self._target and job.name in self.ready and not self._replays:
            networks = yield from Study.train(self, label, specs, config, **options)
        return networks

    def _replay(self, job: TrainJob, modules: Sequence[nn.Module]) -> None:
        """Ask the teacher as the job would, with the smallest of students.

        That is in the same batches, and on as many threads as `modules`, the job's own students, would be trained on.
        """
        teacher_logits = self.data_cache.teacher_logits(job)
        assert teacher_logits is not None
        view_count = len(job.split) * self.data_cache.views(job.split, job.config.augmentation).count
        small = [make_network("mlp:1x1", self.data, spec.seed, "student") for spec in job.specs]
        dtype = choose_precision(job.config.precision, modules[0], self.device)
        batch = job.split.inputs(slice(min(job.config.batch_size, len(job.examples))))
        operations = [count_operations(module, batch) for module in modules]
        with closing(run(job, small, self.data_cache, 0.0, 0.0)) as events:
            for index, _ in enumerate(events):
                if index == 0:  # only now, as the training has just chosen the threads for the small students
                    set_threads(sum(operations) if mlp_signature(body(modules[0])) else max(operations), dtype)
                if teacher_logits.cached_count == view_count:
                    break


@isolated
def train_ready_job(
    experiment: Experiment, seed: int, name: str, replays: Sequence[str], threads: int,
    checkpoint: Mapping[str, bytes] | None = None, live: LiveParams | None = None,
) -> Generator[Event | Saved, None, None]:  # fmt: skip
    """Train one job of an experiment on `threads` threads, and yield its events and at last its files.

    `checkpoint`: the files that it needs; `live` is not used. Raises InputError, also where the same settings make
    another job than `name`; Diverged.
    """
    torch.set_num_threads(threads)  # first, as it is the most that `training_context` lets the training choose
    with training_context() as device, tempfile.TemporaryDirectory(prefix="kdlab-piece-") as folder:
        data = (yield from load_events(experiment.dataset)).to(device)
        for file, content in (checkpoint or {}).items():
            Path(folder, os.path.basename(file)).write_bytes(content)  # noqa: PTH119
        weights_cache = WeightsCache(Path(folder))
        apprentice = Apprentice(data, weights_cache, name, replays)
        for event in itertools.chain.from_iterable(
            apprentice.run_seed(experiment, number) for number in range(seed + 1)
        ):
            yield event
            if name in weights_cache:
                break
        else:
            raise InputError(
                f"A worker on {device.type} with torch {torch.__version__} would train other pieces than this "
                f"machine: both need the same kdlab, the same torch and the same kind of device."
            )
        weights_file, inputs = f"{name}.safetensors", checkpoint or {}
        contents = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        # The teacher's logits, too, as the cache would have them after this job.
        news = (
            file for file in contents if file == weights_file or (not replays and contents[file] != inputs.get(file))
        )
        yield Saved({file: contents[file] for file in news}, True)


def _is_stand_in(module: nn.Module) -> bool:
    """Whether a stand-in's numbers are in a network, however that was put together."""
    return any(value.is_floating_point() and bool(value.isnan().any()) for value in module.state_dict().values())
