"""Grouping of many runs into those that can be trained as one program."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import torch
from torch import nn

from kdlab.train.device import choose_precision
from kdlab.train.spec import Spec
from kdlab.train.stacked_mlp import mlp_signature

__all__ = ["choices", "group_compatible"]

# Smallest size relative to the largest network: a smaller network would mostly multiply zeros in the stack.
MIN_SIZE_RATIO = 0.5
# Fields that may differ between networks that see the same batches.
PER_NETWORK_FIELDS = {"teacher", "student", "loss", "knobs", "seed", "batch_seed"}


def choices(**options: Any) -> list[dict[str, Any]]:
    """Return all combinations of the options that hold several values, as lists, tuples or ranges."""
    several = [value if isinstance(value, list | tuple | range) else [value] for value in options.values()]
    return [dict(zip(options, values, strict=True)) for values in product(*several)]


def group_compatible(specs: Sequence[Spec], modules: Sequence[nn.Module], device: torch.device) -> list[list[int]]:
    """Return groups of indices of networks that train as one program: same batches, same build, similar size."""
    sizes = [sum(parameter.numel() for parameter in module.parameters()) for module in modules]
    groups: list[tuple[object, list[int]]] = []
    for index in sorted(range(len(specs)), key=lambda index: -sizes[index]):
        shared_fields = {key: value for key, value in asdict(specs[index]).items() if key not in PER_NETWORK_FIELDS}
        precision = choose_precision(specs[index].precision, modules[index], device)
        signature = mlp_signature(modules[index])
        # Each seed drops other inputs.
        inputs = specs[index].shuffle_seed, specs[index].seed if signature and signature.dropout[0] else None
        group_key = (signature, shared_fields, inputs, precision) if signature else index
        for other_key, group in groups:
            if group_key == other_key and sizes[index] >= MIN_SIZE_RATIO * sizes[group[0]]:
                group.append(index)
                break
        else:
            groups.append((group_key, [index]))
    return [sorted(group) for _, group in groups]
