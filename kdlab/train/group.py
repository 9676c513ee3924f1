"""Training of several networks as one program where that is possible; each ends as if it had been trained alone."""

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
from kdlab.train.single_module import SingleModule
from kdlab.train.stacked_mlp import StackedMLP, mlp_signature

__all__ = ["GroupTrainer", "Learner", "Loss", "hard_loss", "make_groups"]

Loss = Callable[..., dict[str, Part]]


def hard_loss(logits: Tensor, teacher_logits: Tensor | None, labels: Tensor) -> dict[str, Part]:
    """Return plain cross-entropy, for teacher and baseline."""
    return {"hard": Part(cross_entropy(logits, labels), 1.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """A network in training: `loss` takes its logits, the teacher's, the labels and the current `knobs`.

    `seed` fixes its dropout masks; `source`: its own training data, or None for those that all learners share.
    """

    name: str
    module: nn.Module
    seed: int
    loss: Loss = hard_loss
    knobs: Mapping[str, float] = field(default_factory=dict)
    source: Source | None = None


class GroupTrainer:
    """Trains learners as one program with Adam (Kingma and Ba 2015): stacked perceptrons, or one network of any build.

    `loss_names`: learner and part of each loss in the last step.
    """

    def __init__(self, learners: Sequence[Learner], dtype: torch.dtype, phase: str) -> None:
        self.learners = learners
        self.loss_names: list[tuple[str, str]] = []
        self._loss_groups = [list(group) for _, group in groupby(learners, key=_loss_key)]
        modules = [body(learner.module) for learner in learners]
        device = next(modules[0].parameters()).device
        if mlp_signature(modules[0]) is None:
            self.network: StackedMLP | SingleModule = SingleModule(learners[0].module, dtype, learners[0].seed, phase)
        else:
            # Networks of one seed and build drop the same units, as student and baseline do.
            keys = [(learner.seed, repr(module)) for learner, module in zip(learners, modules, strict=True)]
            streams = {key: generator(key[0], phase, "dropout", device=device) for key in keys}
            self.network = StackedMLP(modules, dtype, [streams[key] for key in keys])
        # Adam's own state; torch.optim's classes would load its compiler, a second of every start.
        parameters = self.network.parameters
        self._means, self._squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
        self._steps = [torch.zeros((), device=device) for _ in self.network.parameters]

    def step(self, inputs: Tensor, labels: Tensor, teacher_logits: Tensor | None, lr: float) -> Tensor:
        """Make one step on a batch and return the parts of each learner's loss, in the order of `loss_names`.

        `inputs` (batch, …) of the network's `dtype`, `labels` int64 (batch,), or both for each learner separately,
        (learners, batch, …); `teacher_logits` float32 (batch, classes); `lr`: the learning rate.
        """
        logits = self.network.logits(inputs, training=True)
        values, total, self.loss_names = [], logits.new_zeros(()), []
        sizes = [len(group) for group in self._loss_groups]
        label_groups = [labels] * len(sizes) if labels.ndim == 1 else torch.split(labels, sizes)
        for group, group_logits, group_labels in zip(
            self._loss_groups, torch.split(logits, sizes), label_groups, strict=True
        ):
            group_logits = self._apply_head(group[0], group_logits)
            for part, (value, weighted) in _loss_parts(group, group_logits, teacher_logits, group_labels).items():
                values.append(value.detach().reshape(-1))
                total = total + weighted.sum()
                self.loss_names += [(learner.name, part) for learner in group]
        gradients = torch.autograd.grad(total, self.network.loss_leaves, materialize_grads=True)
        with torch.no_grad():
            adam(
                self.network.parameters, self.network.gather_grads(gradients), self._means, self._squares, [],
                self._steps, fused=True, amsgrad=False, maximize=False,
                lr=lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
            )  # fmt: skip
            self.network.sync_weights()
        return torch.cat(values)

    def state(self) -> dict[str, Tensor]:
        """Return the state of training as tensors for a file; the next step depends only on it and on its batch."""
        moments = {"means": self._means, "squares": self._squares, "steps": self._steps}
        adam = {f"{name}/{i}": tensor for name, tensors in moments.items() for i, tensor in enumerate(tensors)}
        return adam | {f"network/{name}": tensor for name, tensor in self.network.state().items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned for a group of the same learners."""
        for name, tensors in {"means": self._means, "squares": self._squares, "steps": self._steps}.items():
            for i, tensor in enumerate(tensors):
                tensor.copy_(state[f"{name}/{i}"])
        self.network.restore({name.removeprefix("network/"): tensor for name, tensor in state.items()})

    def _apply_head(self, learner: Learner, logits: Tensor) -> Tensor:
        """Apply a learner's head to the logits of its network; a network outside of a stack includes its head."""
        stacked = isinstance(self.network, StackedMLP) and isinstance(learner.module, Headed)
        return learner.module.head(logits) if stacked else logits  # type: ignore[operator]

    @torch.no_grad()
    def predict(self, *splits: Split) -> dict[str, Tensor]:
        """Return each learner's logits, float32 (examples, classes), as computed in training.

        `splits`: one for all learners, or one for each.
        """
        dtype, longest_split = self.network.dtype, max(splits, key=len)
        if len(set(splits)) == 1:
            chunk_logits = [self.network.logits(longest_split.inputs(chunk, dtype)) for chunk in chunks(longest_split)]
            splits = (longest_split,) * len(self.learners)
        else:
            images = pad_sequence([split.images for split in splits], batch_first=True)
            chunk_logits = [self.network.logits(to_inputs(images[:, chunk], dtype)) for chunk in chunks(longest_split)]
        rows = zip(self.learners, splits, torch.cat(chunk_logits, 1), strict=True)
        return {learner.name: self._apply_head(learner, logits[: len(split)]) for learner, split, logits in rows}


def make_groups(learners: Sequence[Learner], dtype: torch.dtype, phase: str) -> Iterator[GroupTrainer]:
    """Yield the groups in which networks train: one stack of all if they can be stacked, otherwise each alone."""
    signatures = {mlp_signature(body(learner.module)) for learner in learners}
    # Input dropout gives each seed its own inputs; learners with separate sources have separate inputs anyway.
    several_sources = len({learner.source for learner in learners}) > 1
    seeds = {
        learner.seed
        for learner in learners
        if not several_sources and (signature := mlp_signature(body(learner.module))) and signature.dropout[0]
    }
    stackable = len(signatures) == 1 and signatures != {None} and len(seeds) <= 1
    for members in [learners] if stackable else [[learner] for learner in learners]:
        yield GroupTrainer(members, dtype, phase)


def _loss_key(learner: Learner) -> tuple[object, ...]:
    """Learners of equal keys compute their losses at once: loss, head, names of the knobs, discrete knobs."""
    head = learner.module if isinstance(learner.module, Headed) else None
    return learner.loss, head, tuple(learner.knobs), tuple(_discrete_params(learner).items())


def _discrete_params(learner: Learner) -> dict[str, float]:
    """The knobs that are switches or whole numbers: a loss may branch on them, or pick so many classes."""
    return {key: value for key, value in learner.knobs.items() if isinstance(value, int)}


def _loss_parts(
    group: Sequence[Learner], logits: Tensor, teacher_logits: Tensor | None, labels: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """The parts of the learners' losses, and the parts times their weights; logits (learners, batch, classes).

    `labels`: shared, (batch,), or separate, (learners, batch).
    """

    def parts(logits: Tensor, labels: Tensor, knobs: Mapping[str, float]) -> dict[str, tuple[Tensor, Tensor]]:
        loss_parts = group[0].loss(logits, teacher_logits, labels, **knobs)
        return {name: (part.value, part.weight * part.value) for name, part in loss_parts.items()}

    first = group[0].knobs
    if len(group) == 1:
        return parts(logits[0], labels.view(-1), first)
    # A knob that is equal for all learners stays a number: the teacher's side is then computed once.
    columns = {key: [learner.knobs[key] for learner in group] for key in first}
    varying = {key: logits.new_tensor(values) for key, values in columns.items() if len(set(values)) > 1}
    fixed = {key: value for key, value in first.items() if key not in varying}
    at_once = torch.func.vmap(
        lambda learner_logits, learner_labels, knobs: parts(learner_logits, learner_labels, fixed | knobs),
        in_dims=(0, None if labels.ndim == 1 else 0, 0),
    )
    results: dict[str, tuple[Tensor, Tensor]] = at_once(logits, labels, varying)
    return results
