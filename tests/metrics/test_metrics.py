"""Errors and confusion, against scikit-learn."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix as sklearn_confusion

from kdlab.metrics.classification import confusion_matrix, count_errors


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
