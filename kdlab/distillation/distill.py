"""Distillation from data to result: as events for a page, and as `fit` and `distill` for a script.

from kdlab.distillation.distill import distill, fit

teacher = fit("digits", "mlp:256x2:dropout=0.5", epochs=20)
run = distill("digits", teacher, "mlp:16x1", epochs=20, temperature=4)
print(run.result["student"], run.result["baseline"])
"""

import math
import warnings
from collections.abc import Generator, Mapping
from contextlib import closing
from copy import deepcopy
from typing import Any, TypeVar

import torch
from torch import nn

from kdlab.augmentations import make_views
from kdlab.datasets import load, load_events
from kdlab.distillation.options import distill_spec, fit_spec
from kdlab.distillation.result import DistillResult, Network, opened_event, predict_test_set, summarize
from kdlab.distillation.teacher_training import Teacher, forget_teacher, train_or_reuse_teacher, train_teacher
from kdlab.distillation.trained_teacher import check_hidden_classes, note_idle_options, ready_to_teach
from kdlab.distillation.validate import check_loss, check_parameters, check_transfer_size, check_weights
from kdlab.io import WeightsFile
from kdlab.live_params import LiveParams
from kdlab.registry import LOSSES, InputError, InputWarning
from kdlab.train.batches import transfer_set
from kdlab.train.checkpoint import Checkpoint, Checkpointer
from kdlab.train.clock import WorkClock
from kdlab.train.device import isolated, training_context
from kdlab.train.evaluate import finished
from kdlab.train.events import Done, Event, Note, Probe, Restored
from kdlab.train.group import Learner
from kdlab.train.history import History
from kdlab.train.logit_reader import unwrap
from kdlab.train.loop import make_network, train
from kdlab.train.network_check import copy_network, ready_to_train
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import check_size

__all__ = ["check_transfer_size", "check_weights", "distill", "distill_events", "fit"]

Result = TypeVar("Result")


def distill(dataset: str, teacher: Network, student: Network, **options: Any) -> DistillResult:
    """Distil a student next to a hard-label baseline with the same start and the same batches.

    `teacher`: the name of a model to train first, or a trained module; −inf among its logits is taken for a very low
    number, and half or double precision is answered by a float32 copy. `student`: a name, or a module, of which a copy
    is trained and returned. A module takes images (batch, channels, height, width) as numbers from 0 to 1 and returns
    logits (batch, classes): alone, as the `logits` of an object, or as the only such tensor of a tuple. `options`:
    fields of `Spec` (epochs, seed, …) and knobs of the loss (temperature, …), with the data set's suggested values
    as defaults. `outputs="probabilities"` for a teacher that returns these. Warnings about the result are issued as an
    InputWarning and kept in `result["notes"]`. Raises InputError, Diverged.
    """
    spec = distill_spec(dataset, teacher, student, options)
    events = distill_events(
        spec,
        teacher=teacher if isinstance(teacher, nn.Module) else None,
        student=student if isinstance(student, nn.Module) else None,
    )
    with training_context():  # once, not for each event
        return _drain(events)


def fit(
    dataset: str, network: Network, *, epochs: int = 20, augmentation: str = "none", **options: Any
) -> nn.Module:  # fmt: skip
    """Train one network on labels and return it, ready to predict; of a module, a copy is trained.

    `augmentation`: how its images are moved; `options`: batch_size, learning_rate, seed, batch_seed, precision and
    schedule. For inputs and outputs of a module see `distill`. Raises InputError, Diverged.
    """
    spec = fit_spec(dataset, network, epochs, augmentation, options)
    with training_context() as device:
        data = load(dataset).to(device)
        if data.notes:
            warnings.warn(" ".join(data.notes), InputWarning, stacklevel=2)
        if isinstance(network, str):
            network = make_network(network, data, spec.seed, "teacher")
        network = ready_to_train("network", network, data, spec)
        _drain(train_teacher(network, data, spec))
    return finished(unwrap(network))


@isolated
def distill_events(
    spec: Spec, *, live: LiveParams | None = None, teacher: nn.Module | WeightsFile | None = None,
    student: nn.Module | None = None, every: float | None = None, checkpoint: Mapping[str, bytes] | None = None,
    max_parameters: float = math.inf,
) -> Generator[Event, None, DistillResult]:  # fmt: skip
    """Yield the events of a run and return the `DistillResult`; knobs set in `live` take effect at the next step.

    A trained `teacher`, or the spec's with the weights of a file, is only evaluated; without one, the spec's is trained
    first. `every`: seconds after which an epoch ends with a checkpoint (`Saved`; None: never); `checkpoint`: its files,
    from which a run resumes; it ends exactly as without the interruption. `max_parameters`: the largest size of a
    network. Raises InputError, Diverged.
    """
    if isinstance(teacher, WeightsFile):
        spec = spec.replace(teacher_weights=teacher.digest)
    live = LiveParams() if live is None else live
    live.values = dict(spec.knobs)
    history, clock = History(), WorkClock()
    checkpointer = Checkpointer(
        spec, live, clock, history, every, None if checkpoint is None else Checkpoint.read(checkpoint, spec)
    )
    with training_context() as device:
        events = _events(spec, device, live, checkpointer, teacher, student, max_parameters)
        networks = yield from _record(events, history, clock)
        teacher_network, student, baseline = map(unwrap, networks)
        return DistillResult(spec, teacher_network, finished(student), finished(baseline), history)


