"""Many students at once: those that can be stacked train as one program, and each as it would alone.

from kdlab.distillation.many import distill_many, fit_many

ensemble = fit_many("mnist", "mlp:128x2", seed=range(10), batch_seed=0, epochs=5)
runs = distill_many("mnist", "mlp:1200x2", "mlp:128x2", temperature=[1, 2, 4, 8, 16], epochs=5)
for run in runs:
    print(run.spec.knobs["temperature"], run.result["validation"]["student"]["errors"])

Options that are given as a list, a tuple or a range are gone through in all combinations, the last one fastest.
Networks of several seeds share their batches, and so train as one program, if `batch_seed` fixes these; otherwise each
seed has batches of its own, as it would alone.
"""

import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from torch import nn

from kdlab.augmentations import make_views
from kdlab.datasets import Dataset, load
from kdlab.distillation.grouping import choices, together
from kdlab.distillation.options import distill_spec, fit_spec
from kdlab.distillation.result import Network, Run, ask_about_tests, open_data, sum_up
from kdlab.distillation.teacher_training import Teacher, recipe, teach
from kdlab.distillation.trained_teacher import check_hidden_classes, note_idle_options, ready_to_teach
from kdlab.distillation.validate import check_objective, check_transfer_size, check_weights
from kdlab.registry import OBJECTIVES, InputError, InputWarning
from kdlab.train.batches import transfer_set
from kdlab.train.device import prepared
from kdlab.train.evaluate import finished
from kdlab.train.events import Done, Event, Note, Probe, Step
from kdlab.train.group import Learner
from kdlab.train.history import History
from kdlab.train.logit_reader import bare, read_alike
from kdlab.train.loop import LiveKnobs, make_network, train
from kdlab.train.network_check import copy_network, ready_to_train
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import check_size

__all__ = ["distill_many", "fit_many"]


def fit_many(
    dataset: str, network: str | Sequence[str], *, epochs: int | Sequence[int] = 20,
    augmentation: str | Sequence[str] = "none", **options: Any,
) -> list[nn.Module]:  # fmt: skip
    """Train networks on labels, as `fit` would each, and return them in the order of the combinations.

    `options`: fields of `Spec`, or several values of one. Raises InputError, Diverged.
    """
    specs = [
        fit_spec(dataset, choice.pop("network"), choice.pop("epochs"), choice.pop("augmentation"), choice)
        for choice in choices(network=network, epochs=epochs, augmentation=augmentation, **options)
    ]
    _check_names([spec.teacher for spec in specs], "fit")
    with prepared() as place:
        data = load(dataset).to(place)
        _warn(data.notes)
        modules = [make_network(spec.teacher, data, spec.seed, "teacher") for spec in specs]
        modules = _ready("network", modules, [spec.teacher for spec in specs], specs, data)
        for group in together(specs, modules, place):
            spec = specs[group[0]]
            learners = [Learner(f"network {at}", modules[at], specs[at].seed) for at in group]
            everything = torch.arange(len(data.train), device=place)
            views = make_views(spec.teacher_augmentation, data.train.images)
            for _ in train(
                "teacher",
                "",
                learners,
                data.train,
                everything,
                views,
                spec,
                epochs=spec.teacher_epochs,
                live=LiveKnobs(spec),
            ):
                pass
    return [finished(bare(module)) for module in modules]


