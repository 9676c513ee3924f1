"""One network of any build, with the interface of `StackedMLP`: leaves of the loss, parameters of the optimiser."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kdlab.train.evaluate import evaluating
from kdlab.train.seeding import seeded
from kdlab.train.stacked_mlp import constrain

__all__ = ["SingleModule"]


class SingleModule:
    """One network of any build, its products under autocast, in `dtype`.

    Whatever it draws is fixed by `seed`, `phase` and the step.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype, seed: int, phase: str) -> None:
        self._module, self.dtype, self._seed, self._phase, self._step = module, dtype, seed, phase, 0
        self.parameters: list[Tensor] = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.loss_leaves = self.parameters
        module.train()

    def logits(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the logits, float32 (1, batch, classes), of inputs (batch, channels, height, width)."""
        with torch.autocast(inputs.device.type, self.dtype, enabled=self.dtype != torch.float32):
            if training:
                self._step += 1
                with seeded(inputs.device, self._seed, self._phase, self._step):
                    # A copy, because a network may change its inputs, which others share.
                    logits: Tensor = self._module(inputs.to(torch.float32, copy=True))
            else:
                with evaluating(self._module):
                    logits = self._module(inputs.float())
        return logits.float()[None]

    def gather_grads(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients with the memory layout of the parameters, which torch's fused Adam relies on."""
        return [
            gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)
            for parameter, gradient in zip(self.parameters, gradients, strict=True)
        ]

    def sync_weights(self) -> None:
        """Apply the network's max-norm, if it has one; the leaves are the parameters."""
        if max_norm := float(getattr(self._module, "max_norm", 0.0)):
            for layer in [layer for layer in self._module.modules() if isinstance(layer, nn.Linear)][:-1]:
                constrain(layer.weight, max_norm)

    def state(self) -> dict[str, Tensor]:
        """Return weights, buffers and the step as tensors for a file."""
        weights = {f"module/{name}": tensor for name, tensor in self._module.state_dict().items()}
        return weights | {"step": torch.tensor(self._step)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned for the same network."""
        self._module.load_state_dict({name: state[f"module/{name}"] for name in self._module.state_dict()})
        self._step = int(state["step"])

    def write_back(self) -> None:
        """Do nothing: the module is trained in place."""
