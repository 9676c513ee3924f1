"""Quality of predictions: errors, cross-entropy and confusion, in NumPy, from logits (examples, classes)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "confusion_matrix",
    "count_errors",
    "count_pairs",
    "cross_entropies",
    "cross_entropy",
    "telling_example",
]

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


def count_errors(logits: Logits, labels: Labels) -> int:
    """Return how many examples are misclassified."""
    return int((logits.argmax(1) != labels).sum())


def cross_entropies(logits: Logits, labels: Labels) -> NDArray[np.float64]:
    """Return the cross-entropy with the label of each example, float64 (examples,) (nats)."""
    shifted = (logits - logits.max(1, keepdims=True)).astype(np.float64)
    lost: NDArray[np.float64] = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]
    return lost


def cross_entropy(logits: Logits, labels: Labels) -> float:
    """Return the cross-entropy with the labels, averaged over the examples (nats)."""
    return float(cross_entropies(logits, labels).mean())


def confusion_matrix(logits: Logits, labels: Labels) -> NDArray[np.int64]:
    """Return counts (classes, classes): row = true class, column = predicted class."""
    return count_pairs(labels, logits.argmax(1), logits.shape[1])


def count_pairs(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Return the number of examples for each pair of label and prediction, (classes, classes), labels in rows."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def telling_example(logits: Mapping[str, Logits], labels: Labels) -> int:
    """Return an example that teacher and student have right, the baseline wrong, and the teacher is least sure of.

    `logits` by role; 0 when one of the three is missing.
    """
    if not {"teacher", "student", "baseline"} <= logits.keys():
        return 0
    teacher = logits["teacher"] - logits["teacher"].max(1, keepdims=True)
    doubt = np.log(np.exp(teacher).sum(1))  # − log of the largest probability
    right = {role: logits[role].argmax(1) == labels for role in ("teacher", "student", "baseline")}
    return int(np.where(right["teacher"] & right["student"] & ~right["baseline"], doubt, -1.0).argmax())
