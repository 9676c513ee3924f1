"""The logits of a network that returns something else than a tensor of logits."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LOWEST", "LogitReader", "read_logits", "unwrap", "wrap_like"]

# Stands for −inf: divided by any temperature, or subtracted from another logit, it stays finite.
LOWEST = -1e30


class LogitReader(nn.Module):
    """Wraps a network and reads the logits from its output: from `logits`, or from element `index` of a tuple.

    `probabilities`: the network returns probabilities, whose logarithm is taken.
    """

    def __init__(self, module: nn.Module, index: int, probabilities: bool = False) -> None:
        super().__init__()
        self.module, self.index, self.probabilities = module, index, probabilities

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (batch, classes), with `LOWEST` in place of −inf."""
        output = self.module(inputs)
        logits = output[self.index] if isinstance(output, tuple | list) else read_logits(output, 0, 0)[0]
        assert isinstance(logits, Tensor)  # the network was tried before
        if self.probabilities:
            return logits.float().clamp(min=torch.finfo(torch.float32).tiny).log()
        return logits.float().clamp(min=LOWEST)


def read_logits(output: Any, examples: int, classes: int) -> tuple[Any, int]:
    """Return the logits in a network's output: its `logits`, or the only (examples, classes) tensor of a tuple.

    The second value is the index in the tuple, or 0. Any other output is returned unchanged.
    """
    if isinstance(output, Tensor):
        return output, 0
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(named, Tensor):
        return named, 0
    if isinstance(output, tuple | list):
        shape = examples, classes
        candidates = [index for index, part in enumerate(output) if isinstance(part, Tensor) and part.shape == shape]
        if len(candidates) == 1:
            return output[candidates[0]], candidates[0]
    return output, 0


def wrap_like(module: nn.Module, reference: nn.Module) -> nn.Module:
    """Return a network with the same reader as `reference`, a network of the same build, or without one."""
    if isinstance(reference, LogitReader):
        return LogitReader(module, reference.index, reference.probabilities)
    return module


def unwrap(module: nn.Module) -> nn.Module:
    """Return the network without the reader that kdlab may have wrapped around it."""
    return module.module if isinstance(module, LogitReader) else module
