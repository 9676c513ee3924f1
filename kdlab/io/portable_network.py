"""A small network as a list of plain layers and one array of weights, for programs without torch such as a web page.

The layers, in the order of their application to an image (channels, height, width):

    {"kind": "convolution", "inputs": 1, "outputs": 16, "kernel": 3}   zero padding that keeps the size
    {"kind": "linear", "inputs": 784, "outputs": 30}
    {"kind": "relu"}
    {"kind": "pool"}                                                   2 × 2 maximum, an odd last row or column included

The array follows the layers: for each convolution and each linear layer the weights in torch's order (outputs first),
then the biases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

from kdlab.lazy import nn
from kdlab.registry import InputError

__all__ = ["Layers", "portable", "read", "write"]

Layers = list[dict[str, Any]]


def portable(module: nn.Module) -> tuple[Layers, NDArray[np.float32]]:
    """Return the layers and the weights (float32, one dimension) of an `mlp` or a `cnn` in evaluation mode.

    Dropout is left out, and a batch normalisation is folded into the convolution before it. Raises InputError for
    other layers.
    """

    if type(module) is not nn.Sequential:
        raise InputError(f"A {type(module).__name__} cannot leave torch; an mlp or a cnn can.")
    layers: Layers = []
    numbers: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    flat = False
    for layer in module:
        last = layers[-1]["kind"] if layers else ""
        if type(layer) is nn.Dropout:
            continue
        if type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1):
            flat = True
        elif type(layer) is nn.ReLU:
            layers.append({"kind": "relu"})
        elif type(layer) is nn.Linear and flat:
            layers.append({"kind": "linear", "inputs": layer.in_features, "outputs": layer.out_features})
            numbers.append((_array(layer.weight), _array(layer.bias, layer.out_features)))
        elif type(layer) is nn.Conv2d and not flat and _is_plain_convolution(layer):
            layers.append(
                {"kind": "convolution", "inputs": layer.in_channels, "outputs": layer.out_channels, "kernel": 3}
            )
            numbers.append((_array(layer.weight), _array(layer.bias, layer.out_channels)))
        elif type(layer) is nn.BatchNorm2d and last == "convolution" and layer.track_running_stats:
            numbers[-1] = _fold(layer, *numbers[-1])
        elif type(layer) is nn.MaxPool2d and not flat and _halves(layer):
            layers.append({"kind": "pool"})
        else:
            name = type(layer).__name__
            raise InputError(
                f"A {name} as it stands in this network cannot leave torch; the layers of mlp and cnn can."
            )
    flattened = [array.ravel() for pair in numbers for array in pair]
    return layers, np.concatenate([np.zeros(0), *flattened]).astype(np.float32)


def write(path: Path | str, networks: Mapping[str, nn.Module]) -> None:
    """Write networks by name to one safetensors file: a tensor of weights each, the layers in the metadata as JSON."""
    parts = {name: portable(module) for name, module in networks.items()}
    metadata = {"layers": json.dumps({name: layers for name, (layers, _) in parts.items()})}
    # Written as bytes, because safetensors creates files that only their owner may read.
    Path(path).write_bytes(to_bytes({name: weights for name, (_, weights) in parts.items()}, metadata))


def read(path: Path | str) -> dict[str, tuple[Layers, NDArray[np.float32]]]:
    """Return the layers and the weights of each network in a file of `write`, in its order, without torch."""
    with safe_open(path, framework="numpy") as file:
        layers: dict[str, Layers] = json.loads(file.metadata()["layers"])
        return {name: (layers[name], file.get_tensor(name)) for name in layers}


def _array(tensor: Any, missing: int = 0) -> NDArray[np.float64]:
    """Return a tensor in float64, or `missing` zeros where the layer has none."""
    if tensor is None:
        return np.zeros(missing)
    array: NDArray[np.float64] = tensor.detach().double().cpu().numpy()
    return array


def _fold(
    norm: nn.BatchNorm2d, weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a convolution's weights and biases with the batch normalisation, in evaluation mode, folded in."""
    scale = 1 / np.sqrt(_array(norm.running_var) + norm.eps)
    shift = np.zeros_like(bias)
    if norm.affine:
        scale, shift = scale * _array(norm.weight), _array(norm.bias)
    return weight * scale[:, None, None, None], (bias - _array(norm.running_mean)) * scale + shift


def _is_plain_convolution(layer: nn.Conv2d) -> bool:
    sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups, layer.padding_mode)
    return sizes == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


def _halves(layer: nn.MaxPool2d) -> bool:
    """Return whether a pooling reduces 2 × 2 pixels to one and includes an odd row or column at the edge."""
    sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.return_indices, layer.ceil_mode)
    return sizes == (2, 2, 0, 1, False, True)
