"""Running a network without training it, and summing up a finished run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kdlab.core.data import Split
from kdlab.core.metrics import count_errors, paired_test

__all__ = ["evaluating", "predict", "score"]

# Large enough to keep the cores busy, small enough for a laptop's memory with an image network.
CHUNK = 2_000


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode without gradients, and back into the mode it was in, whatever happens."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)


def predict(module: nn.Module, split: Split) -> Tensor:
    """Return the logits of a split, float32 (examples, classes), in its order and on its device."""
    with evaluating(module):
        chunks = [module(split.inputs(slice(start, start + CHUNK))).float() for start in range(0, len(split), CHUNK)]
    return torch.cat(chunks)


def score(logits: Mapping[str, Tensor], labels: Tensor) -> dict[str, Any]:
    """Return errors and accuracy by network, and McNemar's test of student against baseline where both are there."""
    truth = labels.cpu().numpy()
    arrays = {network: values.cpu().numpy() for network, values in logits.items()}
    scores: dict[str, Any] = {"examples": len(truth)}
    for network, values in arrays.items():
        errors = count_errors(values, truth)
        scores[network] = {"errors": errors, "accuracy": 1 - errors / len(truth)}
    if {"student", "baseline"} <= arrays.keys():
        test = paired_test(arrays["student"], arrays["baseline"], truth)
        scores["mcnemar"] = {
            "only_student_right": test.only_first,
            "only_baseline_right": test.only_second,
            "p": test.p,
            "verdict": test.verdict("student", "baseline"),
        }
    return scores
