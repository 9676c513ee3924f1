"""Verdicts: the intervals of the textbook where one source of noise is silent, and coverage where both speak."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from kdlab.core.experiments.verdicts import HOLDS, LEVEL, NOISE, REFUTED, judge, keeps, within


def draw(*shape: int, seed: int = 0, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, shape)


@pytest.mark.parametrize("mean", [-1.0, -0.3, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("arrange", ["one seed", "numbers by seed", "examples alike", "seeds alike"])
def test_with_one_source_of_noise_the_interval_is_students(arrange: str, mean: float) -> None:
    values = draw(12, mean=mean)
    scores = {
        "one seed": values[None],
        "numbers by seed": values,
        "examples alike": np.repeat(values[:, None], 30, 1),
        "seeds alike": np.repeat(values[None], 5, 0),
    }[arrange]
    test = stats.ttest_1samp(values, 0)
    low, high = test.confidence_interval(LEVEL)
    found = judge(scores)
    assert found["mean"] == pytest.approx(values.mean())
    assert found["interval"] == pytest.approx([low, high])
    expected = NOISE if test.pvalue > 1 - LEVEL else HOLDS if values.mean() > 0 else REFUTED
    assert found["verdict"] == expected
    assert judge(-scores)["interval"] == pytest.approx([-high, -low])


def test_all_three_verdicts_occur() -> None:
    assert [judge(draw(12, mean=mean))["verdict"] for mean in (-1.0, 0.0, 1.0)] == [REFUTED, NOISE, HOLDS]


def test_of_many_images_two_networks_are_told_apart_by_the_paired_test() -> None:
    """One seed of 0s and 1s: the normal interval of the paired difference, as McNemar's test has it."""
    labels = np.random.default_rng(1)
    first = (labels.random(10_000) < 0.0100).astype(float)
    second = np.where(labels.random(10_000) < 0.0040, 1 - first, first)
    only_first, only_second = ((first > second).sum(), (second > first).sum())
    difference = (only_first - only_second) / 10_000
    error = math.sqrt((only_first + only_second) / 10_000 - difference**2) / 100
    found = judge((first - second)[None])
    assert found["interval"] == pytest.approx([difference - 1.96 * error, difference + 1.96 * error], rel=1e-3)


def test_two_sources_of_noise_are_added_with_welchs_degrees_of_freedom() -> None:
    scores = [[1.0, 2.0, 6.0, 1.0, 2.0, 6.0], [3.0, 4.0, 8.0, 3.0, 4.0, 8.0]]
    examples = statistics.variance([2, 3, 7, 2, 3, 7]) / 6  # of the means over seeds
    seeds = statistics.variance([3, 5]) / 2
    freedom = (examples + seeds) ** 2 / (examples**2 / 5 + seeds**2 / 1)
    half = math.sqrt(examples + seeds) * float(stats.t.ppf(0.975, freedom))
    for move, verdict in ((-4, NOISE), (10 * half, HOLDS), (-10 * half, REFUTED)):
        found = judge(np.array(scores) + move)
        assert found["verdict"] == verdict
        assert found["mean"] == pytest.approx(4 + move)
        assert found["interval"] == pytest.approx([4 + move - half, 4 + move + half])


@pytest.mark.parametrize(("images", "verdict"), [(5, NOISE), (6, HOLDS)])
def test_a_handful_of_images_tells_nothing_from_noise(images: int, verdict: str) -> None:
    """Five images that only one network has right: McNemar's exact p is 0.06, whatever Student's interval says."""
    scores = np.zeros((3, 10_000))
    scores[:, :images] = 1
    assert judge(scores)["interval"][0] > (0 if images == 6 else -1)
    assert judge(scores)["verdict"] == verdict
    assert stats.binomtest(0, images).pvalue == pytest.approx(0.0625 if images == 5 else 0.03125)


@pytest.mark.parametrize(
    ("seeds", "examples", "of_seeds", "of_examples", "of_both"),
    [
        (3, 200, 1, 1, 0),
        (5, 50, 1, 0, 1),
        (5, 50, 0, 1, 1),
        (5, 200, 0.2, 3, 3),
        (3, 500, 0.05, 1, 1),
        (10, 50, 1, 5, 2),
    ],
)
def test_the_interval_covers_the_true_mean(
    seeds: int, examples: int, of_seeds: float, of_examples: float, of_both: float
) -> None:
    random = np.random.default_rng(0)
    draws, covered = 2_000, 0
    for _ in range(draws):
        scores = (
            0.5
            + of_seeds * random.normal(size=(seeds, 1))
            + of_examples * random.normal(size=(1, examples))
            + of_both * random.normal(size=(seeds, examples))
        )
        low, high = judge(scores)["interval"]
        covered += low <= 0.5 <= high
    assert covered / draws >= 0.93


def test_a_claim_about_nothing_holds_in_one_draw_of_forty() -> None:
    random = np.random.default_rng(0)
    found = [judge(random.normal(size=(5, 1)) + random.normal(size=(1, 50)))["verdict"] for _ in range(2_000)]
    # With few degrees of freedom a little seldomer.
    assert found.count(HOLDS) / 2_000 == pytest.approx(0.025, abs=0.012)
    assert found.count(REFUTED) / 2_000 == pytest.approx(0.025, abs=0.012)


@pytest.mark.parametrize("shape", [(3,), (1, 6), (3, 7)])
@pytest.mark.parametrize(("value", "verdict"), [(0.25, HOLDS), (-0.25, REFUTED), (0.0, NOISE)])
def test_without_any_spread_the_sign_decides(shape: tuple[int, ...], value: float, verdict: str) -> None:
    assert judge(np.full(shape, value)) == {"verdict": verdict, "mean": value, "interval": [value, value]}


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_single_number_is_inside_the_noise(shape: tuple[int, ...]) -> None:
    assert judge(np.full(shape, 7.0)) == {"verdict": NOISE, "mean": 7.0, "interval": None}


def test_counts_and_truth_values_are_scores_too() -> None:
    values = draw(8) > 0
    assert judge(values) == judge(values.astype(float)) == judge(values.astype(np.int64))
    assert all(type(judge(values)[key]) is kind for key, kind in (("mean", float), ("interval", list)))


def test_a_share_of_a_gain_is_kept_or_not() -> None:
    gain, kept = draw(3, 200, mean=1.0), draw(3, 200, seed=1, mean=0.9)
    assert judge(keeps(gain, kept, 0.5))["verdict"] == HOLDS
    assert judge(keeps(gain, kept, 1.5))["verdict"] == REFUTED
    np.testing.assert_allclose(keeps(gain, kept, 0.5), kept - gain / 2)
    # Where nothing was gained, nothing can be kept.
    assert judge(keeps(gain - 2, kept + 5, 0.5))["verdict"] != HOLDS
    assert judge(keeps(0 * gain, kept + 5, 0.5))["verdict"] == NOISE


def test_errors_are_within_a_tenth_or_not() -> None:
    random = np.random.default_rng(0)
    first = (random.random((3, 5_000)) < 0.5).astype(float)
    for more, verdict in ((0.02, HOLDS), (0.3, REFUTED)):
        second = np.maximum(first, random.random((3, 5_000)) < more)
        assert judge(within(first, second, 0.1))["verdict"] == judge(within(second, first, 0.1))["verdict"] == verdict
        assert judge(within(first, second, 0.1)) == judge(within(second, first, 0.1))
    assert judge(within(first, first, 0.1))["verdict"] == HOLDS
