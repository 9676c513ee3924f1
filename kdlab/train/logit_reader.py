"""A network's answer as plain logits, whatever its author lets it return."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LOWEST", "LogitReader", "bare", "read_alike", "read_logits"]

# Stands for −inf: divided by any temperature, or taken from another logit, it stays finite.
LOWEST = -1e30


class LogitReader(nn.Module):
    """A network whose answer has to be read: its `logits`, or the part at `place` of a tuple.

    Of `probabilities` the logarithm is taken.
    """

    def __init__(self, module: nn.Module, place: int, probabilities: bool = False) -> None:
        super().__init__()
        self.module, self.place, self.probabilities = module, place, probabilities

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (batch, classes), with `LOWEST` in place of −inf."""
        answer = self.module(inputs)
        logits = answer[self.place] if isinstance(answer, tuple | list) else read_logits(answer, 0, 0)[0]
        assert isinstance(logits, Tensor)  # it was tried before
        if self.probabilities:
            return logits.float().clamp(min=torch.finfo(torch.float32).tiny).log()
        return logits.float().clamp(min=LOWEST)


def read_logits(answer: Any, examples: int, classes: int) -> tuple[Any, int]:
    """Return the logits in what a network returned: its `logits`, or the only (examples, classes) tensor of a tuple.

    And its place in a tuple, or 0. Anything else comes back as it is: a tensor, or what cannot be read.
    """
    if isinstance(answer, Tensor):
        return answer, 0
    named = answer.get("logits") if isinstance(answer, Mapping) else getattr(answer, "logits", None)
    if isinstance(named, Tensor):
        return named, 0
    if isinstance(answer, tuple | list):
        shape = examples, classes
        fitting = [place for place, part in enumerate(answer) if isinstance(part, Tensor) and part.shape == shape]
        if len(fitting) == 1:
            return answer[fitting[0]], fitting[0]
    return answer, 0


def read_alike(module: nn.Module, other: nn.Module) -> nn.Module:
    """Return a network as its like, `other`, is read."""
    return LogitReader(module, other.place, other.probabilities) if isinstance(other, LogitReader) else module


def bare(module: nn.Module) -> nn.Module:
    """Return the network as its author made it, without the reader that kdlab may have put around it."""
    return module.module if isinstance(module, LogitReader) else module
