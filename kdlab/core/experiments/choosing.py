"""Choices that an experiment makes on validation images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import count_errors, cross_entropy
from kdlab.registry import InputError

if TYPE_CHECKING:
    from kdlab.core.data import Split

__all__ = ["best_of", "numbers"]


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
    except ValueError as error:
        raise InputError(
            f"The {what} must be numbers with commas between them, such as 1,2,4, not {text!r}."
        ) from error
    return list(dict.fromkeys(found))
