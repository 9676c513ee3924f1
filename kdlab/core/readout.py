"""A network's answer as plain logits, whatever its author lets it return."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LOWEST", "LogitReader", "bare", "read_alike", "read_logits"]

# Stands for −inf: divided by any temperature, or taken from another logit, it stays finite.
LOWEST = -1e30


class LogitReader(nn.Module):
    """A network whose answer has to be read: see `read_logits`; of `probabilities` the logarithm is taken."""

    def __init__(self, module: nn.Module, classes: int, probabilities: bool = False) -> None:
        super().__init__()
        self.module, self.classes, self.probabilities = module, classes, probabilities

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (batch, classes), with `LOWEST` in place of −inf."""
        logits = read_logits(self.module(inputs), len(inputs), self.classes)
        assert isinstance(logits, Tensor)  # it was tried before
        if self.probabilities:
            return logits.float().clamp(min=torch.finfo(torch.float32).tiny).log()
        return logits.float().clamp(min=LOWEST)


def read_logits(answer: Any, examples: int, classes: int) -> Any:
    """Return the logits in what a network returned: its `logits`, or the only (examples, classes) tensor of a tuple.

    Anything else comes back as it is: a tensor, or what cannot be read.
    """
    if isinstance(answer, Tensor):
        return answer
    named = answer.get("logits") if isinstance(answer, Mapping) else getattr(answer, "logits", None)
    if isinstance(named, Tensor):
        return named
    if isinstance(answer, tuple | list):
        fitting = [part for part in answer if isinstance(part, Tensor) and part.shape == (examples, classes)]
        if len(fitting) == 1:
            return fitting[0]
    return answer


def read_alike(module: nn.Module, other: nn.Module) -> nn.Module:
    """Return a network as its like, `other`, is read."""
    return LogitReader(module, other.classes, other.probabilities) if isinstance(other, LogitReader) else module


def bare(module: nn.Module) -> nn.Module:
    """Return the network as its author made it, without the reader that kdlab may have put around it."""
    return module.module if isinstance(module, LogitReader) else module
