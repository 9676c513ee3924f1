"""Networks that do not go with the digits (1 × 8 × 8, ten classes), each with a part of the sentence that says why."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FOR_ALL", "FOR_LEARNERS", "FOR_TEACHERS", "Answering", "flat"]


def flat(outputs: int = 10) -> nn.Sequential:
    """A network of one layer, which is no perceptron that kdlab would stack."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, outputs))


class Answering(nn.Module):
    """A network that returns what `change` makes of its logits; `in_training` says where it does so."""

    def __init__(self, change: Callable[[Tensor], Any], outputs: int = 10, in_training: bool | None = None) -> None:
        super().__init__()
        self.network, self.change, self.only = flat(outputs), change, in_training

    def forward(self, inputs: Tensor) -> Any:
        logits = self.network(inputs)
        return self.change(logits) if self.only in (None, self.training) else logits


class ForBatches(nn.Module):
    """A network for batches of 64 images alone."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs.view(64, -1))


class Embedded(nn.Module):
    """A network of grey levels' embeddings, of which only those that were used have a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.levels, self.network = nn.Embedding(17, 4, sparse=True), nn.Linear(256, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(self.levels((inputs * 16).round().long().flatten(1)).flatten(1))


class Uncopied(nn.Module):
    """A network that holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.lock = flat(), threading.Lock()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)


@dataclass(frozen=True)
class Misfit:
    """A kind of network, and what the sentence about it says."""

    make: Callable[[], nn.Module]
    says: str


def frozen() -> nn.Module:
    return flat().requires_grad_(False)


def with_weights(value: float) -> nn.Module:
    network = flat()
    nn.init.constant_(network[1].weight, value)
    return network


def hooked() -> nn.Module:
    network = flat()
    network[1].bias.register_hook(torch.zeros_like)
    return network


def complex_numbers() -> nn.Module:
    network = Answering(lambda v: v)
    network.turn = nn.Parameter(torch.ones(1, dtype=torch.complex64))
    return network


def self_referring() -> nn.Module:
    network = flat()
    layer = network[1].forward
    network[1].forward = lambda inputs: 2 * layer(inputs)
    return network


def batch_normalised() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 10))


FOR_ALL = {
    "one output": Misfit(lambda: Answering(torch.sigmoid, 1), r"gives 1 number for each image.* has 10 classes"),
    "other classes": Misfit(lambda: flat(7), r"gives 7 numbers for each image.* digits has 10 classes"),
    "a dictionary": Misfit(lambda: Answering(lambda v: {"scores": v}), "returns a dict"),
    "an ambiguous tuple": Misfit(lambda: Answering(lambda v: (v, v + 1)), r"returns a tuple of \(13, 10\), \(13, 10\)"),
    "an object": Misfit(lambda: Answering(lambda v: SimpleNamespace(scores=v)), "returns a SimpleNamespace"),
    "nothing": Misfit(lambda: Answering(lambda v: None), "returns a NoneType"),
    "whole numbers": Misfit(lambda: Answering(lambda v: (v * 10).long()), "numbers of the type int64"),
    "an answer a pixel": Misfit(lambda: nn.Conv2d(1, 10, 3, padding=1), r"of the shape \(13, 10, 8, 8\)"),
    "sums over the batch": Misfit(lambda: Answering(lambda v: v.sum(0)), r"of the shape \(10,\)"),
    "one image loses its dimension": Misfit(lambda: Answering(lambda v: v.squeeze(0)), r"1 image of 10 .* \(10,\)"),
    "lazy layers": Misfit(lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "not known yet: send it a batch"),
    "no values": Misfit(lambda: flat().to("meta"), "no values on the device meta: load its weights"),
    "rows of numbers": Misfit(lambda: nn.Sequential(nn.Linear(64, 10)), r"begin it with torch\.nn\.Flatten\(\)"),
    "rows of other numbers": Misfit(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "first layer takes 784 numbers, and an image has 64"
    ),
    "colours": Misfit(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10)), "of 3 channels, and these have 1"
    ),
    "one size of batch": Misfit(ForBatches, r"cannot answer a batch \(13, 1, 8, 8\) of digits: it raises RuntimeError"),
    "NaN": Misfit(lambda: with_weights(float("nan")), "logits that are NaN to images of digits"),
    "infinite": Misfit(lambda: with_weights(3e38), "logits that are (NaN|infinite) to images of digits"),
    "a softmax": Misfit(lambda: Answering(lambda v: v.softmax(1)), "gives probabilities in place of logits"),
    "sigmoids": Misfit(lambda: Answering(lambda v: (20 * v).sigmoid()), "gives probabilities in place of logits"),
}
FOR_TEACHERS = {"probabilities in float64": Misfit(lambda: Answering(lambda v: v.double().softmax(1)), "probabilities")}
FOR_LEARNERS = {
    "double": Misfit(lambda: flat().double(), r"in float64, and is trained in float32: give it as \.float\(\)"),
    "half": Misfit(lambda: flat().half(), "in float16, and is trained in float32"),
    "double answers": Misfit(lambda: Answering(lambda v: v.double()), "logits of the type float64"),
    "−inf": Misfit(lambda: Answering(lambda v: v.masked_fill(v < v.amax(1, True), -torch.inf)), "that are infinite"),
    "a sparse gradient": Misfit(Embedded, "is sparse: make its layer with sparse=False"),
    "complex": Misfit(complex_numbers, "has complex numbers in 'turn': keep real ones"),
    "nothing to train": Misfit(frozen, "nothing to train: let some of its parameters"),
    "no gradient": Misfit(lambda: Answering(lambda v: v.detach()), "nothing to train: its logits do not depend"),
    "an ambiguous tuple in training": Misfit(
        lambda: Answering(lambda v: (v, v.clone()), in_training=True), "returns a tuple .* in training"
    ),
    "NaN in training": Misfit(lambda: Answering(lambda v: v * torch.nan, in_training=True), "NaN .* in training"),
    "a gradient of NaN": Misfit(lambda: Answering(lambda v: v + (v * 0).sqrt()), "gradient of .* is not finite"),
    "a hook on a weight": Misfit(hooked, "has a hook on '1.bias', which its copies lose"),
    "a forward that refers to itself": Misfit(self_referring, "A copy of the .* still computes with the original"),
    "what cannot be copied": Misfit(Uncopied, "cannot be copied .*: keep in it only what copy.deepcopy copies"),
}
