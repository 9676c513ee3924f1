"""Distillation from data to result: as events for a page, and as `fit` and `distill` for a script.

from kdlab.core.distillation import distill, fit

teacher = fit("digits", "mlp:256x2:dropout=0.5", epochs=20)
run = distill("digits", teacher, "mlp:16x1", epochs=20, temperature=4)
print(run.result["student"], run.result["baseline"])
"""

import platform
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from kdlab.core.data import Dataset, Split, load, load_events
from kdlab.core.evaluation import predict, score
from kdlab.core.events import Done, Event, Opened, Probe
from kdlab.core.history import History
from kdlab.core.objectives import Part
from kdlab.core.spec import Spec
from kdlab.core.teaching import forget_teacher, teach, teach_or_replay
from kdlab.core.training import Learner, LiveKnobs, hard_loss, make_network, train
from kdlab.registry import OBJECTIVES, InputError

__all__ = ["Run", "distill", "distill_events", "fit"]

Network = str | nn.Module


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its trained networks, everything that happened, and the result as `--json` prints it."""

    spec: Spec
    teacher: nn.Module
    student: nn.Module
    baseline: nn.Module
    history: History

    @property
    def result(self) -> dict[str, Any]:
        """Errors and accuracy by network, McNemar's test, seconds, device and spec."""
        assert self.history.result is not None
        return self.history.result


def distill(dataset: str, teacher: Network, student: Network, **options: Any) -> Run:
    """Distil a student next to a hard-label baseline with the same start and the same batches.

    `teacher`: the name of a model to train first, or a trained module. `student`: a name, or a module, which is
    trained in place. `options`: fields of `Spec` (epochs, seed, …) and knobs of the objective (temperature, …); what is
    left out is what suits the data set. Raises InputError, Diverged.
    """
    fields = {key: options.pop(key) for key in list(options) if key in Spec.__dataclass_fields__}
    spec = Spec.suggested(dataset, teacher=_name(teacher), student=_name(student), knobs=options, **fields)
    events = distill_events(
        spec,
        teacher=teacher if isinstance(teacher, nn.Module) else None,
        student=student if isinstance(student, nn.Module) else None,
    )
    run: Run = _drain(events)
    return run


def fit(dataset: str, network: Network, *, epochs: int = 20, **options: Any) -> nn.Module:
    """Train one network on labels and return it, ready to predict; a module is trained in place.

    `options`: fields of `Spec`. Raises InputError, Diverged.
    """
    spec = Spec.suggested(dataset, teacher=_name(network), **{**options, "teacher_epochs": epochs})
    with _prepared() as place:
        data = load(dataset).to(place)
        if isinstance(network, str):
            network = make_network(network, data, spec.seed, "teacher")
        _drain(teach(network.to(place), data, spec, LiveKnobs(spec)))
    return network.eval()


def distill_events(
    spec: Spec, *, teacher: nn.Module | None = None, student: nn.Module | None = None
) -> Generator[Event, Mapping[str, float] | None, Run]:
    """Yield the events of a run and return the `Run`; knobs sent in take effect at the next step.

    A trained `teacher` is only evaluated; without one, the spec's is trained first. Raises InputError, Diverged.
    """
    history = History()
    turned = None
    with _prepared() as place, closing(_events(spec, place, teacher, student)) as events:
        while True:
            try:
                event = events.send(turned)
            except StopIteration as end:
                teacher, student, baseline = end.value
                return Run(spec, teacher, student.eval(), baseline.eval(), history)
            history.append(event)
            turned = yield event


