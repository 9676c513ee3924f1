"""Training for experiments: pieces that are kept, on data without a test set."""

import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdlab.core.answers import Answers
from kdlab.core.augmentation import Views, make_views
from kdlab.core.data import Dataset, Split
from kdlab.core.evaluation import predict
from kdlab.core.events import Phase, Probe, Step
from kdlab.core.experiments.events import Advanced, Began, Event, Watched
from kdlab.core.experiments.store import Store, Weights, digest, fingerprint
from kdlab.core.machine import choose_precision
from kdlab.core.metrics import count_errors, cross_entropy
from kdlab.core.selection import Selection
from kdlab.core.spec import Spec
from kdlab.core.teams import Learner
from kdlab.core.training import LiveKnobs, make_network, train
from kdlab.registry import OBJECTIVES, InputError

__all__ = ["Course", "Piece", "Pupil", "Study", "Trained"]

INTERVAL = 0.1  # seconds between two signs of life
# To be raised when a change of the training core makes pieces that were kept before worthless.
RECIPE = 1
ROUNDS = 101  # answers that a latency is the median of
MOST_KEPT = 4  # teachers whose answers, and augmentations whose views, stay in memory


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
class Trained:
    """A network that was trained, its name among all that ever were, and its validation curve by epoch.

    `best`: the same network as it stood after `epoch` epochs, the best by early stopping, where that was asked for.
    """

    module: nn.Module
    name: str
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)
    epoch: int = 0
    best: "Trained | None" = None

    @property
    def stopped_early(self) -> "Trained":
        """The network as early stopping leaves it; the course must have asked for it."""
        assert self.best is not None
        return self.best


