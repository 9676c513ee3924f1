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
from typing import Any

import torch
from torch import nn

from kdlab.augmentations import make_views
from kdlab.datasets import Dataset, load, load_events
from kdlab.distillation.options import distill_spec, fit_spec
from kdlab.distillation.result import Network, Run, ask_about_tests, open_data, sum_up
from kdlab.distillation.teacher_training import Teacher, forget_teacher, teach, teach_or_replay
from kdlab.distillation.trained_teacher import check_hidden_classes, note_idle_options, ready_to_teach
from kdlab.distillation.validate import check_objective, check_parameters, check_transfer_size, check_weights
from kdlab.io import Weights
from kdlab.registry import OBJECTIVES, InputError, InputWarning
from kdlab.train.batches import transfer_set
from kdlab.train.checkpoint import Checkpoint, Keeper
from kdlab.train.device import isolated, prepared
from kdlab.train.evaluate import finished
from kdlab.train.events import Done, Event, Note, Probe, Restored
from kdlab.train.group import Learner
from kdlab.train.history import History
from kdlab.train.live_params import LiveKnobs
from kdlab.train.logit_reader import bare
from kdlab.train.loop import make_network, train
from kdlab.train.network_check import copy_network, ready_to_train
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import check_size

__all__ = ["check_transfer_size", "check_weights", "distill", "distill_events", "fit"]


def distill(dataset: str, teacher: Network, student: Network, **options: Any) -> Run:
    """Distil a student next to a hard-label baseline with the same start and the same batches.

    `teacher`: the name of a model to train first, or a trained module; −inf among its logits is taken for a very low
    number, and half or double precision is answered by a float32 copy. `student`: a name, or a module, of which a copy
    is trained and returned. A module takes images (batch, channels, height, width) as numbers from 0 to 1 and returns
    logits (batch, classes): alone, as the `logits` of an object, or as the only such tensor of a tuple. `options`:
    fields of `Spec` (epochs, seed, …) and knobs of the objective (temperature, …); what is left out is what suits the
    data set. `outputs="probabilities"` for a teacher that returns these. What to mind of the result is said by an
    InputWarning and kept in `result["notes"]`. Raises InputError, Diverged.
    """
    spec = distill_spec(dataset, teacher, student, options)
    events = distill_events(
        spec,
        teacher=teacher if isinstance(teacher, nn.Module) else None,
        student=student if isinstance(student, nn.Module) else None,
    )
    with prepared():  # once, and not at each event anew
        run: Run = _drain(events)
    return run


def fit(
    dataset: str, network: Network, *, epochs: int = 20, augmentation: str = "none", **options: Any
) -> nn.Module:  # fmt: skip
    """Train one network on labels and return it, ready to predict; of a module, a copy is trained.

    `augmentation`: how its images are moved; `options`: batch_size, learning_rate, seed, batch_seed, precision and
    schedule. What a module takes and returns: see `distill`. Raises InputError, Diverged.
    """
    spec = fit_spec(dataset, network, epochs, augmentation, options)
    with prepared() as place:
        data = load(dataset).to(place)
        if data.notes:
            warnings.warn(" ".join(data.notes), InputWarning, stacklevel=2)
        if isinstance(network, str):
            network = make_network(network, data, spec.seed, "teacher")
        network = ready_to_train("network", network, data, spec)
        _drain(teach(network, data, spec, LiveKnobs(spec)))
    return finished(bare(network))


@isolated
def distill_events(
    spec: Spec, *, teacher: nn.Module | Weights | None = None, student: nn.Module | None = None,
    every: float | None = None, checkpoint: Mapping[str, bytes] | None = None, most_parameters: float = math.inf,
) -> Generator[Event, Mapping[str, float] | None, Run]:  # fmt: skip
    """Yield the events of a run and return the `Run`; knobs sent in take effect at the next step.

    A trained `teacher`, or the spec's with the weights of a file, is only evaluated; without one, the spec's is trained
    first. `every`: seconds after which an epoch ends with a checkpoint (`Saved`; None: never); `checkpoint`: the files
    of one to go on from, which ends as the run would have without the interruption. A network of `most_parameters` is
    the largest that is taken. Raises InputError, Diverged.
    """
    if isinstance(teacher, Weights):
        spec = spec.replace(teacher_weights=teacher.digest)
    history, live = History(), LiveKnobs(spec)
    keeper = Keeper(spec, live, history, every, None if checkpoint is None else Checkpoint.read(checkpoint, spec))
    turned = None
    with (
        prepared() as place,
        closing(_events(spec, place, live, keeper, teacher, student, most_parameters)) as events,
    ):
        while True:
            try:
                event = events.send(turned)
            except StopIteration as end:
                taught_by, student, baseline = map(bare, end.value)
                return Run(spec, taught_by, finished(student), finished(baseline), history)
            history.append(event)
            turned = yield event


