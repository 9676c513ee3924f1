"""What predictions are worth: errors, confusion and a paired test, in NumPy, from logits (examples, classes)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PairedTest",
    "confusion_matrix",
    "count_errors",
    "count_pairs",
    "cross_entropies",
    "cross_entropy",
    "paired_test",
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
    """Return how often each label met each prediction, (classes, classes), labels in rows."""
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


@dataclass(frozen=True, slots=True)
class PairedTest:
    """McNemar's exact test of two networks on the same examples.

    `only_first`, `only_second`: examples that only the one network has right; `p`: two-sided probability of a split at
    least this uneven if both were equally good (McNemar 1947; exact binomial).
    """

    only_first: int
    only_second: int
    p: float

    @property
    def differs(self) -> bool:
        """Whether the difference is larger than noise at the 5 % level."""
        return self.p < 0.05

    def verdict(self, first: str, second: str) -> str:
        """Return the outcome as a sentence about the networks called `first` and `second`."""
        p = "McNemar's exact p < 0.001" if self.p < 0.001 else f"McNemar's exact p = {self.p:.2g}"
        counts = f"{self.only_first} images only the {first} has right, {self.only_second} only the {second}"
        if not self.differs:
            return f"No difference beyond noise between {first} and {second} ({p}): {counts}."
        better, worse = (first, second) if self.only_first > self.only_second else (second, first)
        return f"The {better} beats the {worse}, beyond noise ({p}): {counts}."


def paired_test(first: Logits, second: Logits, labels: Labels) -> PairedTest:
    """Return McNemar's exact test of `first` against `second`."""
    from scipy.special import bdtr  # here, because a page is drawn before SciPy is needed

    first_right, second_right = first.argmax(1) == labels, second.argmax(1) == labels
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    p = 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5))
    return PairedTest(only_first, only_second, min(1.0, p))
