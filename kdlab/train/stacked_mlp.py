"""Perceptrons of one build as a single program: as many students as one likes for little more than the time of one.

Hidden values lie features first, (networks, features, batch): the first layers of all networks are then one product
with the inputs, unless each network has its own, and each further layer is one batched product. A narrower network is
filled up with units of weight zero, which stay zero. Products are computed in `dtype`; weights, the last layer and
logits are float32, because logits rounded to bfloat16 would move the soft targets by a per cent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Plan", "Stack", "constrain", "plan"]

BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What must agree for perceptrons to be stacked.

    Input features, depth, classes, dropout before each layer, and the most that a hidden unit's weights may measure (0:
    any).
    """

    features: int
    depth: int
    classes: int
    dropout: tuple[float, ...]
    max_norm: float


def plan(module: nn.Module) -> Plan | None:
    """Return the plan of a perceptron as `mlp` builds it, or None for any other network."""
    if type(module) is not nn.Sequential or not len(module) or any(map(_is_altered, module.modules())):
        return None
    parameters = list(module.parameters())
    if not all(one.requires_grad and one.dtype == torch.float32 and not one._backward_hooks for one in parameters):
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
    without = [kind for kind in kinds if kind is not nn.Dropout]
    if without != [nn.Linear, *[nn.ReLU, nn.Linear] * (len(linear) - 1)]:
        return None
    dropout, pending = [], 0.0
    for at, layer in enumerate(layers):
        if isinstance(layer, nn.Dropout):
            after = kinds[at - 1] if at else nn.ReLU  # dropout stands where values go into a linear layer
            if after is not nn.ReLU or pending or layer.p == 1 or at + 1 == len(layers):
                return None
            pending = layer.p
        elif isinstance(layer, nn.Linear):
            dropout.append(pending)
            pending = 0.0
    return Plan(
        linear[0].in_features, len(linear), linear[-1].out_features, tuple(dropout), getattr(module, "max_norm", 0.0)
    )


