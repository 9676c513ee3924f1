"""Networks in training: those that can be are one program, and each ends as if it had been trained alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.optim.adam import adam

from kdlab.datasets import Split
from kdlab.datasets.dataset import to_inputs
from kdlab.losses import Part, cross_entropy
from kdlab.train.batches import Source
from kdlab.train.evaluate import chunks
from kdlab.train.heads import Headed, body
from kdlab.train.seeding import generator
from kdlab.train.single_module import Solo
from kdlab.train.stacked_mlp import Stack, plan

__all__ = ["Learner", "Objective", "Team", "hard_loss", "make_teams"]

Objective = Callable[..., dict[str, Part]]


def hard_loss(logits: Tensor, teacher_logits: Tensor | None, labels: Tensor) -> dict[str, Part]:
    """Return plain cross-entropy, for teacher and baseline."""
    return {"hard": Part(cross_entropy(logits, labels), 1.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """A network in training: `objective` takes its logits, the teacher's, the labels and `knobs` as they are now.

    `seed` fixes which units it drops; `own`: what it learns from, if not from what all do.
    """

    name: str
    module: nn.Module
    seed: int
    objective: Objective = hard_loss
    knobs: Mapping[str, float] = field(default_factory=dict)
    own: Source | None = None


class Team:
    """Learners that train as one program, with Adam (Kingma and Ba 2015): a stack, or one network of any build."""

    def __init__(self, learners: Sequence[Learner], dtype: torch.dtype, phase: str) -> None:
        self.learners = learners
        self.names: list[tuple[str, str]] = []
        self._groups = [list(group) for _, group in groupby(learners, key=_way)]
        modules = [body(learner.module) for learner in learners]
        device = next(modules[0].parameters()).device
        if plan(modules[0]) is None:
            self.network: Stack | Solo = Solo(learners[0].module, dtype, learners[0].seed, phase)
        else:
            # Networks of one seed and build drop the same units, as student and baseline do.
            keys = [(one.seed, repr(module)) for one, module in zip(learners, modules, strict=True)]
            streams = {key: generator(key[0], phase, "dropout", device=device) for key in keys}
            self.network = Stack(modules, dtype, [streams[key] for key in keys])
        # Adam's own state; torch.optim's classes would load its compiler, a second of every start.
        self._means, self._squares = ([torch.zeros_like(one) for one in self.network.parameters] for _ in range(2))
        self._steps = [torch.zeros((), device=device) for _ in self.network.parameters]

    def step(self, inputs: Tensor, labels: Tensor, guide: Tensor | None, rate: float) -> Tensor:
        """Make one step on a batch and return the parts of each learner's loss, in the order of `names`.

        `inputs` (batch, …) of the network's `dtype`, `labels` int64 (batch,), or both of each learner its own,
        (learners, batch, …); `guide`: the teacher's logits, float32 (batch, classes), `rate`: the learning rate.
        """
        logits = self.network.logits(inputs, training=True)
        values, total, self.names = [], logits.new_zeros(()), []
        sizes = [len(group) for group in self._groups]
        truths = [labels] * len(sizes) if labels.ndim == 1 else torch.split(labels, sizes)
        for group, own, truth in zip(self._groups, torch.split(logits, sizes), truths, strict=True):
            own = self._headed(group[0], own)
            for part, (value, weighted) in _evaluate(group, own, guide, truth).items():
                values.append(value.detach().reshape(-1))
                total = total + weighted.sum()
                self.names += [(learner.name, part) for learner in group]
        gradients = torch.autograd.grad(total, self.network.leaves, materialize_grads=True)
        with torch.no_grad():
            adam(
                self.network.parameters, self.network.collect(gradients), self._means, self._squares, [],
                self._steps, fused=True, amsgrad=False, maximize=False,
                lr=rate, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
            )  # fmt: skip
            self.network.refresh()
        return torch.cat(values)

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on but its batch, to be kept in a file."""
        moments = {"means": self._means, "squares": self._squares, "steps": self._steps}
        adam = {f"{name}/{at}": one for name, own in moments.items() for at, one in enumerate(own)}
        return adam | {f"network/{name}": one for name, one in self.network.state().items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned of a team of the same learners."""
        for name, own in {"means": self._means, "squares": self._squares, "steps": self._steps}.items():
            for at, one in enumerate(own):
                one.copy_(state[f"{name}/{at}"])
        self.network.restore({name.removeprefix("network/"): one for name, one in state.items()})

    def _headed(self, learner: Learner, logits: Tensor) -> Tensor:
        """What a learner's head makes of its network's logits in a stack."""
        stacked = isinstance(self.network, Stack) and isinstance(learner.module, Headed)
        return learner.module.head(logits) if stacked else logits  # type: ignore[operator]

    @torch.no_grad()
    def predict(self, *splits: Split) -> dict[str, Tensor]:
        """Return each learner's logits, float32 (examples, classes), as computed in training.

        `splits`: one of which all give the logits, or one for each learner.
        """
        dtype, longest = self.network.dtype, max(splits, key=len)
        if len(set(splits)) == 1:
            pieces = [self.network.logits(longest.inputs(chunk, dtype)) for chunk in chunks(longest)]
            splits = (longest,) * len(self.learners)
        else:
            images = pad_sequence([split.images for split in splits], batch_first=True)
            pieces = [self.network.logits(to_inputs(images[:, chunk], dtype)) for chunk in chunks(longest)]
        found = zip(self.learners, splits, torch.cat(pieces, 1), strict=True)
        return {one.name: self._headed(one, logits[: len(split)]) for one, split, logits in found}


def make_teams(learners: Sequence[Learner], dtype: torch.dtype, phase: str) -> Iterator[Team]:
    """Yield the teams in which networks train: a stack of all if they can be stacked, and each alone if not."""
    plans = {plan(body(learner.module)) for learner in learners}
    # Input dropout would give each seed inputs of its own, which learners from sources of their own have anyway.
    apart = len({learner.own for learner in learners}) > 1
    seeds = {
        learner.seed for learner in learners if not apart and (own := plan(body(learner.module))) and own.dropout[0]
    }
    together = len(plans) == 1 and plans != {None} and len(seeds) <= 1
    for team in [learners] if together else [[learner] for learner in learners]:
        yield Team(team, dtype, phase)


def _way(learner: Learner) -> tuple[object, ...]:
    """What must agree for losses to be worked out at once: objective, head, its knobs' names, and those that count."""
    head = learner.module if isinstance(learner.module, Headed) else None
    return learner.objective, head, tuple(learner.knobs), tuple(_counts(learner).items())


def _counts(learner: Learner) -> dict[str, float]:
    """The knobs that are switches or whole numbers: an objective may ask them, or pick so many classes."""
    return {key: value for key, value in learner.knobs.items() if isinstance(value, int)}


def _evaluate(
    group: Sequence[Learner], logits: Tensor, guide: Tensor | None, labels: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """The parts of the learners' losses, and the parts times their weights; logits (learners, batch, classes).

    `labels`: of all, (batch,), or of each its own, (learners, batch).
    """

    def parts(logits: Tensor, labels: Tensor, knobs: Mapping[str, float]) -> dict[str, tuple[Tensor, Tensor]]:
        found = group[0].objective(logits, guide, labels, **knobs)
        return {name: (part.value, part.weight * part.value) for name, part in found.items()}

    first = group[0].knobs
    if len(group) == 1:
        return parts(logits[0], labels.view(-1), first)
    # What is the same for all stays a number: the teacher's side is then worked out once.
    values = {key: [learner.knobs[key] for learner in group] for key in first}
    turned = {key: logits.new_tensor(own) for key, own in values.items() if len(set(own)) > 1}
    same = {key: value for key, value in first.items() if key not in turned}
    at_once = torch.func.vmap(
        lambda own, truth, knobs: parts(own, truth, same | knobs), in_dims=(0, None if labels.ndim == 1 else 0, 0)
    )
    answers: dict[str, tuple[Tensor, Tensor]] = at_once(logits, labels, turned)
    return answers
