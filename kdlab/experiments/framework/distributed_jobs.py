"""Pieces of an experiment that can be trained by now, wherever that is done, and the training of one of them.

Which piece needs which is in no list: an experiment is a program, whose later pieces may depend on what earlier ones
answered. So it is gone through with what is kept, and with stand-ins for what is not: networks of numbers that are
none (NaN), in which all that is made of them can be told. A piece that was asked for before anything depended on a
stand-in can be trained. What a teacher answers is kept, because it differs in the last digit with the batch it is asked
in: a piece whose teacher others would have asked before first has it answer what they would ask.
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
from kdlab.experiments.framework.jobs import Course, Piece, Pupil, Subject, Trained
from kdlab.experiments.framework.plan import Rehearsal
from kdlab.experiments.framework.train_job import give
from kdlab.experiments.framework.trainer import Study
from kdlab.experiments.framework.weights_cache import Store
from kdlab.registry import InputError
from kdlab.train.device import choose_precision, count_operations, isolated, prepared, set_threads
from kdlab.train.events import Saved
from kdlab.train.heads import body
from kdlab.train.loop import make_network
from kdlab.train.stacked_mlp import plan

__all__ = ["Scout", "Task", "train_piece"]


@dataclass(frozen=True, slots=True)
class Task:
    """A piece that can be trained: its label, its seed, and the names of what is read from the store before.

    `replays`: the pieces that would have asked the teacher before, in order.
    """

    label: str
    seed: int
    needs: tuple[str, ...]
    replays: tuple[str, ...] = ()


class Scout(Rehearsal):
    """A study that reads what is kept, has stand-ins for the rest, and notes what can be trained."""

    def __init__(self, data: Dataset, store: Store) -> None:
        super().__init__(data, store)
        self.ready: dict[str, Task] = {}
        self._asking: dict[str, list[str]] = {}
        self._from_before = {path.stem for path in store.folder.glob("*.safetensors")}
        self._said: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}

    def look(self, experiment: Experiment) -> dict[str, Task]:
        """Return the pieces that can be trained with what is kept, by name, in order; none when all is kept."""
        self.ready, self._asking = {}, {}
        for seed in range(experiment.seeds):
            for _ in self.go(experiment, seed):
                pass
        return self.ready

    def go(self, experiment: Experiment, seed: int) -> Generator[Event, None, Any]:
        """Go through one seed."""
        self._seed, self._needs, self._guessed = seed, dict[str, None](), False
        return experiment.train(self, seed)

    def learn(
        self, label: str, pupils: Sequence[Pupil], course: Course, *,
        guide: Trained | None = None, split: Split | None = None, examples: Tensor | None = None,
        subjects: Sequence[Subject] = (),
    ) -> Generator[Event, None, list[Trained]]:  # fmt: skip
        """Return the pupils as they are kept, or stand-ins."""
        piece, modules = self._prepare(label, pupils, course, guide, split, examples, subjects)
        answers, replays = self._asks(piece)
        if piece.name not in self._finished and (kept := self._kept(piece)):
            self._finished[piece.name] = self._wrap(piece, modules, *kept)
        if piece.name in self._finished:
            self._needs[piece.name] = None
            return self._finished[piece.name]
        sources = [subject.start for subject in subjects] + ([guide.module] if guide else [])
        if not self._guessed and not any(map(_is_stand_in, sources)):
            needs = (*self._needs, *([answers] if answers in self.store else []))
            self.ready.setdefault(piece.name, Task(label, self._seed, needs, replays))
        networks = yield from super().learn(
            label, pupils, course, guide=guide, split=split, examples=examples, subjects=subjects
        )
        for network in networks:
            for one in filter(None, (network, network.best)):
                with torch.no_grad():
                    for parameter in one.module.parameters():
                        parameter.fill_(torch.nan)
        return networks

    def _asks(self, piece: Piece) -> tuple[str, tuple[str, ...]]:
        """The name of the teacher's answers, and the pieces that ask for them before this one."""
        if piece.guide is None or _is_stand_in(piece.guide.module):
            return "", ()
        name = self.materials.name(piece)
        before = self._asking.setdefault(name, [])
        replays = () if self.materials.are_known(piece) else tuple(one for one in before if one != piece.name)
        if piece.name not in before and piece.name not in self._from_before:
            before.append(piece.name)
        return name, replays

    def logits(self, network: Trained, split: Split | None = None) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return the logits of a network that is kept, or zeros, after which nothing is sure."""
        if _is_stand_in(network.module):
            self._guessed = True
            return super().logits(network, split)
        if split is not None:
            return Study.logits(self, network, split)
        if network.name not in self._said:
            self._said[network.name] = Study.logits(self, network)
        return self._said[network.name]


class Apprentice(Scout):
    """A scout that trains one piece when it comes to it."""

    def __init__(self, data: Dataset, store: Store, wanted: str, replays: Sequence[str]) -> None:
        super().__init__(data, store)
        self._wanted, self._replays = wanted, list(replays)

    def learn(
        self, label: str, pupils: Sequence[Pupil], course: Course, *,
        guide: Trained | None = None, split: Split | None = None, examples: Tensor | None = None,
        subjects: Sequence[Subject] = (),
    ) -> Generator[Event, None, list[Trained]]:  # fmt: skip
        """Train the pupils when they are those that are wanted."""
        rest: dict[str, Any] = {"guide": guide, "split": split, "examples": examples, "subjects": subjects}
        piece, modules = self._prepare(label, pupils, course, *rest.values())
        networks = yield from super().learn(label, pupils, course, **rest)
        if piece.name in self._replays:
            self._replays.remove(piece.name)
            self._replay(piece, modules)
        elif piece.name == self._wanted and piece.name in self.ready and not self._replays:
            networks = yield from Study.learn(self, label, pupils, course, **rest)
        return networks

    def _replay(self, piece: Piece, modules: Sequence[nn.Module]) -> None:
        """Have the teacher asked as it would be, by students that are next to nothing.

        That is in the same batches, and on as many threads as `modules`, the students themselves, would be trained on.
        """
        answers = self.materials.answers(piece)
        assert answers is not None
        most = len(piece.split) * self.materials.views(piece.split, piece.course.augmentation).count
        small = [make_network("mlp:1x1", self.data, pupil.seed, "student") for pupil in piece.pupils]
        dtype = choose_precision(piece.course.precision, modules[0], self.place)
        batch = piece.split.inputs(slice(min(piece.course.batch_size, len(piece.examples))))
        operations = [count_operations(module, batch) for module in modules]
        with closing(give(piece, small, self.materials, 0.0, 0.0)) as events:
            for at, _ in enumerate(events):
                if at == 0:  # only now, as the training has just chosen for the small ones
                    set_threads(sum(operations) if plan(body(modules[0])) else max(operations), dtype)
                if answers.known == most:
                    break


@isolated
def train_piece(
    experiment: Experiment, seed: int, name: str, replays: Sequence[str], threads: int,
    checkpoint: Mapping[str, bytes] | None = None,
) -> Generator[Event | Saved, None, None]:  # fmt: skip
    """Train one piece of an experiment on as many threads, and yield its events and at last its files.

    `checkpoint`: the files that it needs. Raises InputError, also where the same settings make another
    piece than `name`; Diverged.
    """
    torch.set_num_threads(threads)  # first, as it is the most that `prepared` lets the training choose
    with prepared() as place, tempfile.TemporaryDirectory(prefix="kdlab-piece-") as folder:
        data = (yield from load_events(experiment.dataset)).to(place)
        for file, content in (checkpoint or {}).items():
            Path(folder, os.path.basename(file)).write_bytes(content)  # noqa: PTH119
        store = Store(Path(folder))
        apprentice = Apprentice(data, store, name, replays)
        for event in itertools.chain.from_iterable(apprentice.go(experiment, one) for one in range(seed + 1)):
            yield event
            if name in store:
                break
        else:
            raise InputError(
                f"A worker on {place.type} with torch {torch.__version__} would train other pieces than this "
                f"machine: both need the same kdlab, the same torch and the same kind of device."
            )
        own, given = f"{name}.safetensors", checkpoint or {}
        made = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        # The answers, too, as the store would have them after this piece.
        news = (file for file in made if file == own or (not replays and made[file] != given.get(file)))
        yield Saved({file: made[file] for file in news}, True)


def _is_stand_in(module: nn.Module) -> bool:
    """Whether a stand-in's numbers are in a network, however that was put together."""
    return any(value.is_floating_point() and bool(value.isnan().any()) for value in module.state_dict().values())
