"""Ensembles: the arithmetic, geometric or power mean of several networks' predictions, as one network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.jobs import TrainedNetwork
from kdlab.lazy import nn, torch

__all__ = ["log_power_mean", "logit_ensemble", "mc_dropout"]


def log_power_mean(logits: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Return the log of the power mean of several networks' probabilities, up to a constant (examples, classes).

    `logits`: (networks, examples, classes). `power` 1 is the arithmetic mean, 0 the geometric one, which is the mean of
    the logits, and what lies between goes smoothly from one to the other.
    """
    centred = logits - logits.max(-1, keepdims=True)
    log_p = centred - np.log(np.exp(centred).sum(-1, keepdims=True))
    mean: NDArray[np.float32]
    if power == 0:
        mean = log_p.mean(0)
        return mean
    scaled = power * log_p
    highest = scaled.max(0)
    mean = (np.log(np.exp(scaled - highest).mean(0)) + highest) / power
    return mean


def logit_ensemble(members: Sequence[TrainedNetwork]) -> TrainedNetwork:
    """Return several networks as one, with the mean of their logits: the geometric mean of their predictions."""

    from kdlab.experiments.framework.weights_cache import digest

    class LogitEnsemble(nn.Module):
        """The mean of the members' logits."""

        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(member.module for member in members)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            """Return logits (batch, classes)."""
            total: torch.Tensor = sum(member(inputs).float() for member in self.members)
            return total / len(self.members)

    return TrainedNetwork(LogitEnsemble().eval(), digest(["committee", *(member.name for member in members)]))


def mc_dropout(network: TrainedNetwork, draws: int) -> TrainedNetwork:
    """Return the mean prediction of `draws` dropout masks as a network: MC dropout (Gal and Ghahramani 2016)."""

    from kdlab.experiments.framework.weights_cache import digest
    from kdlab.losses import log_softmax
    from kdlab.train.seeding import seeded

    class MCDropout(nn.Module):
        """The log of the mean of the probabilities over several dropout masks."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network.module

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            """Return logits (batch, classes)."""
            dropouts = [part for part in self.network.modules() if isinstance(part, nn.Dropout)]
            try:
                for part in dropouts:
                    part.train()
                with seeded(inputs.device, 0, "dropout draws"):
                    log_probabilities = torch.stack([log_softmax(self.network(inputs)) for _ in range(draws)])
            finally:
                for part in dropouts:
                    part.eval()
            return log_probabilities.logsumexp(0)

    return TrainedNetwork(MCDropout().eval(), digest(["dropping", draws, network.name]))
