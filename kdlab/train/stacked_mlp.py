"""Perceptrons of one build as a single program: many students take little more time than one.

Hidden values have features first, (networks, features, batch): the first layers of all networks are then one product
with shared inputs, and each further layer is one batched product. A narrower network is padded with units of weight
zero, which stay zero. Products are computed in `dtype`; weights, the last layer and logits are float32, because logits
rounded to bfloat16 would change the soft targets by a per cent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MLPSignature", "StackedMLP", "constrain", "mlp_signature"]

BLOCK = 4096


@dataclass(frozen=True, slots=True)
class MLPSignature:
    """Perceptrons of equal signatures can be stacked.

    Input features, depth, classes, dropout before each layer, and the largest norm of a hidden unit's weights (0: no
    limit).
    """

    features: int
    depth: int
    classes: int
    dropout: tuple[float, ...]
    max_norm: float


def mlp_signature(module: nn.Module) -> MLPSignature | None:
    """Return the signature of a perceptron as `mlp` builds it, or None for any other network."""
    if type(module) is not nn.Sequential or not len(module) or any(map(_is_altered, module.modules())):
        return None
    parameters = list(module.parameters())
    if not all(
        parameter.requires_grad and parameter.dtype == torch.float32 and not parameter._backward_hooks
        for parameter in parameters
    ):
        return None
    first, *layers = module
    if type(first) is not nn.Flatten or (first.start_dim, first.end_dim) != (1, -1):
        return None
    kinds = [type(layer) for layer in layers]
    linear = [layer for layer in layers if type(layer) is nn.Linear and layer.bias is not None]
    if set(kinds) - {nn.Linear, nn.ReLU, nn.Dropout} or len(linear) != kinds.count(nn.Linear) or len(linear) < 2:
        return None
    if len(parameters) != 2 * len(linear):  # layers share their weights, or something else has some
        return None
    without_dropout = [kind for kind in kinds if kind is not nn.Dropout]
    if without_dropout != [nn.Linear, *[nn.ReLU, nn.Linear] * (len(linear) - 1)]:
        return None
    dropout, pending = [], 0.0
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Dropout):
            previous = kinds[index - 1] if index else nn.ReLU  # dropout comes right before a linear layer
            if previous is not nn.ReLU or pending or layer.p == 1 or index + 1 == len(layers):
                return None
            pending = layer.p
        elif isinstance(layer, nn.Linear):
            dropout.append(pending)
            pending = 0.0
    return MLPSignature(
        linear[0].in_features, len(linear), linear[-1].out_features, tuple(dropout), getattr(module, "max_norm", 0.0)
    )


def _is_altered(module: nn.Module) -> bool:
    """Whether the module has hooks, parametrizations or a forward of its own."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
        or hasattr(module, "parametrizations") or "forward" in vars(module)
    )  # fmt: skip


