"""The teacher of a run: trained, or reused from the last run if only the student's settings changed."""

import dataclasses
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kdlab.augmentations import make_views
from kdlab.datasets import Dataset
from kdlab.live_params import LiveParams
from kdlab.registry import AUGMENTATIONS, MODELS
from kdlab.train.checkpoint import Checkpointer
from kdlab.train.device import choose_precision
from kdlab.train.evaluate import finished
from kdlab.train.events import Event, ParamsChanged, Probe, Saved
from kdlab.train.group import Learner
from kdlab.train.loop import make_network, train
from kdlab.train.network_check import ready_to_train
from kdlab.train.spec import STUDENT_ONLY, Spec
from kdlab.train.teacher_logits import TeacherLogitCache

__all__ = ["Teacher", "forget_teacher", "recipe", "train_or_reuse_teacher", "train_teacher"]


@dataclass(slots=True, eq=False)
class Teacher:
    """A trained network, its seconds of training, and a cache of its logits.

    `validation`: its logits of the validation images, float32 (examples, classes), or None.
    """

    module: nn.Module
    seconds: float = 0.0
    validation: NDArray[np.float32] | None = None
    _logit_caches: dict[tuple[object, ...], TeacherLogitCache] = field(default_factory=dict)

    def logit_cache(self, data: Dataset, spec: Spec) -> TeacherLogitCache:
        """Return its logits of the training images in the views of the spec's augmentation; raises InputError."""
        device = data.train.images.device
        dtype = choose_precision(spec.precision, self.module, device)
        key = spec.augmentation, AUGMENTATIONS.find(spec.augmentation)[0].build, dtype
        if key not in self._logit_caches:
            views = make_views(spec.augmentation, data.train.images)
            # Only for the latest augmentation, to limit the memory.
            self._logit_caches = {
                key: TeacherLogitCache(self.module, views, len(data.train), len(data.classes), dtype, device)
            }
        return self._logit_caches[key]

    def clear_logit_cache(self) -> None:
        """Free the memory of the cached logits."""
        self._logit_caches = {}


def recipe(spec: Spec) -> tuple[object, ...]:
    """Return everything that a teacher's training depends on, except the data, as a key for reuse.

    A name that is registered again gives another key.
    """
    named = (
        getattr(spec, spec_field.name) for spec_field in dataclasses.fields(spec) if spec_field.name not in STUDENT_ONLY
    )
    return *named, MODELS.find(spec.teacher)[0].build, AUGMENTATIONS.find(spec.teacher_augmentation)[0].build


def train_teacher(
    module: nn.Module,
    data: Dataset,
    spec: Spec,
    live: LiveParams | None = None,
    checkpointer: Checkpointer | None = None,
) -> Generator[Event, None, None]:
    """Train a teacher on the labels of the whole training set."""
    learner = Learner("teacher", module, spec.seed)
    everything = torch.arange(len(data.train), device=data.train.labels.device)
    views = make_views(spec.teacher_augmentation, data.train.images)
    yield from train(
        "teacher", "Training the teacher", [learner], data.train, everything, views, spec,
        epochs=spec.teacher_epochs, live=live, eval_split=data.validation, checkpointer=checkpointer,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _CachedTeacher:
    """A teacher that was trained in this process, and the events of its training, for runs that reuse it."""

    key: tuple[object, ...]
    teacher: Teacher
    events: list[Event]


_last_teacher: _CachedTeacher | None = None
# Size of the evaluations of a cached teacher; a teacher with more is not cached.
MAX_CACHED_BYTES = 200e6


def forget_teacher(dataset: str) -> None:
    """Drop the cached teacher if a run on `dataset` cannot reuse it, before another data set takes memory."""
    global _last_teacher
    # A name with an argument refers to a user's files, which are read again for each run.
    if _last_teacher and (_last_teacher.key[0] != dataset or ":" in dataset):
        _last_teacher = None


def train_or_reuse_teacher(
    cpu_data: Dataset, data: Dataset, spec: Spec, live: LiveParams, checkpointer: Checkpointer
) -> Generator[Event, None, Teacher]:
    """Train the spec's teacher, or resume its training, or replay the events of the cached one; return it."""
    global _last_teacher
    key = spec.dataset, cpu_data, recipe(spec)
    if _last_teacher and _last_teacher.key == key and not checkpointer.checkpoint:
        yield from _last_teacher.events
        return _last_teacher.teacher
    checkpointer.start_phase("teacher")
    module = ready_to_train("teacher", make_network(spec.teacher, data, spec.seed, "teacher"), data, spec)
    events: list[Event] = []
    with closing(train_teacher(module, data, spec, live, checkpointer)) as teacher_events:
        for event in teacher_events:
            if not isinstance(event, ParamsChanged | Saved):
                events.append(event)
            yield event
    teacher = Teacher(finished(module), checkpointer.seconds)
    cached_bytes = sum(event.logits["teacher"].nbytes for event in events if isinstance(event, Probe))
    if cached_bytes < MAX_CACHED_BYTES and not checkpointer.checkpoint:  # a resumed run lacks the earlier events
        _last_teacher = _CachedTeacher(key, teacher, events)
    return teacher
