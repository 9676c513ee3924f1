"""Which of many runs can be trained as one program."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import torch
from torch import nn

from kdlab.train.device import choose_precision
from kdlab.train.spec import Spec
from kdlab.train.stacked_mlp import plan

__all__ = ["choices", "together"]

# Of the widest network's weights: a network with a smaller share would mostly multiply zeros in its stack.
LEAST_SHARE = 0.5
# What may differ between networks that see the same batches.
OWN = {"teacher", "student", "objective", "knobs", "seed", "batch_seed"}


def choices(**options: Any) -> list[dict[str, Any]]:
    """Return all combinations of the options that hold several values, as lists, tuples or ranges."""
    several = [value if isinstance(value, list | tuple | range) else [value] for value in options.values()]
    return [dict(zip(options, values, strict=True)) for values in product(*several)]


def together(specs: Sequence[Spec], modules: Sequence[nn.Module], place: torch.device) -> list[list[int]]:
    """Return the positions of the networks that train as one program: same batches, same build, much the same size."""
    sizes = [sum(parameter.numel() for parameter in module.parameters()) for module in modules]
    groups: list[tuple[object, list[int]]] = []
    for at in sorted(range(len(specs)), key=lambda at: -sizes[at]):
        same = {key: value for key, value in asdict(specs[at]).items() if key not in OWN}
        precision = choose_precision(specs[at].precision, modules[at], place)
        build = plan(modules[at])
        # Dropped inputs are each seed's own.
        inputs = specs[at].shuffle_seed, specs[at].seed if build and build.dropout[0] else None
        kind = (build, same, inputs, precision) if build else at
        for other, group in groups:
            if kind == other and sizes[at] >= LEAST_SHARE * sizes[group[0]]:
                group.append(at)
                break
        else:
            groups.append((kind, [at]))
    return [sorted(group) for _, group in groups]
