"""The training loop, a generator of events: pausing is not asking for the next one, stopping is closing it."""

import math
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from kdlab.core import models
from kdlab.core.data import Dataset, Split
from kdlab.core.evaluation import evaluating, predict
from kdlab.core.events import Event, KnobsTurned, Phase, Probe, Step
from kdlab.core.objectives import Part, cross_entropy
from kdlab.core.spec import Spec, check_knobs

__all__ = ["Diverged", "Events", "Learner", "LiveKnobs", "hard_loss", "make_network", "seeded", "train"]

Losses = dict[str, dict[str, float]]
# What a driver may send in while it asks for the next event: objective knobs that were turned.
Events = Generator[Event, Mapping[str, float] | None, None]


class Diverged(RuntimeError):
    """The loss is no longer a finite, sensible number; the message says what to change."""


@contextmanager
def seeded(device: torch.device, seed: int, *purpose: object) -> Iterator[None]:
    """Draw everything inside from a stream of its own for this seed and purpose; the caller's random state is kept.

    The device's own generator is set, because `torch.manual_seed` formats a stack trace each time where CUDA is unused.
    """
    generator = torch.default_generator if device.type == "cpu" else torch.cuda.default_generators[device.index or 0]
    state = generator.get_state()
    generator.manual_seed(zlib.crc32(repr((seed, *purpose)).encode()))
    try:
        yield
    finally:
        generator.set_state(state)


class LiveKnobs:
    """The objective's knobs as they are now, and the one way in which events go out and turned knobs come in.

    `waited`: seconds that whoever takes the events took before asking for the next one, as in a pause.
    """

    def __init__(self, spec: Spec) -> None:
        self.objective = spec.objective
        self.values = dict(spec.knobs)
        self.waited = 0.0

    def emit(self, event: Event, phase: str = "", step: int = 0) -> Events:
        """Yield the event; report each set of turned knobs that comes back as an event too."""
        while True:
            asked = time.perf_counter()
            turned = yield event
            self.waited += time.perf_counter() - asked
            if not turned:
                return
            changed = check_knobs(self.objective, turned)
            self.values.update(changed)
            event = KnobsTurned(phase, step, changed)


@dataclass(frozen=True, slots=True)
class Learner:
    """A network in training: `loss` takes its logits, the batch's labels and the teacher's logits for the batch."""

    name: str
    module: nn.Module
    loss: Callable[[Tensor, Tensor, Tensor | None], dict[str, Part]]


def hard_loss(logits: Tensor, labels: Tensor, teacher_logits: Tensor | None) -> dict[str, Part]:
    """Return plain cross-entropy, for teacher and baseline."""
    return {"hard": Part(cross_entropy(logits, labels), 1.0)}


def make_network(name: str, data: Dataset, seed: int, purpose: str) -> nn.Module:
    """Return the network called `name` for these data, its weights fixed by seed and purpose."""
    with seeded(torch.device("cpu"), seed, purpose):
        return models.build(name, data.shape, len(data.classes)).to(data.train.images.device)


def train(
    phase: str, label: str, learners: list[Learner], data: Dataset, transfer: Split, spec: Spec, *,
    epochs: int, live: LiveKnobs, teacher_logits: Tensor | None = None,
) -> Events:  # fmt: skip
    """Train networks side by side, each on the same batches with the same optimiser, and yield what happens.

    `transfer` is learnt from; the test set of `data` is only looked at. `teacher_logits` (examples, classes) belong to
    the images of `transfer` in their order. Raises Diverged.
    """
    device = transfer.images.device
    batch_size = min(spec.batch_size, len(transfer))
    _set_threads(max(_operations(learner.module, transfer.inputs(slice(batch_size))) for learner in learners))
    steps_per_epoch = len(transfer) // batch_size  # a partial batch waits for another epoch's shuffle
    total = epochs * steps_per_epoch
    optimizers = [torch.optim.Adam(learner.module.parameters(), spec.learning_rate, fused=True) for learner in learners]
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total) for optimizer in optimizers]
    shuffle = torch.Generator().manual_seed(zlib.crc32(repr((spec.seed, phase, "shuffle")).encode()))

    def probe() -> Probe:
        return Probe(phase, step, {one.name: predict(one.module, data.test).cpu().numpy() for one in learners})

    step = 0
    first_losses: Losses = {}
    yield from live.emit(Phase(phase, label, total, steps_per_epoch), phase)
    yield from live.emit(probe(), phase)
    for learner in learners:
        learner.module.train()
    for _ in range(epochs):
        order = torch.randperm(len(transfer), generator=shuffle).to(device)
        for batch in torch.split(order, batch_size)[:steps_per_epoch]:
            inputs, labels = transfer.inputs(batch), transfer.labels[batch]
            guide = None if teacher_logits is None else teacher_logits[batch]
            step += 1
            losses: Losses = {}
            for learner, optimizer, schedule in zip(learners, optimizers, schedules, strict=True):
                with seeded(device, spec.seed, phase, step):  # student and baseline drop the same units
                    parts = learner.loss(learner.module(inputs), labels, guide)
                optimizer.zero_grad()
                torch.stack([part.weight * part.value for part in parts.values()]).sum().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                losses[learner.name] = {name: part.value.item() for name, part in parts.items()}
            first_losses = first_losses or losses
            _check(losses, first_losses, step, spec)
            yield from live.emit(Step(phase, step, losses), phase, step)
        yield from live.emit(probe(), phase, step)


# Forward operations of a batch below which two threads gain nothing, and lose much when the cores are busy with other
# work: `python tests/benchmarks/threads.py`.
FEW_OPERATIONS = 5e7
ALL_THREADS = torch.get_num_threads()


def _set_threads(operations: float) -> None:
    """Train small networks on one core, which also keeps the page lively, and large ones on all."""
    torch.set_num_threads(1 if operations < FEW_OPERATIONS else ALL_THREADS)


def _operations(module: nn.Module, inputs: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, evaluating(module):
        module(inputs)
    return int(counter.get_total_flops())


def _check(losses: Losses, first: Losses, step: int, spec: Spec) -> None:
    for network, parts in losses.items():
        for part, value in parts.items():
            # A loss a thousand times what it began with has left the road, even before it is NaN.
            if not math.isfinite(value) or value > 1e3 * max(1.0, first[network][part]):
                raise Diverged(
                    f"Training stopped at step {step}: the {network}'s {part} loss became {value:.3g}; "
                    f"lower the learning rate (it was {spec.learning_rate:g})."
                )
