"""Networks that answer together: the mean of an ensemble, arithmetic or geometric."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.jobs import Trained

__all__ = ["combine", "committee", "with_dropout"]


def combine(logits: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Return the log of the power mean of several networks' probabilities, up to a constant (examples, classes).

    `logits`: (networks, examples, classes). `power` 1 is the arithmetic mean, 0 the geometric one, which is the mean of
    the logits, and what lies between goes smoothly from one to the other.
    """
    shifted = logits - logits.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    mean: NDArray[np.float32]
    if power == 0:
        mean = log_p.mean(0)
        return mean
    scaled = power * log_p
    most = scaled.max(0)
    mean = (np.log(np.exp(scaled - most).mean(0)) + most) / power
    return mean


def committee(members: Sequence[Trained]) -> Trained:
    """Return several networks as one that answers with the mean of their logits: the geometric mean of predictions."""
    from torch import Tensor, nn

    from kdlab.experiments.framework.weights_cache import digest

    class Committee(nn.Module):
        """The mean of the members' logits."""

        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(member.module for member in members)

        def forward(self, inputs: Tensor) -> Tensor:
            """Return logits (batch, classes)."""
            total: Tensor = sum(member(inputs).float() for member in self.members)
            return total / len(self.members)

    return Trained(Committee().eval(), digest(["committee", *(member.name for member in members)]))


def with_dropout(network: Trained, draws: int) -> Trained:
    """Return a network with dropout as an ensemble: the arithmetic mean of `draws` answers with units dropped."""
    import torch
    from torch import Tensor, nn

    from kdlab.experiments.framework.weights_cache import digest
    from kdlab.losses import log_softmax
    from kdlab.train.seeding import seeded

    class Dropping(nn.Module):
        """The log of the mean of the probabilities of several draws."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network.module

        def forward(self, inputs: Tensor) -> Tensor:
            """Return logits (batch, classes)."""
            dropouts = [part for part in self.network.modules() if isinstance(part, nn.Dropout)]
            try:
                for part in dropouts:
                    part.train()
                with seeded(inputs.device, 0, "dropout draws"):
                    answers = torch.stack([log_softmax(self.network(inputs)) for _ in range(draws)])
            finally:
                for part in dropouts:
                    part.eval()
            return answers.logsumexp(0)

    return Trained(Dropping().eval(), digest(["dropping", draws, network.name]))