class StackedMLP:
    """Perceptrons of one `MLPSignature` with their weights side by side.

    A loss is differentiated with respect to `loss_leaves`; an optimiser updates `parameters`. `gather_grads` copies
    gradients from leaves to parameters, `sync_weights` copies updated parameters to the leaves, and `write_back` writes
    them into the modules. `generators`: one for each network's dropout; networks with the same one drop the same units.
    """

    def __init__(
        self, modules: Sequence[nn.Module], dtype: torch.dtype, generators: Sequence[torch.Generator] = ()
    ) -> None:
        (shared,) = {mlp_signature(module) for module in modules}
        assert shared is not None
        self.signature, self.count, self.dtype = shared, len(modules), dtype
        self._generators = generators
        self._linear = [[layer for layer in module.modules() if isinstance(layer, nn.Linear)] for module in modules]
        layers = list(zip(*self._linear, strict=True))
        widest = [max(layer.out_features for layer in peers) for peers in layers]
        sizes = [shared.features, *widest]
        # A stack of one has no dimension of networks: a plain product is faster than a batch of one.
        self._batch = (self.count,) if self.count > 1 else ()
        shapes = [
            shape for inputs, outputs in zip(sizes, widest, strict=False)
            for shape in ((*self._batch, outputs, inputs), (*self._batch, outputs, 1))
        ]  # fmt: skip
        tensors = [part.reshape(-1) for peers in layers for part in self._padded_layer(peers)]
        # Whole blocks, because the optimiser rounds the tail of a tensor and of a thread's share differently.
        padding = -sum(map(len, tensors)) % BLOCK
        self._master = torch.cat([*tensors, tensors[0].new_zeros(padding)])
        self._gradient = torch.zeros_like(self._master)
        self._working = self._master if dtype == torch.float32 else self._master.to(dtype)
        self.parameters = [self._master]
        self._weights, self._slots = _split_views(self._master, shapes), _split_views(self._gradient, shapes)
        leaves = [*_split_views(self._working, shapes)[:-2], *self._weights[-2:]]
        self.loss_leaves = [leaf.detach().requires_grad_() for leaf in leaves]

    def _padded_layer(self, layers: Sequence[nn.Linear]) -> tuple[Tensor, Tensor]:
        """The weights (networks, outputs, inputs) and biases (networks, outputs) of one layer, padded with zeros."""
        outputs = max(layer.out_features for layer in layers)
        inputs = max(layer.in_features for layer in layers)
        weights = layers[0].weight.new_zeros(len(layers), outputs, inputs)
        biases = weights.new_zeros(len(layers), outputs)
        for layer, weight, bias in zip(layers, weights, biases, strict=True):
            weight[: layer.out_features, : layer.in_features] = layer.weight.detach()
            bias[: layer.out_features] = layer.bias.detach()
        return weights, biases

    def logits(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the logits, float32 (networks, batch, classes), of inputs of the type `dtype`.

        Inputs are images that all networks share, (batch, channels, height, width), or separate ones, (networks, …).
        """
        hidden = inputs.flatten(-3).mT
        product = torch.baddbmm if self._batch else torch.addmm
        for layer in range(self.signature.depth):
            weight, bias = self.loss_leaves[2 * layer : 2 * layer + 2]
            if training and self.signature.dropout[layer]:
                # The factor is not part of the mask: 1 / 0.9 is no bfloat16 number.
                hidden = hidden * self._dropout_mask(layer, hidden) * (1 / (1 - self.signature.dropout[layer]))
            if layer == self.signature.depth - 1:
                hidden = product(bias, weight, hidden.float())
            elif hidden.ndim == 2 and self._batch:  # inputs that all networks share
                wide = torch.addmm(bias.reshape(-1, 1), weight.reshape(-1, weight.shape[-1]), hidden)
                hidden = wide.relu_().view(*bias.shape[:2], -1)
            else:
                hidden = product(bias, weight, hidden).relu_()
        return hidden.mT if self._batch else hidden.mT[None]

    def _dropout_mask(self, layer: int, hidden: Tensor) -> Tensor:
        """The mask of kept inputs, 0 or 1; each network's mask is the one that it would draw alone."""
        keep_probability = 1 - self.signature.dropout[layer]
        masks: dict[torch.Generator, Tensor] = {}
        for generator, linear in zip(self._generators, self._linear, strict=True):
            if generator not in masks:
                size = linear[layer].in_features, hidden.shape[-1]
                # Five times as fast on a CPU as torch's bernoulli.
                mask = torch.rand(size, generator=generator, device=hidden.device).lt_(keep_probability)
                masks[generator] = F.pad(mask, (0, 0, 0, hidden.shape[-2] - len(mask))).to(hidden.dtype)
        if len(masks) == 1:
            return next(iter(masks.values()))
        return torch.stack([masks[generator] for generator in self._generators])

    def gather_grads(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients of `parameters` from those of `loss_leaves`."""
        for slot, gradient in zip(self._slots, gradients, strict=True):
            slot.copy_(gradient)
        return [self._gradient]

    def sync_weights(self) -> None:
        """Copy the updated `parameters` to `loss_leaves`, after max-norm."""
        for weight in self._weights[:-2:2] if self.signature.max_norm else ():
            constrain(weight, self.signature.max_norm)
        if self._working is not self._master:
            self._working.copy_(self._master)

    def state(self) -> dict[str, Tensor]:
        """Return the weights and the states of the dropout generators as tensors for a file."""
        streams = enumerate(dict.fromkeys(self._generators))
        return {"weights": self._master} | {f"stream {index}": generator.get_state() for index, generator in streams}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned for a stack of the same networks."""
        self._master.copy_(state["weights"])
        if self._working is not self._master:
            self._working.copy_(self._master)
        for index, generator in enumerate(dict.fromkeys(self._generators)):
            generator.set_state(state[f"stream {index}"])

    @torch.no_grad()
    def write_back(self) -> None:
        """Write the weights back into the modules."""
        for index, layers in enumerate(zip(*self._linear, strict=True)):
            weights, biases = self._weights[2 * index : 2 * index + 2]
            if not self._batch:
                weights, biases = weights[None], biases[None]
            for layer, weight, bias in zip(layers, weights, biases, strict=True):
                layer.weight.copy_(weight[: layer.out_features, : layer.in_features])
                layer.bias.copy_(bias[: layer.out_features, 0])


def constrain(weight: Tensor, max_norm: float) -> None:
    """Scale the rows of `weight` (…, outputs, inputs) down to a norm of `max_norm` (Srivastava et al. 2014, 5.1)."""
    weight.mul_(max_norm / weight.norm(dim=-1, keepdim=True).clamp(min=max_norm))


def _split_views(flat: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """Return consecutive views of one flat tensor."""
    ends = list(accumulate(map(math.prod, shapes), initial=0))
    return [flat[start:end].view(shape) for start, end, shape in zip(ends, ends[1:], shapes, strict=False)]
