"""Evaluation of networks: logits of a split, errors and the paired test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset, Split
from kdlab.metrics.classification import count_errors
from kdlab.metrics.significance import paired_test

__all__ = ["chunks", "evaluating", "finished", "predict", "score"]

# Pixels in one chunk: enough to keep the cores busy, few enough for an image network on a laptop.
CHUNK = 1_500_000


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode without gradients, and restore the mode of each part at the end."""
    # A part may be in evaluation mode on purpose; a part of frozen TorchScript has no mode.
    modes = {part: part.training for part in module.modules() if hasattr(part, "training")}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes.items():
            part.training = training


def finished(module: nn.Module) -> nn.Module:
    """Return a network in evaluation mode, whatever its own `train` returns."""
    module.eval()
    return module


def chunks(split: Split) -> Iterator[slice]:
    """Yield slices that cover a split, each of a size for one forward pass."""
    size = max(1, CHUNK // split.images[0].numel())
    for start in range(0, len(split), size):
        yield slice(start, start + size)


def predict(module: nn.Module, split: Split) -> Tensor:
    """Return the logits of a split, float32 (examples, classes), in its order and on its device."""
    with evaluating(module):
        return torch.cat([module(split.inputs(chunk)).float() for chunk in chunks(split)])


def score(logits: Mapping[str, Tensor], split: Split, data: Dataset) -> dict[str, Any]:
    """Return errors and accuracy by network, and the paired test of student against baseline where both are there.

    `logits` of a `split` of `data`, float32 (examples, classes), by network. The test's key names it: "mcnemar", or
    "sign_flips" where examples of the split belong together.
    """
    truth = split.labels.cpu().numpy()
    groups = None if split.groups is None else split.groups.cpu().numpy()
    arrays = {network: values.cpu().numpy() for network, values in logits.items()}
    scores: dict[str, Any] = {"examples": len(truth)}
    for network, values in arrays.items():
        errors = count_errors(values, truth)
        scores[network] = {"errors": errors, "accuracy": 1 - errors / len(truth)}
    if {"student", "baseline"} <= arrays.keys():
        units = {"example_unit": data.example_unit, "group_unit": data.group_unit}
        test = paired_test(arrays["student"], arrays["baseline"], truth, groups, **units)
        scores[test.name] = test.to_dict("student", "baseline")
    return scores