def _events(
    spec: Spec, place: torch.device, teacher: nn.Module | None, student: nn.Module | None
) -> Generator[Event, Mapping[str, float] | None, tuple[nn.Module, nn.Module, nn.Module]]:
    live, objective = LiveKnobs(spec), OBJECTIVES[spec.objective].build
    nothing = torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    if not any(part.weight for part in objective(*nothing, **live.values).values()):
        raise InputError("All weights of the objective are 0, so the student would learn nothing: raise one of them.")
    forget_teacher(spec.dataset)
    with closing(load_events(spec.dataset)) as loading:  # stopped half-way, it removes what was half downloaded
        while True:
            try:
                yield from live.emit(next(loading))
            except StopIteration as end:
                loaded: Dataset = end.value
                break
    data = loaded.to(place)
    transfer = _transfer_set(data, spec)
    yield from live.emit(
        Opened(spec, data.classes, data.test.images.cpu().numpy(), data.test.labels.cpu().numpy(), place.type)
    )

    # Before the teacher is trained, so that a name that cannot be built is refused at once.
    if student is None:
        student = make_network(spec.student, data, spec.seed, "student")
    student = student.to(place)

    teaching = 0.0
    if teacher is None:
        teacher, teaching = yield from teach_or_replay(loaded, data, spec, live)
    else:
        teacher = teacher.to(place)
        yield from live.emit(Probe("teacher", 0, {"teacher": predict(teacher, data.test).cpu().numpy()}))
    began = time.perf_counter() - live.waited

    # The transfer images never change, so the teacher answers once; rows stay in the order of `transfer`.
    teacher_logits = predict(teacher, transfer)

    def distillation_loss(logits: Tensor, labels: Tensor, guide: Tensor | None) -> dict[str, Part]:
        parts: dict[str, Part] = objective(logits, guide, labels, **live.values)
        return parts

    baseline = deepcopy(student)
    learners = [Learner("student", student, distillation_loss), Learner("baseline", baseline, hard_loss)]
    yield from train(
        "student", "Distilling the student beside its baseline", learners, data, transfer, spec,
        epochs=spec.epochs, live=live, teacher_logits=teacher_logits,
    )  # fmt: skip
    seconds = {"teacher": teaching, "student": time.perf_counter() - live.waited - began}

    networks = {"teacher": teacher, "baseline": baseline, "student": student}
    result = score({name: predict(module, data.test) for name, module in networks.items()}, data.test.labels)
    result["validation"] = score(
        {name: predict(module, data.validation) for name, module in networks.items()}, data.validation.labels
    )
    result |= {
        "parameters": {name: sum(p.numel() for p in module.parameters()) for name, module in networks.items()},
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "device": "cpu" if place.type == "cpu" else torch.cuda.get_device_name(place),
        "versions": {"kdlab": version("kdlab"), "torch": str(torch.__version__), "python": platform.python_version()},
        "shape": data.shape,
        "classes": data.classes,
        "knobs_at_end": dict(live.values),
        "spec": asdict(spec),
    }
    yield from live.emit(Done(result))
    return teacher, student, baseline


def _transfer_set(data: Dataset, spec: Spec) -> Split:
    """Choose `transfer_size` training images by the seed; a smaller set is part of a larger one."""
    size = spec.transfer_size or len(data.train)
    if size > len(data.train):
        raise InputError(
            f"The transfer set cannot have {size:,} images, because {spec.dataset} has {len(data.train):,} to train "
            f"on: choose fewer, or 0 for all."
        )
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(spec.seed))
    return data.train.take(order[:size].to(data.train.labels.device))


@contextmanager
def _prepared() -> Iterator[torch.device]:
    """Make this thread ready to train and give the device to train on; the caller's number of threads comes back.

    Adam's second moments of dead pixels fade into denormal numbers, ten times slower. The flag is per thread and
    reaches the others only when it is set before their first work.
    """
    threads = torch.get_num_threads()
    torch.set_flush_denormal(True)
    try:
        yield torch.device("cuda" if torch.cuda.is_available() else "cpu")
    finally:
        torch.set_num_threads(threads)


def _name(network: Network) -> str:
    """Say in a spec which network it was."""
    return network if isinstance(network, str) else f"module:{type(network).__name__}"


def _drain(events: Generator[Event, Any, Any]) -> Any:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value
