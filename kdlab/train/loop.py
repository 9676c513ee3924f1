"""The training loop, a generator of events: not asking for the next event pauses it, closing it stops it."""

import math
from collections.abc import Generator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from kdlab import models
from kdlab.augmentations import Views
from kdlab.datasets import Dataset, Split
from kdlab.live_params import LiveParams
from kdlab.train.batches import Source, group_batches
from kdlab.train.checkpoint import Checkpointer, Losses
from kdlab.train.device import choose_precision, count_operations, set_threads
from kdlab.train.early_stopping import BestWeights
from kdlab.train.evaluate import predict
from kdlab.train.events import Event, ParamsChanged, Phase, Probe, Step
from kdlab.train.group import GroupTrainer, Learner, make_groups
from kdlab.train.seeding import seeded
from kdlab.train.spec import Spec, check_knobs
from kdlab.train.teacher_logits import TeacherLogitCache

__all__ = ["Diverged", "make_network", "train"]


class Diverged(RuntimeError):
    """The loss is not finite or far too large; the message says how to avoid that."""


def make_network(name: str, data: Dataset, seed: int, purpose: str) -> nn.Module:
    """Return the network called `name` for these data, its weights fixed by seed and purpose."""
    with seeded(torch.device("cpu"), seed, purpose):
        return models.build(name, data.shape, len(data.classes)).to(data.train.images.device)


