"""The training loop, a generator of events: pausing is not asking for the next one, stopping is closing it."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from kdlab import models
from kdlab.augmentations import Views
from kdlab.datasets import Dataset, Split
from kdlab.train.batches import Source, feed
from kdlab.train.checkpoint import Keeper, Losses
from kdlab.train.device import choose_precision, count_operations, set_threads
from kdlab.train.early_stopping import Selection
from kdlab.train.evaluate import predict
from kdlab.train.events import Phase, Probe, Step
from kdlab.train.group import Learner, Team, make_teams
from kdlab.train.live_params import Events, LiveKnobs
from kdlab.train.seeding import seeded
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import Answers

__all__ = ["Diverged", "Events", "LiveKnobs", "make_network", "train"]


class Diverged(RuntimeError):
    """The loss is no longer a finite, sensible number; the message says what to change."""


def make_network(name: str, data: Dataset, seed: int, purpose: str) -> nn.Module:
    """Return the network called `name` for these data, its weights fixed by seed and purpose."""
    with seeded(torch.device("cpu"), seed, purpose):
        return models.build(name, data.shape, len(data.classes)).to(data.train.images.device)


def train(
    phase: str, label: str, learners: Sequence[Learner], split: Split, examples: Tensor, views: Views, spec: Spec, *,
    epochs: int, live: LiveKnobs, answers: Answers | None = None, watch: Split | None = None,
    selection: Selection | None = None, keeper: Keeper | None = None,
) -> Events:  # fmt: skip
    """Train networks side by side, each on the same batches with the same optimiser, and yield what happens.

    `examples` int64: the images of `split` that are learnt from, of which `views` are shown; `answers`: the teacher's.
    `watch`: images that are only looked at, after each epoch; `selection` keeps the weights that suit them best.
    `keeper`: takes checkpoints after epochs, and says where to begin when there is one of this phase.
    All this is for learners without a source of their own; the others learn from labels alone, in the same order.
    Raises Diverged, and ValueError for sources that do not go together.
    """
    sources = _sources(learners, Source(split, examples, views, watch), answers)
    watched = {name: source.watch for name, source in sources.items() if source.watch is not None}
    first = sources[learners[0].name]
    device, batch_size = first.examples.device, min(spec.batch_size, len(first.examples))
    dtype = choose_precision(spec.precision, learners[0].module, device)
    teams = list(make_teams(learners, dtype, phase))
    _set_threads(teams, first.split.inputs(slice(batch_size)), dtype)
    steps_per_epoch = len(first.examples) // batch_size
    total = epochs * steps_per_epoch
    members = [[sources[one.name] for one in team.learners] for team in teams]
    begin, first_losses = keeper.restore(phase, teams) if keeper else (0, {})
    done = begin * steps_per_epoch
    fed = feed(members, spec, batch_size, phase, dtype, answers, begin)
    stride = _stride(device)
    finite = {learner.name: _finite(learner.module) for learner in learners}
    pending: list[Tensor] = []
    try:
        if not begin:
            yield from live.emit(Phase(phase, label, total, steps_per_epoch), phase)
        if watched and not begin:
            yield from live.emit(_probe(phase, 0, teams, watched), phase)
        for step, found in enumerate(islice(fed, total - done), done + 1):
            rate = spec.learning_rate
            if spec.schedule == "cosine":
                rate *= (1 + math.cos(math.pi * (step - 1) / total)) / 2
            pending.append(torch.cat([team.step(*batch, rate) for team, batch in zip(teams, found, strict=True)]))
            epoch_ends = step % steps_per_epoch == 0
            if epoch_ends or len(pending) == stride:
                for made, values in enumerate(torch.stack(pending).tolist(), step - len(pending) + 1):
                    losses = _by_name(teams, values)
                    first_losses = first_losses or losses
                    _check(losses, first_losses, made, spec)
                    yield from live.emit(Step(phase, made, losses), phase, step)
                pending = []
            if step == total:
                _check_weights(teams, finite, spec)
            if epoch_ends and watched:
                probe = _probe(phase, step, teams, watched, final=step == total)
                if selection is not None:
                    selection.consider(probe, teams, watched)
                yield from live.emit(probe, phase, step)
            if epoch_ends and keeper and keeper.due:
                saved = keeper.save(phase, step, step // steps_per_epoch, teams, first_losses, answers)
                yield from live.emit(saved, phase, step)
    finally:
        for team in teams:
            team.network.store()


def _finite(module: nn.Module) -> set[str]:
    """The names of parameters and buffers that are finite: a mask may hold −inf from the beginning."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {name for name, tensor in tensors if tensor.layout == torch.strided and bool(tensor.isfinite().all())}


def _check_weights(teams: Sequence[Team], begun: Mapping[str, set[str]], spec: Spec) -> None:
    """Raise Diverged for weights that are finite no more: the losses do not show what the last step did."""
    for team in teams:
        team.network.store()
        for learner in team.learners:
            if begun[learner.name] - _finite(learner.module):
                raise Diverged(
                    f"After the last step weights of the {learner.name} are NaN or infinite, so it has no result; "
                    f"lower the learning rate (it was {spec.learning_rate:g})."
                )


def _sources(learners: Sequence[Learner], shared: Source, answers: Answers | None) -> dict[str, Source]:
    """What each learner learns from, by its name; raises ValueError."""
    sources = {one.name: one.own or shared for one in learners}
    if answers is not None and set(sources.values()) != {shared}:
        raise ValueError("A teacher's answers are to images that all learners share: none may have its own.")
    if len({(len(source.examples), source.watch is None) for source in sources.values()}) > 1:
        raise ValueError("Learners side by side need as many examples each, and all or none of them a split to watch.")
    return sources


def _stride(device: torch.device) -> int:
    """Steps after which the losses are asked for: now and then on an accelerator, which each question makes wait."""
    return 1 if device.type == "cpu" else 16


def _probe(phase: str, step: int, teams: Sequence[Team], watched: Mapping[str, Split], final: bool = False) -> Probe:
    """Look at the watched images: as in training, but for the last time, which is quoted, in float32."""
    logits: dict[str, Tensor] = {}
    for team in teams:
        if final:
            team.network.store()
            logits |= {one.name: predict(one.module, watched[one.name]) for one in team.learners}
            names = (learner.name for learner in team.learners)
            if odd := next((name for name in names if not logits[name].isfinite().all()), ""):
                raise Diverged(
                    f"After the last step the {odd} gives logits that are NaN or infinite, so it has no result; lower "
                    "the learning rate."
                )
        else:
            logits |= team.predict(*(watched[one.name] for one in team.learners))
    return Probe(phase, step, {name: values.cpu().numpy() for name, values in logits.items()})


def _set_threads(teams: Sequence[Team], batch: Tensor, dtype: torch.dtype) -> None:
    set_threads(max(sum(count_operations(one.module, batch) for one in team.learners) for team in teams), dtype)


def _by_name(teams: Sequence[Team], values: Sequence[float]) -> Losses:
    losses: Losses = {}
    for (learner, part), value in zip((name for team in teams for name in team.names), values, strict=True):
        losses.setdefault(learner, {})[part] = value
    return losses


def _check(losses: Losses, first: Losses, step: int, spec: Spec) -> None:
    for network, parts in losses.items():
        for part, value in parts.items():
            # A loss a thousand times what it began with has left the road, even before it is NaN.
            if not math.isfinite(value) or value > 1e3 * max(1.0, first[network][part]):
                raise Diverged(
                    f"Training stopped at step {step}: the {network}'s {part} loss became {value:.3g}; "
                    f"lower the learning rate (it was {spec.learning_rate:g})."
                )
