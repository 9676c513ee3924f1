"""Errors, confusion and the paired test, against scikit-learn and SciPy."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix as sklearn_confusion

from kdlab.core.metrics import confusion_matrix, count_errors, paired_test


def logits_for(predicted: list[int] | NDArray[np.int64], classes: int = 2) -> NDArray[np.float32]:
    """Logits whose largest entry is the predicted class."""
    return np.eye(classes, dtype=np.float32)[predicted]


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_confusion_matrix_is_scikit_learns(classes: int) -> None:
    draw = np.random.default_rng(classes)
    labels, logits = draw.integers(0, classes, 300), draw.normal(size=(300, classes)).astype(np.float32)
    expected = sklearn_confusion(labels, logits.argmax(1), labels=range(classes))
    assert np.array_equal(confusion_matrix(logits, labels), expected)


def test_confusion_matrix_has_true_classes_in_rows_and_room_for_absent_ones() -> None:
    counts = confusion_matrix(logits_for([1, 1, 0], classes=3), np.array([0, 0, 0]))
    assert counts.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 0]]


def test_count_errors_counts_what_lies_off_the_diagonal() -> None:
    labels = np.array([0, 1, 2, 2])
    assert count_errors(logits_for([0, 2, 2, 0], classes=3), labels) == 2
    counts = confusion_matrix(logits_for([0, 2, 2, 0], classes=3), labels)
    assert counts.sum() - counts.trace() == 2
    assert count_errors(logits_for(labels, classes=3), labels) == 0


def paired(only_first: int, only_second: int, both: int = 7, neither: int = 3) -> object:
    """The paired test of two networks that are right on so many examples (the truth is class 1)."""
    first = [1] * only_first + [0] * only_second + [1] * both + [0] * neither
    second = [0] * only_first + [1] * only_second + [1] * both + [0] * neither
    labels = np.ones(len(first), dtype=np.int64)
    return paired_test(logits_for(first), logits_for(second), labels)


@pytest.mark.parametrize("discordant", [1, 2, 3, 5, 6, 10, 17, 40, 500])
def test_paired_test_is_the_exact_binomial_test(discordant: int) -> None:
    for only_first in {0, 1, discordant // 3, discordant // 2, -(-discordant // 2), discordant - 1, discordant}:
        test = paired(only_first, discordant - only_first)
        assert (test.only_first, test.only_second) == (only_first, discordant - only_first)
        p = binomtest(only_first, discordant, 0.5).pvalue
        assert test.p == pytest.approx(p, rel=1e-9)
        assert test.differs == (p < 0.05)


def test_paired_test_without_a_difference_is_certain_of_nothing() -> None:
    assert (paired(0, 0).p, paired(0, 0).differs) == (1.0, False)
    assert paired(4, 4).p == 1.0
    assert paired(0, 6).differs
    assert not paired(0, 5).differs


def test_paired_test_looks_at_discordant_examples_alone() -> None:
    assert paired(2, 9, both=0, neither=0).p == paired(2, 9, both=50, neither=60).p