def distill_many(dataset: str, teacher: Network, student: str | Sequence[str], **options: Any) -> list[Run]:
    """Distil students, each beside its baseline, as `distill` would; return the runs in the order of the combinations.

    `teacher`: a trained module (see `distill`), or the name of a model, which is trained once for all seeds, with the
    first combination's, and anew for other options of its training. `options`: fields of `Spec` and knobs of the
    objective, or several values of one. Students of one seed and build share their baseline. Raises InputError, and
    Diverged when any of them leaves the road.
    """
    specs = [
        distill_spec(dataset, teacher, choice.pop("student"), choice) for choice in choices(student=student, **options)
    ]
    if not specs:
        return []
    _check_names([spec.student for spec in specs], "distill")
    for spec in specs:
        check_weights(spec)
    with prepared() as place:
        data = load(dataset).to(place)
        for spec in specs:
            check_transfer_size(spec, data)
            check_objective(spec, len(data.classes))
        for augmentation in {spec.augmentation for spec in specs}:
            check_size(make_views(augmentation, data.train.images).count, len(data.train), len(data.classes))
        students = [make_network(spec.student, data, spec.seed, "student") for spec in specs]
        given = None if isinstance(teacher, str) else teacher
        teachers, notes = (
            ([], [list(data.notes) for _ in specs]) if given is None else _take_teacher(given, specs, data)
        )
        students = _ready("student", students, [spec.student for spec in specs], specs, data, given)
        _warn(dict.fromkeys(chain(*notes)))
        teachers = teachers or _train_teachers(specs, data)
        runs: dict[int, Run] = {}
        groups = together(specs, students, place)
        # Answers are kept of one teacher, and for one augmentation and precision, at a time.
        turns = {id(each): number for number, each in enumerate(teachers)}

        def turn(group: list[int]) -> tuple[object, ...]:
            first = specs[group[0]]
            return turns[id(teachers[group[0]])], first.augmentation, first.precision

        asked: Teacher | None = None
        for group in sorted(groups, key=turn):
            teaching = teachers[group[0]]
            if asked is not None and asked is not teaching:
                asked.forget_answers()
            asked = teaching
            made = _distill_together(
                [specs[at] for at in group],
                [students[at] for at in group],
                teaching,
                data,
                [notes[at] for at in group],
                bare(teaching.module) if given is None else given,
            )
            runs |= dict(zip(group, made, strict=True))
    return [runs[at] for at in range(len(specs))]


def _ready(
    role: str,
    modules: Sequence[nn.Module],
    names: Sequence[str],
    specs: Sequence[Spec],
    data: Dataset,
    teacher: nn.Module | None = None,
) -> list[nn.Module]:
    """Return networks that can be trained, of which those that are built and shown batches alike are tried once."""
    tried: dict[tuple[object, ...], nn.Module] = {}
    ready = []
    for module, name, spec in zip(modules, names, specs, strict=True):
        examples = spec.transfer_size if role == "student" else 0
        like = name, spec.batch_size, spec.precision, examples
        if like in tried:
            ready.append(read_alike(copy_network(role, module).to(data.train.images.device), tried[like]))
        else:
            tried[like] = ready_to_train(role, module, data, spec, examples, teacher)
            ready.append(tried[like])
    return ready


def _take_teacher(given: nn.Module, specs: Sequence[Spec], data: Dataset) -> tuple[list[Teacher], list[list[str]]]:
    """Return a trained teacher as each spec takes its outputs, and what there is to mind of each run."""
    ready: dict[str, tuple[Teacher, list[str]]] = {}
    for spec in specs:
        if spec.outputs not in ready:
            module, notes, logits = ready_to_teach(given, data, spec)
            ready[spec.outputs] = Teacher(module, validation=logits.cpu().numpy()), notes
        check_hidden_classes(ready[spec.outputs][0].module, data, spec)
    minded = [[*data.notes, *ready[spec.outputs][1], *note_idle_options(spec)] for spec in specs]
    return [ready[spec.outputs][0] for spec in specs], minded


