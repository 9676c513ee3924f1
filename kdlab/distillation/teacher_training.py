"""The teacher of a run: trained, or the last one again when only the student's knobs have changed."""

import dataclasses
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kdlab.augmentations import make_views
from kdlab.datasets import Dataset
from kdlab.registry import AUGMENTATIONS, MODELS
from kdlab.train.checkpoint import Keeper
from kdlab.train.device import choose_precision
from kdlab.train.evaluate import finished
from kdlab.train.events import Event, KnobsTurned, Probe, Saved, Step
from kdlab.train.group import Learner
from kdlab.train.live_params import Events, LiveKnobs
from kdlab.train.loop import make_network, train
from kdlab.train.network_check import ready_to_train
from kdlab.train.spec import STUDENT_ONLY, Spec
from kdlab.train.teacher_logits import Answers

__all__ = ["Teacher", "forget_teacher", "recipe", "teach", "teach_or_replay"]


@dataclass(slots=True, eq=False)
class Teacher:
    """A trained network, the seconds that it took, and its answers, which are kept for as long as it is.

    `validation`: its logits of the validation images, float32 (examples, classes), where they are known.
    """

    module: nn.Module
    seconds: float = 0.0
    validation: NDArray[np.float32] | None = None
    _answers: dict[tuple[object, ...], Answers] = field(default_factory=dict)

    def answers(self, data: Dataset, spec: Spec) -> Answers:
        """Return its logits of the training images in the views of the spec's augmentation; raises InputError."""
        device = data.train.images.device
        dtype = choose_precision(spec.precision, self.module, device)
        key = spec.augmentation, AUGMENTATIONS.find(spec.augmentation)[0].build, dtype
        if key not in self._answers:
            views = make_views(spec.augmentation, data.train.images)
            # Of the latest augmentation only, to bound the memory.
            self._answers = {key: Answers(self.module, views, len(data.train), len(data.classes), dtype, device)}
        return self._answers[key]

    def forget_answers(self) -> None:
        """Give back the memory of its answers."""
        self._answers = {}


def recipe(spec: Spec) -> tuple[object, ...]:
    """Return all that a teacher's training depends on, but for the data: what is kept for another run is kept by it.

    A name that is registered anew stands for another recipe.
    """
    named = (getattr(spec, item.name) for item in dataclasses.fields(spec) if item.name not in STUDENT_ONLY)
    return *named, MODELS.find(spec.teacher)[0].build, AUGMENTATIONS.find(spec.teacher_augmentation)[0].build


def teach(module: nn.Module, data: Dataset, spec: Spec, live: LiveKnobs, keeper: Keeper | None = None) -> Events:
    """Train a teacher on the labels of the whole training set."""
    learner = Learner("teacher", module, spec.seed)
    everything = torch.arange(len(data.train), device=data.train.labels.device)
    views = make_views(spec.teacher_augmentation, data.train.images)
    yield from train(
        "teacher", "Training the teacher", [learner], data.train, everything, views, spec,
        epochs=spec.teacher_epochs, live=live, watch=data.validation, keeper=keeper,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Taught:
    """A teacher that was trained here and all that happened, for whoever only turns the student's knobs."""

    key: tuple[object, ...]
    teacher: Teacher
    events: list[Event]


_last_teacher: _Taught | None = None
# Evaluations that a kept teacher may hold, in bytes: more is trained again rather than kept.
MOST_KEPT = 200e6


def forget_teacher(dataset: str) -> None:
    """Forget a kept teacher that cannot serve a run on `dataset`, before another data set fills the memory."""
    global _last_teacher
    # A name with an argument stands for a person's own files, which are read anew for each run.
    if _last_teacher and (_last_teacher.key[0] != dataset or ":" in dataset):
        _last_teacher = None


def teach_or_replay(
    loaded: Dataset, data: Dataset, spec: Spec, live: LiveKnobs, keeper: Keeper
) -> Generator[Event, Mapping[str, float] | None, Teacher]:
    """Train the spec's teacher, or go on with it, or replay the same one trained before, and return it."""
    global _last_teacher
    key = spec.dataset, loaded, recipe(spec)
    if _last_teacher and _last_teacher.key == key and not keeper.checkpoint:
        for event in _last_teacher.events:
            yield from live.emit(event, "teacher", event.step if isinstance(event, Step) else 0)
        return _last_teacher.teacher
    keeper.begin("teacher")
    module = ready_to_train("teacher", make_network(spec.teacher, data, spec.seed, "teacher"), data, spec)
    events: list[Event] = []
    turned = None
    with closing(teach(module, data, spec, live, keeper)) as teaching:
        while True:
            try:
                event = teaching.send(turned)
            except StopIteration:
                break
            if not isinstance(event, KnobsTurned | Saved):
                events.append(event)
            turned = yield event
    teacher = Teacher(finished(module), keeper.seconds)
    kept = sum(event.logits["teacher"].nbytes for event in events if isinstance(event, Probe))
    if kept < MOST_KEPT and not keeper.checkpoint:  # whose events are not all there
        _last_teacher = _Taught(key, teacher, events)
    return teacher