def train(
    phase: str, label: str, learners: Sequence[Learner], split: Split, examples: Tensor, views: Views, spec: Spec, *,
    epochs: int, live: LiveParams | None = None, teacher_logits: TeacherLogitCache | None = None,
    eval_split: Split | None = None, best_weights: BestWeights | None = None, checkpointer: Checkpointer | None = None,
) -> Generator[Event, None, None]:  # fmt: skip
    """Train networks side by side, each on the same batches with the same optimiser, and yield events.

    `examples` int64: indices of the training images in `split`, which are shown as `views`. `live`: the loss's knobs;
    each step uses the changes that waited before it. `teacher_logits`: of these views. `eval_split`: images on which
    the networks are evaluated after each epoch; `best_weights` keeps the weights with the fewest errors there.
    `checkpointer` makes checkpoints after epochs; training resumes from its checkpoint if that is of this phase.
    Learners with a source of their own ignore `split`, `examples`, `views` and `eval_split`, and learn from labels
    alone, in the same order. Raises Diverged, InputError for bad knobs, and ValueError for incompatible sources.
    """
    sources = _sources(learners, Source(split, examples, views, eval_split), teacher_logits)
    eval_splits = {name: source.eval_split for name, source in sources.items() if source.eval_split is not None}
    first = sources[learners[0].name]
    device, batch_size = first.examples.device, min(spec.batch_size, len(first.examples))
    dtype = choose_precision(spec.precision, learners[0].module, device)
    groups = list(make_groups(learners, dtype, phase))
    _set_threads(groups, first.split.inputs(slice(batch_size)), dtype)
    steps_per_epoch = len(first.examples) // batch_size
    total = epochs * steps_per_epoch
    source_groups = [[sources[learner.name] for learner in group.learners] for group in groups]
    first_epoch, first_losses = checkpointer.restore(phase, groups) if checkpointer else (0, {})
    steps_done = first_epoch * steps_per_epoch
    stream = group_batches(source_groups, spec, batch_size, phase, dtype, teacher_logits, first_epoch)
    sync_interval = _sync_interval(device)
    finite_at_start = {learner.name: _finite_tensors(learner.module) for learner in learners}
    pending: list[Tensor] = []
    try:
        if not first_epoch:
            yield Phase(phase, label, total, steps_per_epoch)
        if eval_splits and not first_epoch:
            yield _probe(phase, 0, groups, eval_splits)
        for step, batches in enumerate(islice(stream, total - steps_done), steps_done + 1):
            while live is not None and (changes := live.take()):
                checked = check_knobs(spec.loss, changes)
                live.values.update(checked)
                yield ParamsChanged(phase, step - 1, checked)
            lr = spec.learning_rate
            if spec.schedule == "cosine":
                lr *= (1 + math.cos(math.pi * (step - 1) / total)) / 2
            pending.append(torch.cat([group.step(*batch, lr) for group, batch in zip(groups, batches, strict=True)]))
            epoch_ends = step % steps_per_epoch == 0
            if epoch_ends or len(pending) == sync_interval:
                for loss_step, values in enumerate(torch.stack(pending).tolist(), step - len(pending) + 1):
                    losses = _by_name(groups, values)
                    first_losses = first_losses or losses
                    _check_losses(losses, first_losses, loss_step, spec)
                    yield Step(phase, loss_step, losses)
                pending = []
            if step == total:
                _check_weights(groups, finite_at_start, spec)
            if epoch_ends and eval_splits:
                probe = _probe(phase, step, groups, eval_splits, final=step == total)
                if best_weights is not None:
                    best_weights.update(probe, groups, eval_splits)
                yield probe
            if epoch_ends and checkpointer and checkpointer.due:
                yield checkpointer.save(phase, step, step // steps_per_epoch, groups, first_losses, teacher_logits)
    finally:
        for group in groups:
            group.network.write_back()


def _finite_tensors(module: nn.Module) -> set[str]:
    """The names of parameters and buffers that are finite: a mask may hold −inf from the start."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {name for name, tensor in tensors if tensor.layout == torch.strided and bool(tensor.isfinite().all())}


def _check_weights(groups: Sequence[GroupTrainer], finite_at_start: Mapping[str, set[str]], spec: Spec) -> None:
    """Raise Diverged for weights that are no longer finite: the losses do not show the effect of the last step."""
    for group in groups:
        group.network.write_back()
        for learner in group.learners:
            if finite_at_start[learner.name] - _finite_tensors(learner.module):
                raise Diverged(
                    f"After the last step weights of the {learner.name} are NaN or infinite, so it has no result; "
                    f"lower the learning rate (it was {spec.learning_rate:g})."
                )


def _sources(
    learners: Sequence[Learner], shared: Source, teacher_logits: TeacherLogitCache | None
) -> dict[str, Source]:
    """The source of each learner by its name; raises ValueError."""
    sources = {learner.name: learner.source or shared for learner in learners}
    if teacher_logits is not None and set(sources.values()) != {shared}:
        raise ValueError("A teacher's answers are to images that all learners share: none may have its own.")
    if len({(len(source.examples), source.eval_split is None) for source in sources.values()}) > 1:
        raise ValueError("Learners side by side need as many examples each, and all or none of them a split to watch.")
    return sources


def _sync_interval(device: torch.device) -> int:
    """Steps between two reads of the losses: each read makes an accelerator wait."""
    return 1 if device.type == "cpu" else 16


def _probe(
    phase: str, step: int, groups: Sequence[GroupTrainer], eval_splits: Mapping[str, Split], final: bool = False
) -> Probe:
    """Evaluate the networks in the precision of training; `final`: in float32, because these numbers are quoted."""
    logits: dict[str, Tensor] = {}
    for group in groups:
        if final:
            group.network.write_back()
            logits |= {learner.name: predict(learner.module, eval_splits[learner.name]) for learner in group.learners}
            names = (learner.name for learner in group.learners)
            if diverged := next((name for name in names if not logits[name].isfinite().all()), ""):
                raise Diverged(
                    f"After the last step the {diverged} gives logits that are NaN or infinite, so it has no result; "
                    "lower the learning rate."
                )
        else:
            logits |= group.predict(*(eval_splits[learner.name] for learner in group.learners))
    return Probe(phase, step, {name: values.cpu().numpy() for name, values in logits.items()})


def _set_threads(groups: Sequence[GroupTrainer], batch: Tensor, dtype: torch.dtype) -> None:
    set_threads(
        max(sum(count_operations(learner.module, batch) for learner in group.learners) for group in groups), dtype
    )


def _by_name(groups: Sequence[GroupTrainer], values: Sequence[float]) -> Losses:
    losses: Losses = {}
    for (learner, part), value in zip((name for group in groups for name in group.loss_names), values, strict=True):
        losses.setdefault(learner, {})[part] = value
    return losses


def _check_losses(losses: Losses, first: Losses, step: int, spec: Spec) -> None:
    for network, parts in losses.items():
        for part, value in parts.items():
            # A loss of a thousand times its first value has diverged, even before it is NaN.
            if not math.isfinite(value) or value > 1e3 * max(1.0, first[network][part]):
                raise Diverged(
                    f"Training stopped at step {step}: the {network}'s {part} loss became {value:.3g}; "
                    f"lower the learning rate (it was {spec.learning_rate:g})."
                )
