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
    return min(range(len(logits)), key=lambda at: (count_errors(logits[at], labels), cross_entropy(logits[at], labels)))


def numbers(text: str, what: str) -> list[float]:
    """Return the numbers that `text` lists, as "1, 2.5, 4"; raises InputError, which names `what` they are."""
    try:
        found = [float(one) for one in text.split(",")]
        if not all(map(math.isfinite, found)):
            raise ValueError("no number")
    except ValueError as error:
        raise InputError(
            f"The {what} must be numbers with commas between them, such as 1,2,4, not {quote(text)}."
        ) from error
    return list(dict.fromkeys(found))


def whole_numbers(text: str, what: str) -> list[int]:
    """Return the whole numbers that `text` lists, each at least 1; raises InputError as `numbers` does."""
    found = numbers(text, what)
    if any(one != int(one) or one < 1 for one in found):
        raise InputError(f"The {what} must be whole numbers from 1 on, such as 30,100, not {quote(text)}.")
    return [int(one) for one in found]