@dataclass(frozen=True, eq=False)
class Piece:
    """Pupils that are trained together: what `Study.learn` was asked for, worked out."""

    label: str
    name: str
    pupils: Sequence[Pupil]
    course: Course
    guide: Trained | None
    split: Split
    examples: Tensor

    @property
    def steps(self) -> int:
        """Optimisation steps of the whole piece."""
        size = min(self.course.batch_size, len(self.examples))
        return self.course.epochs * (len(self.examples) // size)


class Study:
    """Trains what an experiment asks for, piece by piece, and keeps what is finished.

    `data` comes without its test set: `blind` takes it out, so that nothing that is trained or chosen can have seen it.
    `seconds`: what all pieces took to train, whenever that was.
    """

    def __init__(self, data: Dataset, store: Store, costs: Mapping[str, float] | None = None) -> None:
        self.data = blind(data)
        self.store = store
        self.done = 0.0
        self.seconds = 0.0
        self._finished: dict[str, list[Trained]] = {}
        self._costs = costs or {}
        self._fingerprints: dict[int, tuple[Split, int]] = {}
        self._views: dict[tuple[int, str], Views] = {}
        self._answers: dict[str, Answers] = {}

    @property
    def place(self) -> torch.device:
        """The device that all is on."""
        return self.data.train.labels.device

    def learn(
        self, label: str, pupils: Sequence[Pupil], course: Course, *,
        guide: Trained | None = None, split: Split | None = None, examples: Tensor | None = None,
    ) -> Generator[Event, None, list[Trained]]:  # fmt: skip
        """Train `pupils`, or read them when they were trained before, and return them in order.

        `guide`: the teacher; `split`: what is learnt from (the training images), of which `examples`, int64, are used
        (all). Raises InputError, Diverged.
        """
        modules = [make_network(pupil.network, self.data, pupil.seed, "student") for pupil in pupils]
        piece = self._piece(label, pupils, modules, course, guide, split, examples)
        if piece.name in self._finished:  # a teacher that seeds share
            return self._finished[piece.name]
        kept = self.store.read(piece.name)
        yield Began(label, kept is not None)
        if kept is None:
            weights, record = yield from self._train(piece, modules)
            self.store.write(piece.name, weights, record)
            self.done += self._costs.get(piece.name, 0.0)
        else:
            weights, record = kept
        self.seconds += record["seconds"]
        yield Advanced(self.done)
        self._finished[piece.name] = self._wrap(piece, modules, weights, record)
        return self._finished[piece.name]

    def _piece(
        self, label: str, pupils: Sequence[Pupil], modules: Sequence[nn.Module], course: Course, guide: Trained | None,
        split: Split | None, examples: Tensor | None,
    ) -> Piece:  # fmt: skip
        for pupil in pupils:
            _way(pupil)  # refused here, which is before any training
        split = self.data.train if split is None else split
        examples = torch.arange(len(split), device=self.place) if examples is None else examples.to(self.place)
        about = {
            "recipe": RECIPE,
            "pupils": [asdict(pupil) | {"name": ""} for pupil in pupils],
            "course": asdict(course),
            "guide": guide.name if guide else None,
            "split": self._fingerprint(split),
            "validation": self._fingerprint(self.data.validation),
            "examples": digest(examples.tolist()),
            "precision": [str(choose_precision(course.precision, module, self.place)) for module in modules],
            "classes": len(self.data.classes),
            "versions": [version("kdlab"), str(torch.__version__), self.place.type],
        }
        return Piece(label, digest(about), pupils, course, guide, split, examples)

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

    def _train(
        self, piece: Piece, modules: Sequence[nn.Module]
    ) -> Generator[Event, None, tuple[Weights, dict[str, Any]]]:
        course, validation = piece.course, self.data.validation
        fields = asdict(course)
        fields.pop("early_stopping")
        spec = Spec(dataset=self.data.name, batch_seed=course.seed, **fields)
        names = [f"{at}" for at in range(len(modules))]
        learners = [
            Learner(name, module, pupil.seed, **_way(pupil))
            for name, module, pupil in zip(names, modules, piece.pupils, strict=True)
        ]
        views = self._make_views(piece.split, course.augmentation)
        answers = self._make_answers(piece, views, spec) if piece.guide else None
        known = answers.known if answers else 0
        selection = Selection() if course.early_stopping else None
        curves: list[dict[str, list[float]]] = [{"errors": [], "nats": []} for _ in names]
        truth = validation.labels.cpu().numpy()
        began = shown = time.perf_counter()
        total = self._costs.get(piece.name, 0.0)
        with closing(
            train(
                "student", piece.label, learners, piece.split, piece.examples, views, spec,
                epochs=course.epochs, live=LiveKnobs(spec), answers=answers, watch=validation, selection=selection,
            )
        ) as events:  # fmt: skip
            for event in events:
                match event:
                    case Phase(steps=steps, steps_per_epoch=per_epoch):
                        pass
                    case Probe() as probe:
                        for name, curve in zip(names, curves, strict=True):
                            curve["errors"].append(count_errors(probe.logits[name], truth))
                            curve["nats"].append(cross_entropy(probe.logits[name], truth))
                        found = {
                            pupil.label: int(own["errors"][-1]) for pupil, own in zip(piece.pupils, curves, strict=True)
                        }
                        yield Watched(piece.label, probe.step // per_epoch, course.epochs, found, len(truth))
                    case Step() if time.perf_counter() - shown > INTERVAL:
                        shown = time.perf_counter()
                        yield Advanced(self.done + total * event.step / steps)
        if answers and answers.known > known:
            name = next(name for name, one in self._answers.items() if one is answers)
            self.store.write(name, [answers.state()], {"label": f"answers for {piece.label}"})
        weights = [module.state_dict() for module in modules]
        best = [course.epochs] * len(names)
        if selection is not None:
            weights += [selection.weights(name) for name in names]
            best = [selection.steps[name] // per_epoch for name in names]
        about = zip(curves, best, strict=True)
        return weights, {
            "label": piece.label,
            "seconds": round(time.perf_counter() - began, 1),
            "networks": [{"curve": curve, "best_epoch": epoch} for curve, epoch in about],
        }

    def _fingerprint(self, split: Split) -> int:
        if id(split) not in self._fingerprints:
            self._fingerprints[id(split)] = split, fingerprint(split)
        return self._fingerprints[id(split)][1]

    def _make_views(self, split: Split, augmentation: str) -> Views:
        key = self._fingerprint(split), augmentation
        if key not in self._views:
            _make_room(self._views)
            self._views[key] = make_views(augmentation, split.images)
        return self._views[key]

    def _make_answers(self, piece: Piece, views: Views, spec: Spec) -> Answers:
        """The teacher's answers, read where they were kept: those to many views take longer than a student."""
        assert piece.guide is not None
        guide = piece.guide.module
        dtype = choose_precision(spec.precision, guide, self.place)
        name = self._answers_name(piece, dtype)
        if name not in self._answers:
            _make_room(self._answers)
            sizes = len(piece.split), len(self.data.classes)
            self._answers[name] = Answers(guide, views, *sizes, dtype, self.place)
            if kept := self.store.read(name):
                self._answers[name].restore(kept[0][0])
        return self._answers[name]

    def _answers_name(self, piece: Piece, dtype: torch.dtype) -> str:
        assert piece.guide is not None
        about = [RECIPE, piece.guide.name, self._fingerprint(piece.split), piece.course.augmentation, str(dtype)]
        return f"answers-{digest([*about, self.place.type])}"

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


def blind(data: Dataset) -> Dataset:
    """Return the data with an empty test set."""
    empty = Split(data.validation.images[:0], data.validation.labels[:0])
    return replace(data, test=empty)


def _way(pupil: Pupil) -> dict[str, Any]:
    if not pupil.objective:
        return {}
    entry, _ = OBJECTIVES.find(pupil.objective)
    known = {knob.key: knob for knob in entry.knobs}
    if unknown := set(pupil.knobs) - set(known):
        raise InputError(f"The objective {pupil.objective!r} has no knob {unknown.pop()!r}.")
    knobs = {key: knob.check(pupil.knobs.get(key, knob.default)) for key, knob in known.items()}
    return {"objective": entry.build, "knobs": knobs}


def _make_room(kept: dict[Any, Any]) -> None:
    while len(kept) >= MOST_KEPT:
        del kept[next(iter(kept))]
