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
from kdlab.distillation.grouping import choices, group_compatible
from kdlab.distillation.options import distill_spec, fit_spec
from kdlab.distillation.result import DistillResult, Network, opened_event, predict_test_set, summarize
from kdlab.distillation.teacher_training import Teacher, recipe, train_teacher
from kdlab.distillation.trained_teacher import check_hidden_classes, note_idle_options, ready_to_teach
from kdlab.distillation.validate import check_loss, check_transfer_size, check_weights
from kdlab.registry import LOSSES, InputError, InputWarning
from kdlab.train.batches import transfer_set
from kdlab.train.device import training_context
from kdlab.train.evaluate import finished
from kdlab.train.events import Done, Event, Note, Probe, Step
from kdlab.train.group import Learner
from kdlab.train.history import History
from kdlab.train.logit_reader import unwrap, wrap_like
from kdlab.train.loop import make_network, train
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
    with training_context() as device:
        data = load(dataset).to(device)
        _warn(data.notes)
        modules = [make_network(spec.teacher, data, spec.seed, "teacher") for spec in specs]
        modules = _ready("network", modules, [spec.teacher for spec in specs], specs, data)
        for group in group_compatible(specs, modules, device):
            spec = specs[group[0]]
            learners = [Learner(f"network {index}", modules[index], specs[index].seed) for index in group]
            everything = torch.arange(len(data.train), device=device)
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
            ):
                pass
    return [finished(unwrap(module)) for module in modules]


def distill_many(dataset: str, teacher: Network, student: str | Sequence[str], **options: Any) -> list[DistillResult]:
    """Distil students, each beside its baseline, as `distill` would; return the runs in the order of the combinations.

    `teacher`: a trained module (see `distill`), or the name of a model, which is trained once for all seeds, with the
    first combination's, and again for other options of its training. `options`: fields of `Spec` and knobs of the
    loss, or several values of one. Students of one seed and build share their baseline. Raises InputError, and
    Diverged if any of them diverges.
    """
    specs = [
        distill_spec(dataset, teacher, choice.pop("student"), choice) for choice in choices(student=student, **options)
    ]
    if not specs:
        return []
    _check_names([spec.student for spec in specs], "distill")
    for spec in specs:
        check_weights(spec)
    with training_context() as device:
        data = load(dataset).to(device)
        for spec in specs:
            check_transfer_size(spec, data)
            check_loss(spec, len(data.classes))
        for augmentation in {spec.augmentation for spec in specs}:
            check_size(make_views(augmentation, data.train.images).count, len(data.train), len(data.classes))
        students = [make_network(spec.student, data, spec.seed, "student") for spec in specs]
        trained_teacher = None if isinstance(teacher, str) else teacher
        teachers, notes = (
            ([], [list(data.notes) for _ in specs])
            if trained_teacher is None
            else _take_teacher(trained_teacher, specs, data)
        )
        students = _ready("student", students, [spec.student for spec in specs], specs, data, trained_teacher)
        _warn(dict.fromkeys(chain(*notes)))
        teachers = teachers or _train_teachers(specs, data)
        results: dict[int, DistillResult] = {}
        groups = group_compatible(specs, students, device)
        # Logits of only one teacher, augmentation and precision are cached at a time.
        teacher_order = {id(unique): number for number, unique in enumerate(teachers)}

        def group_order(group: list[int]) -> tuple[object, ...]:
            first = specs[group[0]]
            return teacher_order[id(teachers[group[0]])], first.augmentation, first.precision

        previous: Teacher | None = None
        for group in sorted(groups, key=group_order):
            current = teachers[group[0]]
            if previous is not None and previous is not current:
                previous.clear_logit_cache()
            previous = current
            group_results = _distill_group(
                [specs[index] for index in group],
                [students[index] for index in group],
                current,
                data,
                [notes[index] for index in group],
                unwrap(current.module) if trained_teacher is None else trained_teacher,
            )
            results |= dict(zip(group, group_results, strict=True))
    return [results[index] for index in range(len(specs))]


def _ready(
    role: str,
    modules: Sequence[nn.Module],
    names: Sequence[str],
    specs: Sequence[Spec],
    data: Dataset,
    teacher: nn.Module | None = None,
) -> list[nn.Module]:
    """Return networks that can be trained; of networks with the same build and batches only the first is tried."""
    tried: dict[tuple[object, ...], nn.Module] = {}
    ready = []
    for module, name, spec in zip(modules, names, specs, strict=True):
        examples = spec.transfer_size if role == "student" else 0
        key = name, spec.batch_size, spec.precision, examples
        if key in tried:
            ready.append(wrap_like(copy_network(role, module).to(data.train.images.device), tried[key]))
        else:
            tried[key] = ready_to_train(role, module, data, spec, examples, teacher)
            ready.append(tried[key])
    return ready


