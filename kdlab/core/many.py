"""Many students at once: those that can be stacked train as one program, and each as it would alone.

from kdlab.core.many import distill_many, fit_many

ensemble = fit_many("mnist", "mlp:128x2", seed=range(10), batch_seed=0, epochs=5)
runs = distill_many("mnist", "mlp:1200x2", "mlp:128x2", temperature=[1, 2, 4, 8, 16], epochs=5)
for run in runs:
    print(run.spec.knobs["temperature"], run.result["validation"]["student"]["errors"])

Options that are given as a list, a tuple or a range are gone through in all combinations, the last one fastest.
Networks of several seeds share their batches, and so train as one program, if `batch_seed` fixes these; otherwise each
seed has batches of its own, as it would alone.
"""

import time
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from kdlab.core.answers import check_size
from kdlab.core.augmentation import make_views
from kdlab.core.batches import transfer_set
from kdlab.core.data import Dataset, load
from kdlab.core.distillation import check_transfer_size, check_weights, fit
from kdlab.core.evaluation import predict
from kdlab.core.events import Done, Event, Opened, Probe, Step
from kdlab.core.grouping import choices, together
from kdlab.core.history import History
from kdlab.core.machine import prepared
from kdlab.core.runs import Network, Run, network_name, sum_up
from kdlab.core.spec import Spec
from kdlab.core.teaching import Teacher
from kdlab.core.teams import Learner
from kdlab.core.training import LiveKnobs, make_network, train
from kdlab.registry import OBJECTIVES

__all__ = ["distill_many", "fit_many"]


def fit_many(
    dataset: str, network: str | Sequence[str], *, epochs: int | Sequence[int] = 20,
    augmentation: str | Sequence[str] = "none", **options: Any,
) -> list[nn.Module]:  # fmt: skip
    """Train networks on labels, as `fit` would each, and return them in the order of the combinations.

    `options`: fields of `Spec`, or several values of one. Raises InputError, Diverged.
    """
    own = {"teacher": network, "teacher_epochs": epochs, "teacher_augmentation": augmentation}
    specs = [Spec.suggested(dataset, **choice) for choice in choices(**own, **options)]
    with prepared() as place:
        data = load(dataset).to(place)
        modules = [make_network(spec.teacher, data, spec.seed, "teacher") for spec in specs]
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
    return [module.eval() for module in modules]


def distill_many(dataset: str, teacher: Network, student: str | Sequence[str], **options: Any) -> list[Run]:
    """Distil students, each beside its baseline, as `distill` would; return the runs in the order of the combinations.

    `teacher`: a trained module, or the name of a model that is trained once, with the first combination's seed.
    `options`: fields of `Spec` and knobs of the objective, or several values of one. Students of one seed and build
    share their baseline. Raises InputError, and Diverged when any of them leaves the road.
    """
    specs = []
    for choice in choices(student=student, **options):
        fields = {key: choice.pop(key) for key in list(choice) if key in Spec.__dataclass_fields__}
        specs.append(Spec.suggested(dataset, teacher=network_name(teacher), knobs=choice, **fields))
    if not specs:
        return []
    for spec in specs:
        check_weights(spec)
    with prepared() as place:
        data = load(dataset).to(place)
        for spec in specs:
            check_transfer_size(spec, data)
        for augmentation in {spec.augmentation for spec in specs}:
            check_size(make_views(augmentation, data.train.images).count, len(data.train), len(data.classes))
        students = [make_network(spec.student, data, spec.seed, "student") for spec in specs]
        began = time.perf_counter()
        if isinstance(teacher, str):
            first = specs[0]
            shared = {
                key: getattr(first, key) for key in ("batch_size", "learning_rate", "seed", "batch_seed", "precision")
            }
            teacher = fit(
                dataset, teacher, epochs=first.teacher_epochs, augmentation=first.teacher_augmentation, **shared
            )
        taught = Teacher(teacher.to(place), time.perf_counter() - began)
        runs: dict[int, Run] = {}
        groups = together(specs, students, place)
        # The teacher's answers are kept for one augmentation and precision at a time.
        for group in sorted(groups, key=lambda group: (specs[group[0]].augmentation, specs[group[0]].precision)):
            made = _distill_together([specs[at] for at in group], [students[at] for at in group], taught, data)
            runs |= dict(zip(group, made, strict=True))
    return [runs[at] for at in range(len(specs))]


def _distill_together(specs: list[Spec], students: list[nn.Module], teacher: Teacher, data: Dataset) -> list[Run]:
    """Distil students that see the same batches; return their runs."""
    spec, place = specs[0], data.train.images.device
    baselines = {(one.student, one.seed): deepcopy(module) for one, module in zip(specs, students, strict=True)}
    learners = [
        Learner(f"student {at}", module, one.seed, OBJECTIVES.find(one.objective)[0].build, one.knobs)
        for at, (one, module) in enumerate(zip(specs, students, strict=True))
    ]
    learners += [Learner(f"baseline {key}", module, key[1]) for key, module in baselines.items()]
    names = [
        {"student": f"student {at}", "baseline": f"baseline {(one.student, one.seed)}"} for at, one in enumerate(specs)
    ]
    told = predict(teacher.module, data.test)
    pictures, truth = data.test.images.cpu().numpy(), data.test.labels.cpu().numpy()
    histories = [History() for _ in specs]
    for one, history in zip(specs, histories, strict=True):
        history.append(Opened(one, data.classes, pictures, truth, place.type))
        history.append(Probe("teacher", 0, {"teacher": told.cpu().numpy()}))
    began = time.perf_counter()
    for event in train(
        "student", "", learners, data.train, transfer_set(data.train, spec.transfer_size, spec.shuffle_seed),
        make_views(spec.augmentation, data.train.images), spec,
        epochs=spec.epochs, live=LiveKnobs(spec), answers=teacher.answers(data, spec), watch=data.test,
    ):  # fmt: skip
        for own, history in zip(names, histories, strict=True):
            history.append(_own(event, own))
    seconds = {"teacher": teacher.seconds, "student": time.perf_counter() - began}
    runs = []
    for one, student, history in zip(specs, students, histories, strict=True):
        networks = {
            "teacher": teacher.module, "baseline": baselines[one.student, one.seed].eval(), "student": student.eval(),
        }  # fmt: skip
        logits = {name: torch.from_numpy(values) for name, values in history.logits.items()}
        result = sum_up(one, data, networks, logits, seconds, one.knobs)
        history.append(Done(result | {"trained_together": len(learners)}))
        runs.append(Run(one, teacher.module, student, networks["baseline"], history))
    return runs


def _own(event: Event, names: dict[str, str]) -> Event:
    """Return what an event of many networks says of two of them."""
    if isinstance(event, Step):
        return Step(event.phase, event.step, {role: event.losses[name] for role, name in names.items()})
    if isinstance(event, Probe):
        return Probe(event.phase, event.step, {role: event.logits[name] for role, name in names.items()})
    return event