def _record(
    events: Generator[Event, None, Result], history: History, clock: WorkClock
) -> Generator[Event, None, Result]:
    """Yield the events and return their generator's result; each is in the history before the consumer gets it."""
    with closing(events):
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                result: Result = end.value
                return result
            history.append(event)
            with clock.stopped():
                yield event


def _events(
    spec: Spec, device: torch.device, live: LiveParams, checkpointer: Checkpointer,
    teacher: nn.Module | WeightsFile | None, student: nn.Module | None, max_parameters: float,
) -> Generator[Event, None, tuple[nn.Module, nn.Module, nn.Module]]:  # fmt: skip
    if checkpointer.checkpoint:
        yield Restored(checkpointer.checkpoint.files["history.npz"])
    check_weights(spec)
    # Checkpoints of the student's phase contain the teacher.
    if spec.teacher_weights and teacher is None and checkpointer.phase != "student":
        raise InputError("This run's teacher came from a file: choose the file again.")
    if spec.outputs and teacher is None:
        raise InputError("The outputs are those of a teacher that is trained already: leave them out of this spec.")
    forget_teacher(spec.dataset)
    cpu_data = yield from load_events(spec.dataset)
    if max_parameters < math.inf:
        check_parameters(spec, cpu_data, max_parameters)
    if isinstance(teacher, WeightsFile):
        teacher = teacher.load_into(spec.teacher, cpu_data.shape, len(cpu_data.classes))
    checkpointer.check_data(cpu_data)
    data = cpu_data.to(device)
    check_transfer_size(spec, data)
    check_loss(spec, len(data.classes))
    if not checkpointer.checkpoint:
        yield opened_event(spec, data)
        yield from map(Note, data.notes)

    # Before a teacher is trained, so that an unusable network is refused at once.
    if student is None:
        student = make_network(spec.student, data, spec.seed, "student")
    teacher_argument = teacher
    if teacher is not None:
        teacher, notes, logits = ready_to_teach(teacher, data, spec)
        check_hidden_classes(teacher, data, spec)
        if not checkpointer.checkpoint:
            yield from map(Note, (*notes, *note_idle_options(spec)))
    student = ready_to_train("student", student, data, spec, spec.transfer_size, teacher_argument)
    views = make_views(spec.augmentation, data.train.images)
    check_size(views.count, len(data.train), len(data.classes))

    if checkpointer.checkpoint and checkpointer.phase == "student":
        if teacher is None:
            teacher = ready_to_train("teacher", make_network(spec.teacher, data, spec.seed, "teacher"), data, spec)
        trained_teacher = Teacher(
            checkpointer.checkpoint.load_teacher(finished(teacher)), checkpointer.checkpoint.meta.seconds["teacher"]
        )
    elif teacher is None:
        trained_teacher = yield from train_or_reuse_teacher(cpu_data, data, spec, live, checkpointer)
        teacher = deepcopy(trained_teacher.module)  # the caller gets a copy: the cached teacher must not change
    else:
        trained_teacher = Teacher(teacher)
        yield Probe("teacher", 0, {"teacher": logits.cpu().numpy()})
    checkpointer.set_teacher(trained_teacher.module, trained_teacher.seconds)
    checkpointer.start_phase("student")

    baseline = copy_network("student", student)
    loss = LOSSES.find(spec.loss)[0].build
    learners = [
        Learner("student", student, spec.seed, loss, live.values),
        Learner("baseline", baseline, spec.seed),
    ]
    examples = transfer_set(data.train, spec.transfer_size, spec.shuffle_seed)
    teacher_logits = checkpointer.restore_logits(trained_teacher.logit_cache(data, spec))
    yield from train(
        "student", "Distilling the student beside its baseline", learners, data.train, examples, views, spec,
        epochs=spec.epochs, live=live, teacher_logits=teacher_logits, eval_split=data.validation,
        checkpointer=checkpointer,
    )  # fmt: skip
    seconds = {"teacher": trained_teacher.seconds, "student": checkpointer.seconds}

    networks = {"teacher": teacher, "baseline": baseline, "student": student}
    test = predict_test_set(networks, data)
    result = summarize(spec, data, networks, test, checkpointer.logits, seconds, live.values, checkpointer.notes)
    yield Done(result)
    return teacher if teacher_argument is None else teacher_argument, student, baseline


def _drain(events: Generator[Event, None, Result]) -> Result:
    """Run a generator to its end and return its return value; its notes become warnings in the caller's caller."""
    notes: list[str] = []
    while True:
        try:
            if isinstance(event := next(events), Note):
                notes.append(event.text)
            elif notes:  # as one warning, because each warning prints lines of its own
                warnings.warn(" ".join(notes), InputWarning, stacklevel=3)
                notes = []
        except StopIteration as end:
            result: Result = end.value
            return result