def _take_teacher(teacher: nn.Module, specs: Sequence[Spec], data: Dataset) -> tuple[list[Teacher], list[list[str]]]:
    """Return a trained teacher with its outputs read as each spec declares them, and the notes of each run."""
    ready: dict[str, tuple[Teacher, list[str]]] = {}
    for spec in specs:
        if spec.outputs not in ready:
            module, notes, logits = ready_to_teach(teacher, data, spec)
            ready[spec.outputs] = Teacher(module, validation=logits.cpu().numpy()), notes
        check_hidden_classes(ready[spec.outputs][0].module, data, spec)
    all_notes = [[*data.notes, *ready[spec.outputs][1], *note_idle_options(spec)] for spec in specs]
    return [ready[spec.outputs][0] for spec in specs], all_notes


def _train_teachers(specs: Sequence[Spec], data: Dataset) -> list[Teacher]:
    """Return the teacher of each spec; specs that differ in their seed alone share the first one's teacher."""
    teachers: dict[tuple[object, ...], Teacher] = {}
    teacher_specs = [spec.replace(seed=specs[0].seed, batch_seed=specs[0].batch_seed) for spec in specs]
    for spec in teacher_specs:
        if recipe(spec) not in teachers:
            start = time.perf_counter()
            module = ready_to_train("teacher", make_network(spec.teacher, data, spec.seed, "teacher"), data, spec)
            logits = None
            for event in train_teacher(module, data, spec):
                if isinstance(event, Probe):
                    logits = event.logits["teacher"]
            teachers[recipe(spec)] = Teacher(finished(module), time.perf_counter() - start, logits)
    return [teachers[recipe(spec)] for spec in teacher_specs]


def _check_names(names: Sequence[str], alone: str) -> None:
    """Raise InputError for modules among networks that are built here, once for each combination."""
    if module := next((name.partition(":")[2] for name in names if name.startswith("module:")), ""):
        raise InputError(f"Many networks are built by their names, and {module} is a module: use {alone} for it.")


def _warn(notes: Iterable[str]) -> None:
    if text := " ".join(notes):
        warnings.warn(text, InputWarning, stacklevel=3)


def _distill_group(
    specs: list[Spec],
    students: list[nn.Module],
    teacher: Teacher,
    data: Dataset,
    notes: Sequence[Sequence[str]],
    teacher_module: nn.Module,
) -> list[DistillResult]:
    """Distil students that see the same batches; return their results, with `teacher_module` as the teacher."""
    spec = specs[0]
    baselines = {
        (run_spec.student, run_spec.seed): copy_network("student", module)
        for run_spec, module in zip(specs, students, strict=True)
    }
    learners = [
        Learner(f"student {index}", module, run_spec.seed, LOSSES.find(run_spec.loss)[0].build, run_spec.knobs)
        for index, (run_spec, module) in enumerate(zip(specs, students, strict=True))
    ]
    learners += [Learner(f"baseline {key}", module, key[1]) for key, module in baselines.items()]
    names = [
        {"student": f"student {index}", "baseline": f"baseline {(run_spec.student, run_spec.seed)}"}
        for index, run_spec in enumerate(specs)
    ]
    assert teacher.validation is not None
    opened, histories = opened_event(spec, data), [History() for _ in specs]
    for run_spec, history, spec_notes in zip(specs, histories, notes, strict=True):
        history.append(replace(opened, spec=run_spec))
        for note in spec_notes:
            history.append(Note(note))
        history.append(Probe("teacher", 0, {"teacher": teacher.validation}))
    start = time.perf_counter()
    for event in train(
        "student", "", learners, data.train, transfer_set(data.train, spec.transfer_size, spec.shuffle_seed),
        make_views(spec.augmentation, data.train.images), spec,
        epochs=spec.epochs, teacher_logits=teacher.logit_cache(data, spec), eval_split=data.validation,
    ):  # fmt: skip
        for names_by_role, history in zip(names, histories, strict=True):
            history.append(_event_of_pair(event, names_by_role))
    seconds = {"teacher": teacher.seconds, "student": time.perf_counter() - start}
    modules = {"teacher": teacher.module} | {learner.name: finished(learner.module) for learner in learners}
    tests = predict_test_set(modules, data)
    results = []
    for run_spec, names_by_role, history in zip(specs, names, histories, strict=True):
        network_names = {
            "teacher": "teacher",
            "baseline": names_by_role["baseline"],
            "student": names_by_role["student"],
        }
        networks = {role: modules[name] for role, name in network_names.items()}
        test = {role: tests[name] for role, name in network_names.items()}
        validation = {role: torch.from_numpy(values) for role, values in history.logits.items()}
        result = summarize(run_spec, data, networks, test, validation, seconds, run_spec.knobs, history.notes)
        history.append(Done(result | {"trained_together": len(learners)}))
        results.append(
            DistillResult(run_spec, teacher_module, unwrap(networks["student"]), unwrap(networks["baseline"]), history)
        )
    return results


def _event_of_pair(event: Event, names: dict[str, str]) -> Event:
    """Return an event of many networks reduced to the networks in `names`, by role."""
    if isinstance(event, Step):
        return Step(event.phase, event.step, {role: event.losses[name] for role, name in names.items()})
    if isinstance(event, Probe):
        return Probe(event.phase, event.step, {role: event.logits[name] for role, name in names.items()})
    return event
