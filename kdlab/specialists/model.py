"""Specialists and their training data: the generalist's network with some classes and a dustbin for all others."""

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset, Split
from kdlab.registry import InputError
from kdlab.train.heads import Headed
from kdlab.train.seeding import generator

__all__ = ["DUSTBIN", "Specialist", "balanced_sample", "dustbin_bias", "relabelled"]

DUSTBIN = "dustbin"


class Specialist(Headed):
    """A generalist's network whose classes outside of `subset` are merged into a dustbin, with summed probabilities.

    It starts with the generalist's predictions for its classes. Raises InputError for a network that does not end with
    a linear layer. (The paper's dustbin is one class with its own weights, which saves the softmax over 15,000 classes.
    With few classes it costs accuracy: one linear unit must separate all other classes from the special ones.)
    """

    def __init__(self, network: nn.Module, subset: Sequence[int], classes: int) -> None:
        super().__init__(deepcopy(network))
        last = self._last()
        if last is None or last.bias is None or last.out_features != classes:
            raise InputError("Specialists need a network that ends with a linear layer for the classes, with a bias.")
        self.subset = list(subset)
        self.others = [index for index in range(classes) if index not in self.subset]

    def head(self, logits: Tensor) -> Tensor:
        """Return the logits of the subset and of the dustbin, which comes last, from those of all classes."""
        dustbin = logits[..., self.others].logsumexp(-1, keepdim=True)
        return torch.cat([logits[..., self.subset], dustbin], -1)

    def with_dustbin_bias(self, amount: float) -> "Specialist":
        """Return a copy with `amount` added to the dustbin's logit, as a bias of each of its classes."""
        copy = deepcopy(self)
        last = copy._last()
        assert last is not None
        with torch.no_grad():
            last.bias[self.others] += amount
        return copy

    def _last(self) -> nn.Linear | None:
        linear = [part for part in self.network.modules() if isinstance(part, nn.Linear)]
        return linear[-1] if linear else None


def relabelled(data: Dataset, subset: Sequence[int]) -> Dataset:
    """Return the data with a specialist's labels: the classes of `subset` and the dustbin; without a test set."""
    table = torch.full((len(data.classes),), len(subset), device=data.train.labels.device)
    table[list(subset)] = torch.arange(len(subset), device=table.device)

    def relabel(split: Split) -> Split:
        return Split(split.images, table[split.labels], split.groups)

    classes = (*(data.classes[index] for index in subset), DUSTBIN)
    empty = data.validation.take(torch.arange(0, device=table.device))
    return Dataset(data.name, classes, relabel(data.train), relabel(data.validation), relabel(empty))


def balanced_sample(labels: Tensor, subset: Sequence[int], seed: int) -> Tensor:
    """Return as many examples as there are labels, int64, half of them of the special classes and half of the others.

    Drawn at random by `seed`; the counts of the examples in a half differ by at most 1. Raises InputError if a half has
    no example.
    """
    special = torch.isin(labels, torch.tensor(list(subset), device=labels.device))
    permutation_generator = generator(seed, "specialist", *map(str, subset))
    halves = []
    for part, size in ((special, len(labels) // 2), (~special, len(labels) - len(labels) // 2)):
        candidates = part.nonzero()[:, 0]
        if not len(candidates):
            raise InputError("A specialist needs training images of its classes and of others, and one has none.")
        rounds = [
            torch.randperm(len(candidates), generator=permutation_generator) for _ in range(-(-size // len(candidates)))
        ]
        halves.append(candidates[torch.cat(rounds)[:size].to(labels.device)])
    return torch.cat(halves)


def dustbin_bias(labels: Tensor, subset: Sequence[int], examples: Tensor) -> float:
    """Return the bias for the dustbin's logit: the log odds of special classes in `examples` minus those in `labels`.

    `labels`: of all training images; `examples`: those of the specialist. Its predictions fit the class frequencies of
    its examples; this bias corrects them for those of the data (Hinton et al. 2015, section 5.2).
    """
    special = torch.isin(labels, torch.tensor(list(subset), device=labels.device)).double()
    shown_share, true_share = float(special[examples].mean()), float(special.mean())
    return math.log(shown_share / (1 - shown_share)) - math.log(true_share / (1 - true_share))
