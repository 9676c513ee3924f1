"""What a specialist is and learns: the generalist's network, on some classes and a dustbin for all others."""

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset, Split
from kdlab.registry import InputError
from kdlab.train.heads import Headed
from kdlab.train.seeding import generator

__all__ = ["DUSTBIN", "Specialist", "correction", "half_special", "relabelled"]

DUSTBIN = "dustbin"


class Specialist(Headed):
    """A generalist's network whose classes outside of `subset` are one, the dustbin: the sum of their probabilities.

    It begins as the generalist in all that it says of its classes. Raises InputError for a network that does not end
    with a linear layer. (The paper's dustbin is one class with weights of
    its own, which saves the softmax over 15,000; of few classes it costs more than that: it must tell all that is not
    special from what is with one linear unit.)
    """

    def __init__(self, network: nn.Module, subset: Sequence[int], classes: int) -> None:
        super().__init__(deepcopy(network))
        last = self._last()
        if last is None or last.bias is None or last.out_features != classes:
            raise InputError("Specialists need a network that ends with a linear layer for the classes, with a bias.")
        self.subset = list(subset)
        self.others = [at for at in range(classes) if at not in self.subset]

    def head(self, logits: Tensor) -> Tensor:
        """Return the logits of the subset and of the dustbin, which comes last, from those of all classes."""
        dustbin = logits[..., self.others].logsumexp(-1, keepdim=True)
        return torch.cat([logits[..., self.subset], dustbin], -1)

    def raised(self, amount: float) -> "Specialist":
        """Return a copy with the dustbin's logit raised by `amount`: each of its classes' is."""
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
    """Return the data as a specialist sees them: the classes of `subset` and the dustbin; without a test set."""
    table = torch.full((len(data.classes),), len(subset), device=data.train.labels.device)
    table[list(subset)] = torch.arange(len(subset), device=table.device)

    def again(split: Split) -> Split:
        return Split(split.images, table[split.labels], split.groups)

    classes = (*(data.classes[at] for at in subset), DUSTBIN)
    empty = data.validation.take(torch.arange(0, device=table.device))
    return Dataset(data.name, classes, again(data.train), again(data.validation), again(empty))


def half_special(labels: Tensor, subset: Sequence[int], seed: int) -> Tensor:
    """Return as many examples as there are labels, int64, half of them of the special classes and half of the others.

    Drawn at random by `seed`, each of a half as often as another (at most one more time). Raises InputError where the
    one or the other has no example.
    """
    special = torch.isin(labels, torch.tensor(list(subset), device=labels.device))
    draw = generator(seed, "specialist", *map(str, subset))
    halves = []
    for part, size in ((special, len(labels) // 2), (~special, len(labels) - len(labels) // 2)):
        there = part.nonzero()[:, 0]
        if not len(there):
            raise InputError("A specialist needs training images of its classes and of others, and one has none.")
        rounds = [torch.randperm(len(there), generator=draw) for _ in range(-(-size // len(there)))]
        halves.append(there[torch.cat(rounds)[:size].to(labels.device)])
    return torch.cat(halves)


def correction(labels: Tensor, subset: Sequence[int], examples: Tensor) -> float:
    """Return what the dustbin's logit must be raised by: the log of how much more often special classes are shown.

    `labels`: of all training images; `examples`: those of the specialist. What it learns is right for the mixture that
    it sees, and with this for the one that there is (Hinton et al. 2015, section 5.2).
    """
    special = torch.isin(labels, torch.tensor(list(subset), device=labels.device)).double()
    seen, all_there = float(special[examples].mean()), float(special.mean())
    return math.log(seen / (1 - seen)) - math.log(all_there / (1 - all_there))
