"""The teacher of a run: trained, or the last one again when only the student's knobs have changed."""

import time
from collections.abc import Generator, Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass

from torch import nn

from kdlab.core.data import Dataset
from kdlab.core.events import Event, KnobsTurned, Probe, Step
from kdlab.core.spec import Spec
from kdlab.core.training import Events, Learner, LiveKnobs, hard_loss, make_network, train

__all__ = ["forget_teacher", "teach", "teach_or_replay"]


def teach(module: nn.Module, data: Dataset, spec: Spec, live: LiveKnobs) -> Events:
    """Train a teacher on the labels of the whole training set."""
    learner = Learner("teacher", module, hard_loss)
    yield from train(
        "teacher", "Training the teacher", [learner], data, data.train, spec, epochs=spec.teacher_epochs, live=live
    )


@dataclass(frozen=True, slots=True)
class _Taught:
    """A teacher that was trained here and all that happened, for whoever only turns the student's knobs."""

    key: tuple[object, ...]
    module: nn.Module
    events: list[Event]
    seconds: float


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
    loaded: Dataset, data: Dataset, spec: Spec, live: LiveKnobs
) -> Generator[Event, Mapping[str, float] | None, tuple[nn.Module, float]]:
    """Train the spec's teacher, or replay the same one trained before; return it and the seconds that it took."""
    global _last_teacher
    key = (spec.dataset, loaded, spec.teacher, spec.teacher_epochs, spec.batch_size, spec.learning_rate, spec.seed)
    if _last_teacher and _last_teacher.key == key:
        for event in _last_teacher.events:
            yield from live.emit(event, "teacher", event.step if isinstance(event, Step) else 0)
        return deepcopy(_last_teacher.module).eval(), _last_teacher.seconds
    began = time.perf_counter() - live.waited
    module = make_network(spec.teacher, data, spec.seed, "teacher")
    events: list[Event] = []
    turned = None
    with closing(teach(module, data, spec, live)) as teaching:
        while True:
            try:
                event = teaching.send(turned)
            except StopIteration:
                break
            if not isinstance(event, KnobsTurned):
                events.append(event)
            turned = yield event
    seconds = time.perf_counter() - live.waited - began
    kept = sum(event.logits["teacher"].nbytes for event in events if isinstance(event, Probe))
    if kept < MOST_KEPT:
        _last_teacher = _Taught(key, deepcopy(module), events, seconds)
    return module.eval(), seconds