def _events(
    spec: Spec, place: torch.device, live: LiveKnobs, keeper: Keeper,
    teacher: nn.Module | Weights | None, student: nn.Module | None, most_parameters: float,
) -> Generator[Event, Mapping[str, float] | None, tuple[nn.Module, nn.Module, nn.Module]]:  # fmt: skip
    if keeper.checkpoint:
        yield from live.emit(Restored(keeper.checkpoint.files["history.npz"]), *keeper.place)
    check_weights(spec)
    if spec.teacher_weights and teacher is None and keeper.phase != "student":  # whose checkpoints hold the teacher
        raise InputError("This run's teacher came from a file: choose the file again.")
    if spec.outputs and teacher is None:
        raise InputError("The outputs are those of a teacher that is trained already: leave them out of this spec.")
    forget_teacher(spec.dataset)
    with closing(load_events(spec.dataset)) as loading:  # stopped half-way, it removes what was half downloaded
        while True:
            try:
                yield from live.emit(next(loading), *keeper.place)
            except StopIteration as end:
                loaded: Dataset = end.value
                break
    if most_parameters < math.inf:
        check_parameters(spec, loaded, most_parameters)
    if isinstance(teacher, Weights):
        teacher = teacher.fill(spec.teacher, loaded.shape, len(loaded.classes))
    keeper.look(loaded)
    data = loaded.to(place)
    check_transfer_size(spec, data)
    check_objective(spec, len(data.classes))
    if not keeper.checkpoint:
        yield from live.emit(open_data(spec, data))
        for note in data.notes:
            yield from live.emit(Note(note))

    # Before a teacher is trained, so that what cannot be built or used is refused at once.
    if student is None:
        student = make_network(spec.student, data, spec.seed, "student")
    given = teacher
    if teacher is not None:
        teacher, notes, logits = ready_to_teach(teacher, data, spec)
        check_hidden_classes(teacher, data, spec)
        for note in (*notes, *note_idle_options(spec)) if not keeper.checkpoint else ():
            yield from live.emit(Note(note))
    student = ready_to_train("student", student, data, spec, spec.transfer_size, given)
    views = make_views(spec.augmentation, data.train.images)
    check_size(views.count, len(data.train), len(data.classes))

    if keeper.checkpoint and keeper.phase == "student":
        if teacher is None:
            teacher = ready_to_train("teacher", make_network(spec.teacher, data, spec.seed, "teacher"), data, spec)
        teaching = Teacher(keeper.checkpoint.teach(finished(teacher)), keeper.checkpoint.mark.seconds["teacher"])
    elif teacher is None:
        teaching = yield from teach_or_replay(loaded, data, spec, live, keeper)
        teacher = deepcopy(teaching.module)  # the caller's own
    else:
        teaching = Teacher(teacher)
        yield from live.emit(Probe("teacher", 0, {"teacher": logits.cpu().numpy()}))
    keeper.taught(teaching.module, teaching.seconds)
    keeper.begin("student")

    baseline = copy_network("student", student)
    objective = OBJECTIVES.find(spec.objective)[0].build
    learners = [
        Learner("student", student, spec.seed, objective, live.values),
        Learner("baseline", baseline, spec.seed),
    ]
    examples = transfer_set(data.train, spec.transfer_size, spec.shuffle_seed)
    yield from train(
        "student", "Distilling the student beside its baseline", learners, data.train, examples, views, spec,
        epochs=spec.epochs, live=live, answers=keeper.remember(teaching.answers(data, spec)),
        watch=data.validation, keeper=keeper,
    )  # fmt: skip
    seconds = {"teacher": teaching.seconds, "student": keeper.seconds}

    networks = {"teacher": teacher, "baseline": baseline, "student": student}
    test = ask_about_tests(networks, data)
    result = sum_up(spec, data, networks, test, keeper.logits, seconds, live.values, keeper.notes)
    yield from live.emit(Done(result))
    return teacher if given is None else given, student, baseline


def _drain(events: Generator[Event, Any, Any]) -> Any:
    """Run a generator to its end and return what it returns; the caller's caller is warned of what there is to mind."""
    notes: list[str] = []
    while True:
        try:
            if isinstance(event := next(events), Note):
                notes.append(event.text)
            elif notes:  # at once, as each warning brings lines of its own
                warnings.warn(" ".join(notes), InputWarning, stacklevel=3)
                notes = []
        except StopIteration as end:
            return end.value
