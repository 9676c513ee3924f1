"""An experiment whose pieces are trained by the workers of a pool, several at once; the report is the same."""

import queue
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import click
import torch

from kdlab.datasets import Dataset, load_events
from kdlab.experiments.framework.distributed_jobs import Scout, Task
from kdlab.experiments.framework.events import Advanced, Began, Concluded, Event, Noted, Planned, Watched
from kdlab.experiments.framework.experiment import Experiment
from kdlab.experiments.framework.plan import forecast
from kdlab.experiments.framework.report_files import put
from kdlab.experiments.framework.run import reproduce_events
from kdlab.experiments.framework.weights_cache import Store
from kdlab.registry import InputError
from kdlab.runs.protocol import Engine, Job
from kdlab.runs.worker import ENDS, Happened, Message, Status
from kdlab.train.device import isolated, prepared

__all__ = ["spread_events"]

TRIES = 3  # of a piece whose worker or scheduler is lost
TRAIN = "kdlab.experiments.framework.distributed_jobs:train_piece"


@isolated
def spread_events(
    engine: Engine, experiment: Experiment, name: str, folder: Path, quick: bool, settings: Mapping[str, Any]
) -> Generator[Event, None, None]:
    """Yield the events of the experiment called `name`, as `reproduce_events` would.

    Raises InputError, and ClickException when a piece cannot be trained.
    """
    with prepared() as place:
        data = (yield from load_events(experiment.dataset)).to(place)
        store = Store(folder)
        plan = forecast(experiment, data, store)
        yield Planned(plan.pieces, plan.seconds)
        yield from _Spread(engine, experiment, data, store, plan.costs).events()
    for event in reproduce_events(name, folder, quick, settings):
        if isinstance(event, Noted | Concluded) or (isinstance(event, Began) and not event.kept):
            yield event


class _Spread:
    """Pieces that are trained by now, and how far each has come."""

    def __init__(
        self, engine: Engine, experiment: Experiment, data: Dataset, store: Store, costs: Mapping[str, float]
    ) -> None:
        self._engine, self._experiment, self._store, self._costs = engine, experiment, store, costs
        self._scout = Scout(data, store)
        self._inbox: queue.Queue[tuple[str, Message]] = queue.Queue()
        self._running: dict[str, Task] = {}
        self._shares: dict[str, float] = {}
        self._lost: Counter[str] = Counter()
        self._done: set[str] = set()

    def events(self) -> Generator[Event, None, None]:
        """Train until nothing is left that can be."""
        tasks = self._scout.look(self._experiment)
        while tasks or self._running:
            while tasks and len(self._running) < self._engine.slots:
                name = next(iter(tasks))
                self._start(name, tasks.pop(name))
            try:
                name, message = self._inbox.get(timeout=1.0)
            except queue.Empty:  # there may be more workers by now
                continue
            if isinstance(message, Happened):
                yield from self._hear(name, message.event)
            elif message.state == "running":
                yield Began(self._running[name].label, False)
            elif message.state in ENDS:
                self._end(name, message)
                if not tasks:
                    found = self._scout.look(self._experiment)
                    tasks = {name: task for name, task in found.items() if name not in self._running}
                    if again := self._done & tasks.keys():
                        raise click.ClickException(
                            f"{tasks[again.pop()].label}: what a worker trained is not what was asked for; it needs "
                            f"the same kdlab and the same kind of machine."
                        )

    def _start(self, name: str, task: Task) -> None:
        self._running[name] = task
        arguments = self._experiment, task.seed, name, task.replays, torch.get_num_threads()
        job = Job(
            "piece", TRAIN, arguments, "", Watched, task.label, "reproduce"
        )  # fmt: skip
        files = {file.name: file.read_bytes() for need in task.needs if (file := self._file(need)).is_file()}
        self._engine.start(name, job, False, files, lambda message: self._inbox.put((name, message)))

    def _file(self, name: str) -> Path:
        return self._store.folder / f"{name}.safetensors"

    def _hear(self, name: str, event: Any) -> Generator[Event, None, None]:
        if isinstance(event, Watched):
            self._shares[name] = event.epoch / event.epochs
            yield event
            yield Advanced(sum(self._costs.get(one, 0.0) * share for one, share in self._shares.items()))
        elif hasattr(event, "files"):
            try:
                self._store.folder.mkdir(parents=True, exist_ok=True)
                for file, content in event.files.items():
                    put(self._store.folder / Path(file).name, content)
            except OSError as error:
                raise InputError(
                    f"What was trained cannot be kept in {self._store.folder} ({error.strerror}): make room there, or "
                    f"choose another folder with --out."
                ) from error

    def _end(self, name: str, end: Status) -> None:
        task = self._running.pop(name)
        if end.kind in ("WorkerDied", "PoolLost"):
            self._lost[name] += 1
            if self._lost[name] < TRIES:
                click.echo(f"{task.label}: {end.message} It is begun again.", err=True)
                return
        if end.state != "done":
            raise click.ClickException(f"{task.label}: {end.message}")
        self._done.add(name)
