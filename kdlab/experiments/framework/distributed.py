"""An experiment whose jobs are trained by the workers of a pool, several at once; the report is the same."""

import queue
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import torch

from kdlab.atomic import write_atomic
from kdlab.datasets import Dataset, load_events
from kdlab.experiments.framework.distributed_jobs import ReadyJob, Scout
from kdlab.experiments.framework.events import (
    Event,
    ExperimentFinished,
    ExperimentPlanned,
    JobStarted,
    JobValidated,
    PlanAdvanced,
    PreviewReady,
)
from kdlab.experiments.framework.experiment import Experiment
from kdlab.experiments.framework.plan import forecast
from kdlab.experiments.framework.run import reproduce_events
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, EventBatch, Executor, RunRequest, Status, WorkerMessage
from kdlab.train.device import isolated, training_context

__all__ = ["distributed_events"]

MAX_TRIES = 3  # of a job whose worker or scheduler is lost
TRAIN_JOB = "kdlab.experiments.framework.distributed_jobs:train_ready_job"


@isolated
def distributed_events(
    executor: Executor, experiment: Experiment, name: str, folder: Path, quick: bool, settings: Mapping[str, Any]
) -> Generator[Event, None, None]:
    """Yield the events of the experiment called `name`, as `reproduce_events` would.

    Raises InputError, and ClickException when a job cannot be trained.
    """
    with training_context() as device:
        data = (yield from load_events(experiment.dataset)).to(device)
        weights_cache = WeightsCache(folder)
        plan = forecast(experiment, data, weights_cache)
        yield ExperimentPlanned(plan.jobs, plan.seconds)
        yield from _DistributedRun(executor, experiment, data, weights_cache, plan.costs).events()
    for event in reproduce_events(name, folder, quick, settings):
        if isinstance(event, PreviewReady | ExperimentFinished) or (isinstance(event, JobStarted) and not event.kept):
            yield event


class _DistributedRun:
    """The jobs in progress, and how far each has come."""

    def __init__(
        self,
        executor: Executor,
        experiment: Experiment,
        data: Dataset,
        weights_cache: WeightsCache,
        costs: Mapping[str, float],
    ) -> None:
        self._executor, self._experiment, self._weights_cache, self._costs = executor, experiment, weights_cache, costs
        self._scout = Scout(data, weights_cache)
        self._inbox: queue.Queue[tuple[str, WorkerMessage]] = queue.Queue()
        self._running: dict[str, ReadyJob] = {}
        self._shares: dict[str, float] = {}
        self._lost_count: Counter[str] = Counter()
        self._done: set[str] = set()

    def events(self) -> Iterator[Event]:
        """Train until no job is ready or running."""
        ready_jobs = self._scout.find_ready(self._experiment)
        while ready_jobs or self._running:
            while ready_jobs and len(self._running) < self._executor.slots:
                name = next(iter(ready_jobs))
                self._start(name, ready_jobs.pop(name))
            try:
                name, message = self._inbox.get(timeout=1.0)
            except queue.Empty:  # there may be more workers by now
                continue
            if isinstance(message, EventBatch):
                for event in message.events:
                    yield from self._on_event(name, event)
            elif message.state == "running":
                yield JobStarted(self._running[name].label, False)
            elif message.state in ENDS:
                self._on_end(name, message)
                if not ready_jobs:
                    ready = self._scout.find_ready(self._experiment)
                    ready_jobs = {name: ready_job for name, ready_job in ready.items() if name not in self._running}
                    if repeated := self._done & ready_jobs.keys():
                        raise click.ClickException(
                            f"{ready_jobs[repeated.pop()].label}: what a worker trained is not what was asked for; it "
                            f"needs the same kdlab and the same kind of machine."
                        )

    def _start(self, name: str, ready_job: ReadyJob) -> None:
        self._running[name] = ready_job
        arguments = self._experiment, ready_job.seed, name, ready_job.replays, torch.get_num_threads()
        request = RunRequest("piece", TRAIN_JOB, arguments, "", JobValidated, ready_job.label, "reproduce")
        files = {
            file.name: file.read_bytes()
            for dependency in ready_job.dependencies
            if (file := self._path(dependency)).is_file()
        }
        self._executor.start(request, Limits(), files, False, lambda message: self._inbox.put((name, message)))

    def _path(self, name: str) -> Path:
        return self._weights_cache.folder / f"{name}.safetensors"

    def _on_event(self, name: str, event: Any) -> Iterator[Event]:
        if isinstance(event, JobValidated):
            self._shares[name] = event.epoch / event.epochs
            yield event
            yield PlanAdvanced(sum(self._costs.get(job_name, 0.0) * share for job_name, share in self._shares.items()))
        elif hasattr(event, "files"):
            try:
                self._weights_cache.folder.mkdir(parents=True, exist_ok=True)
                for file, content in event.files.items():
                    write_atomic(self._weights_cache.folder / Path(file).name, content)
            except OSError as error:
                raise InputError(
                    f"What was trained cannot be kept in {self._weights_cache.folder} ({error.strerror}): make room "
                    f"there, or choose another folder with --out."
                ) from error

    def _on_end(self, name: str, end: Status) -> None:
        ready_job = self._running.pop(name)
        if end.kind in ("WorkerDied", "PoolLost"):
            self._lost_count[name] += 1
            if self._lost_count[name] < MAX_TRIES:
                click.echo(f"{ready_job.label}: {end.message} It is begun again.", err=True)
                return
        if end.state != "done":
            raise click.ClickException(f"{ready_job.label}: {end.message}")
        self._done.add(name)
