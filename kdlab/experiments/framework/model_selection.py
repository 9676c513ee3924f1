"""Choices that an experiment makes on validation images."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdlab.metrics.classification import count_errors, cross_entropy
from kdlab.registry import InputError, quote

if TYPE_CHECKING:
    from kdlab.datasets import Split

__all__ = ["best_of", "numbers", "whole_numbers"]


def best_of(logits: Sequence[NDArray[np.float32]], validation: "Split") -> int:
    """Return which of several networks, by their logits, errs least on the validation images.

    Of several with as many errors, the one with the smallest cross-entropy.
    """
    labels = validation.labels.cpu().numpy()
    return min(
        range(len(logits)),
        key=lambda index: (count_errors(logits[index], labels), cross_entropy(logits[index], labels)),
    )


def numbers(text: str, setting: str) -> list[float]:
    """Return the numbers that `text` lists, as "1, 2.5, 4"; raises InputError, which names `setting` they are."""
    try:
        values = [float(part) for part in text.split(",")]
        if not all(map(math.isfinite, values)):
            raise ValueError("no number")
    except ValueError as error:
        raise InputError(
            f"The {setting} must be numbers with commas between them, such as 1,2,4, not {quote(text)}."
        ) from error
    return list(dict.fromkeys(values))


def whole_numbers(text: str, setting: str) -> list[int]:
    """Return the whole numbers that `text` lists, each at least 1; raises InputError as `numbers` does."""
    values = numbers(text, setting)
    if any(value != int(value) or value < 1 for value in values):
        raise InputError(f"The {setting} must be whole numbers from 1 on, such as 30,100, not {quote(text)}.")
    return [int(value) for value in values]
