"""Probabilities are told from logits, on few rows and on many, and become logits by their logarithm."""

import numpy as np
import pytest

from kdlab.metrics.softened import soften
from kdlab.registry import InputError
from kdlab.train.probabilities import looks_like_probabilities, to_logits

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(13, 10)) * 4
SOFTMAX = soften(LOGITS, 1.0)
SIGMOID = 1 / (1 + np.exp(-LOGITS))
FAINT = RANDOM.normal(size=(13, 10)) * 0.1  # as of an untrained network

PROBABILITIES = {
    "softmax": SOFTMAX,
    "softmax of an untrained network": soften(FAINT, 1.0),
    "text of 6 decimals": SOFTMAX.round(6),
    "text of 4 decimals, 200 classes": soften(RANDOM.normal(size=(13, 200)) * 4, 1.0).round(4),
    "text of 2 decimals": SOFTMAX.round(2),
    "half precision": SOFTMAX.astype(np.float16),
    "one-hot": np.eye(10),
    "percentages": 100 * SOFTMAX,
    "one row": SOFTMAX[:1],
    "a sigmoid a class": SIGMOID,
    "sigmoids of an untrained network": 1 / (1 + np.exp(-FAINT)),
    "sigmoids as text of 4 decimals": SIGMOID.round(4),
    "sigmoids of a network that is seldom sure": 0.05 + 0.3 * SIGMOID,
    "two sigmoids": SIGMOID[:, :2],
}
NO_PROBABILITIES = {
    "logits": LOGITS,
    "an untrained network's": FAINT,
    "an untrained network's of three classes, all above 0": 0.25 + FAINT[:, :3].clip(-0.2, 0.2),
    "log-probabilities": np.log(SOFTMAX),
    "log-sigmoids": np.log(SIGMOID),
    "behind a ReLU": LOGITS.clip(0),
    "behind a ReLU, untrained": 2 * FAINT.clip(0),
    "all 0": np.zeros((13, 10)),
    "a constant": np.full((13, 10), 0.5),
    "below 0 with rows that sum to 1": LOGITS - LOGITS.mean(1, keepdims=True) + 0.1,
    "NaN": np.where(np.arange(10) == 3, np.nan, SOFTMAX),
    "minus infinity": np.where(np.arange(10) == 3, -np.inf, SOFTMAX),
    "one column": SIGMOID[:, :1],
    "no rows": SOFTMAX[:0],
    "one dimension": SOFTMAX[0],
}


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("case", PROBABILITIES)
def test_probabilities_are_recognised(case: str, kind: type) -> None:
    assert looks_like_probabilities(PROBABILITIES[case].astype(kind))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("case", NO_PROBABILITIES)
def test_logits_are_none(case: str, kind: type) -> None:
    assert looks_like_probabilities(NO_PROBABILITIES[case].astype(kind)) is None


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_untrained_networks_give_logits(classes: int) -> None:
    """Random layers of 8 and 32 units behind a ReLU, as torch begins with: few of a thousand are mistaken."""
    inputs, mistaken = RANDOM.random((16, 64)), 0
    for hidden in (8, 32):
        for _ in range(200):
            ways = [
                RANDOM.uniform(-1, 1, (width + 1, to)) / width**0.5 for width, to in ((64, hidden), (hidden, classes))
            ]
            behind = (inputs @ ways[0][1:] + ways[0][0]).clip(0)
            mistaken += looks_like_probabilities(behind @ ways[1][1:] + ways[1][0]) is not None
    assert mistaken <= 4


def test_the_logits_of_probabilities_give_them_back() -> None:
    for given, meant in ((SOFTMAX, SOFTMAX), (100 * SOFTMAX, SOFTMAX), (SOFTMAX.astype(np.float32), SOFTMAX)):
        logits = to_logits(given, "teacher")
        assert logits.dtype == np.float32
        np.testing.assert_allclose(soften(logits, 1.0), meant, rtol=1e-5)
    np.testing.assert_array_equal(to_logits(logits, "teacher"), logits)  # logarithms stay as they are


def test_zeros_stay_finite_at_low_temperatures() -> None:
    logits = to_logits(np.eye(10), "teacher")
    assert logits.min() == np.float32(np.log(np.finfo(np.float32).tiny))
    assert np.isfinite(logits / np.float32(0.5)).all()
    np.testing.assert_allclose(soften(logits, 1.0), np.eye(10), atol=1e-37)
    np.testing.assert_array_equal(to_logits(logits, "teacher"), logits)


@pytest.mark.parametrize("case", ["a sigmoid a class", "two sigmoids"])
def test_sigmoids_are_no_shares_of_a_whole(case: str) -> None:
    with pytest.raises(InputError, match=r"of the student .* do not sum to 1: divide .* np\.log\(p / \(1 - p\)\)\.$"):
        to_logits(PROBABILITIES[case], "student")


@pytest.mark.parametrize("case", ["logits", "all 0", "NaN", "minus infinity", "no rows"])
def test_other_numbers_are_no_probabilities(case: str) -> None:
    with pytest.raises(InputError, match="do not sum to 1"):
        to_logits(NO_PROBABILITIES[case], "student")