def _train_teachers(specs: Sequence[Spec], data: Dataset) -> list[Teacher]:
    """Return the teacher of each spec; those that differ in their seed alone share the first one's."""
    teachers: dict[tuple[object, ...], Teacher] = {}
    taught = [spec.replace(seed=specs[0].seed, batch_seed=specs[0].batch_seed) for spec in specs]
    for spec in taught:
        if recipe(spec) not in teachers:
            began = time.perf_counter()
            module = ready_to_train("teacher", make_network(spec.teacher, data, spec.seed, "teacher"), data, spec)
            logits = None
            for event in teach(module, data, spec, LiveKnobs(spec)):
                if isinstance(event, Probe):
                    logits = event.logits["teacher"]
            teachers[recipe(spec)] = Teacher(finished(module), time.perf_counter() - began, logits)
    return [teachers[recipe(spec)] for spec in taught]


def _check_names(names: Sequence[str], alone: str) -> None:
    """Raise InputError for modules among networks that are built here, once for each combination."""
    if module := next((name.partition(":")[2] for name in names if name.startswith("module:")), ""):
        raise InputError(f"Many networks are built by their names, and {module} is a module: use {alone} for it.")


def _warn(notes: Iterable[str]) -> None:
    if text := " ".join(notes):
        warnings.warn(text, InputWarning, stacklevel=3)


def _distill_together(
    specs: list[Spec],
    students: list[nn.Module],
    teacher: Teacher,
    data: Dataset,
    notes: Sequence[Sequence[str]],
    given: nn.Module,
) -> list[Run]:
    """Distil students that see the same batches; return their runs, whose teacher is the one that was `given`."""
    spec = specs[0]
    baselines = {
        (one.student, one.seed): copy_network("student", module) for one, module in zip(specs, students, strict=True)
    }
    learners = [
        Learner(f"student {at}", module, one.seed, OBJECTIVES.find(one.objective)[0].build, one.knobs)
        for at, (one, module) in enumerate(zip(specs, students, strict=True))
    ]
    learners += [Learner(f"baseline {key}", module, key[1]) for key, module in baselines.items()]
    names = [
        {"student": f"student {at}", "baseline": f"baseline {(one.student, one.seed)}"} for at, one in enumerate(specs)
    ]
    assert teacher.validation is not None
    opened, histories = open_data(spec, data), [History() for _ in specs]
    for one, history, minded in zip(specs, histories, notes, strict=True):
        history.append(replace(opened, spec=one))
        for note in minded:
            history.append(Note(note))
        history.append(Probe("teacher", 0, {"teacher": teacher.validation}))
    began = time.perf_counter()
    for event in train(
        "student", "", learners, data.train, transfer_set(data.train, spec.transfer_size, spec.shuffle_seed),
        make_views(spec.augmentation, data.train.images), spec,
        epochs=spec.epochs, live=LiveKnobs(spec), answers=teacher.answers(data, spec), watch=data.validation,
    ):  # fmt: skip
        for own, history in zip(names, histories, strict=True):
            history.append(_own(event, own))
    seconds = {"teacher": teacher.seconds, "student": time.perf_counter() - began}
    modules = {"teacher": teacher.module} | {learner.name: finished(learner.module) for learner in learners}
    tests = ask_about_tests(modules, data)
    runs = []
    for one, own, history in zip(specs, names, histories, strict=True):
        by_role = {"teacher": "teacher", "baseline": own["baseline"], "student": own["student"]}
        networks = {role: modules[name] for role, name in by_role.items()}
        test = {role: tests[name] for role, name in by_role.items()}
        validation = {role: torch.from_numpy(values) for role, values in history.logits.items()}
        result = sum_up(one, data, networks, test, validation, seconds, one.knobs, history.notes)
        history.append(Done(result | {"trained_together": len(learners)}))
        runs.append(Run(one, given, bare(networks["student"]), bare(networks["baseline"]), history))
    return runs


def _own(event: Event, names: dict[str, str]) -> Event:
    """Return what an event of many networks says of two of them."""
    if isinstance(event, Step):
        return Step(event.phase, event.step, {role: event.losses[name] for role, name in names.items()})
    if isinstance(event, Probe):
        return Probe(event.phase, event.step, {role: event.logits[name] for role, name in names.items()})
    return event