def _is_altered(module: nn.Module) -> bool:
    """Whether somebody listens to the module or has changed how it works."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
        or hasattr(module, "parametrizations") or "forward" in vars(module)
    )  # fmt: skip


class Stack:
    """Perceptrons of one `Plan` with their weights side by side.

    `leaves` are what a loss is differentiated in, `parameters` what an optimiser changes; `collect` takes the gradients
    from the ones to the others, `refresh` the change back, and `store` writes it into the modules. `generators`: one
    for each network to draw its dropout from, the same for networks that shall drop the same units.
    """

    def __init__(
        self, modules: Sequence[nn.Module], dtype: torch.dtype, generators: Sequence[torch.Generator] = ()
    ) -> None:
        (shared,) = {plan(module) for module in modules}
        assert shared is not None
        self.plan, self.count, self.dtype = shared, len(modules), dtype
        self._generators = generators
        self._linear = [[layer for layer in module.modules() if isinstance(layer, nn.Linear)] for module in modules]
        layers = list(zip(*self._linear, strict=True))
        widest = [max(layer.out_features for layer in same) for same in layers]
        sizes = [shared.features, *widest]
        # A stack of one goes without the dimension of networks: a plain product is faster than a batch of one.
        self._batch = (self.count,) if self.count > 1 else ()
        shapes = [
            shape for inputs, outputs in zip(sizes, widest, strict=False)
            for shape in ((*self._batch, outputs, inputs), (*self._batch, outputs, 1))
        ]  # fmt: skip
        pieces = [part.reshape(-1) for same in layers for part in self._gather(same)]
        # Whole blocks, because the optimiser rounds the loose ends of a tensor and of a thread's share differently.
        fill = -sum(map(len, pieces)) % BLOCK
        self._master = torch.cat([*pieces, pieces[0].new_zeros(fill)])
        self._gradient = torch.zeros_like(self._master)
        self._working = self._master if dtype == torch.float32 else self._master.to(dtype)
        self.parameters = [self._master]
        self._weights, self._slots = _cut(self._master, shapes), _cut(self._gradient, shapes)
        leaves = [*_cut(self._working, shapes)[:-2], *self._weights[-2:]]
        self.leaves = [leaf.detach().requires_grad_() for leaf in leaves]

    def _gather(self, layers: Sequence[nn.Linear]) -> tuple[Tensor, Tensor]:
        """The weights (networks, outputs, inputs) and biases (networks, outputs) of one layer, filled up with zeros."""
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

        Inputs are images that all networks share, (batch, channels, height, width), or of each its own (networks, …).
        """
        hidden = inputs.flatten(-3).mT
        product = torch.baddbmm if self._batch else torch.addmm
        for layer in range(self.plan.depth):
            weight, bias = self.leaves[2 * layer : 2 * layer + 2]
            if training and self.plan.dropout[layer]:
                # Scaled apart from the mask: 1 / 0.9 is no bfloat16 number.
                hidden = hidden * self._keep(layer, hidden) * (1 / (1 - self.plan.dropout[layer]))
            if layer == self.plan.depth - 1:
                hidden = product(bias, weight, hidden.float())
            elif hidden.ndim == 2 and self._batch:  # inputs that all networks share
                wide = torch.addmm(bias.reshape(-1, 1), weight.reshape(-1, weight.shape[-1]), hidden)
                hidden = wide.relu_().view(*bias.shape[:2], -1)
            else:
                hidden = product(bias, weight, hidden).relu_()
        return hidden.mT if self._batch else hidden.mT[None]

    def _keep(self, layer: int, hidden: Tensor) -> Tensor:
        """A mask of what stays, 0 or 1: each network's is what it would draw alone."""
        share = 1 - self.plan.dropout[layer]
        drawn: dict[torch.Generator, Tensor] = {}
        for generator, linear in zip(self._generators, self._linear, strict=True):
            if generator not in drawn:
                size = linear[layer].in_features, hidden.shape[-1]
                # Five times as fast on a CPU as torch's own coins.
                kept = torch.rand(size, generator=generator, device=hidden.device).lt_(share)
                drawn[generator] = F.pad(kept, (0, 0, 0, hidden.shape[-2] - len(kept))).to(hidden.dtype)
        if len(drawn) == 1:
            return next(iter(drawn.values()))
        return torch.stack([drawn[generator] for generator in self._generators])

    def collect(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients of `parameters` from those of `leaves`."""
        for slot, gradient in zip(self._slots, gradients, strict=True):
            slot.copy_(gradient)
        return [self._gradient]

    def refresh(self) -> None:
        """Take what an optimiser did to `parameters` over into `leaves`."""
        for weight in self._weights[:-2:2] if self.plan.max_norm else ():
            constrain(weight, self.plan.max_norm)
        if self._working is not self._master:
            self._working.copy_(self._master)

    def state(self) -> dict[str, Tensor]:
        """Return the weights and where each stream of dropout stands, to be kept in a file."""
        streams = enumerate(dict.fromkeys(self._generators))
        return {"weights": self._master} | {f"stream {at}": one.get_state() for at, one in streams}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned of a stack of the same networks."""
        self._master.copy_(state["weights"])
        if self._working is not self._master:
            self._working.copy_(self._master)
        for at, one in enumerate(dict.fromkeys(self._generators)):
            one.set_state(state[f"stream {at}"])

    @torch.no_grad()
    def store(self) -> None:
        """Write the weights back into the modules."""
        for at, layers in enumerate(zip(*self._linear, strict=True)):
            weights, biases = self._weights[2 * at : 2 * at + 2]
            if not self._batch:
                weights, biases = weights[None], biases[None]
            for layer, weight, bias in zip(layers, weights, biases, strict=True):
                layer.weight.copy_(weight[: layer.out_features, : layer.in_features])
                layer.bias.copy_(bias[: layer.out_features, 0])


def constrain(weight: Tensor, most: float) -> None:
    """Shorten the rows of `weight` (…, outputs, inputs) that are longer than `most` (Srivastava et al. 2014, 5.1)."""
    weight.mul_(most / weight.norm(dim=-1, keepdim=True).clamp(min=most))


def _cut(flat: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """Return views of one flat tensor, one behind the other."""
    ends = list(accumulate(map(math.prod, shapes), initial=0))
    return [flat[start:end].view(shape) for start, end, shape in zip(ends, ends[1:], shapes, strict=False)]
