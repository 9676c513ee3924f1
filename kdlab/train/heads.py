"""Networks with a head without weights, so that the network before the head can be stacked."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["Headed", "body"]


class Headed(nn.Module, ABC):
    """A `network` and a head, a function of its logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @abstractmethod
    def head(self, logits: Tensor) -> Tensor:
        """Return other logits (…, classes) from those of the network."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the head's logits (batch, classes)."""
        return self.head(self.network(inputs))


def body(module: nn.Module) -> nn.Module:
    """Return the network before the head, which has all weights, or the module itself without a head."""
    return module.network if isinstance(module, Headed) else module
