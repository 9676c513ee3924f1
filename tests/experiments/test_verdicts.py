"""Verdicts: the intervals of the textbook where one source of noise is silent, and coverage where both speak."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from kdlab.experiments.framework.claims import Above, All, Claim, Fewer, Keeps, Rare, Within
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.verdicts import (
    HOLDS,
    LEVEL,
    NO_GAIN,
    NOISE,
    REFUTED,
    judge,
    judge_all,
    judge_rate,
    judge_share,
)
from kdlab.registry import InputError


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


def test_two_sources_of_noise_have_intervals_of_their_own_that_are_added_in_squares() -> None:
    scores = [[1.0, 2.0, 6.0, 1.0, 2.0, 6.0], [3.0, 4.0, 8.0, 3.0, 4.0, 8.0]]
    examples = stats.t.ppf(0.975, 5) * statistics.stdev([2, 3, 7, 2, 3, 7]) / math.sqrt(6)  # of the means over seeds
    seeds = stats.t.ppf(0.975, 1) * statistics.stdev([3, 5]) / math.sqrt(2)
    half = math.hypot(examples, seeds)
    for move, verdict in ((-4, NOISE), (10 * half, HOLDS), (-10 * half, REFUTED)):
        found = judge(np.array(scores) + move)
        assert found["verdict"] == verdict
        assert found["mean"] == pytest.approx(4 + move)
        assert found["interval"] == pytest.approx([4 + move - half, 4 + move + half])


@pytest.mark.parametrize(
    ("first", "second"), [(7, 1), (9, 2), (11, 3), (6, 0), (8, 1), (12, 3), (40, 20), (40, 24), (2, 30)]
)
def test_of_one_seed_the_verdict_is_the_exact_tests(first: int, second: int) -> None:
    scores = np.zeros((1, 10_000))
    scores[0, :first], scores[0, first : first + second] = 1, -1
    differs = stats.binomtest(first, first + second).pvalue < 0.05
    assert judge(scores)["verdict"] == ((HOLDS if first > second else REFUTED) if differs else NOISE)


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize(("first", "second", "verdict"), [(9, 2, NOISE), (11, 2, HOLDS)])
def test_the_exact_test_counts_groups_and_no_seed_twice(
    seeds: int, size: int, first: int, second: int, verdict: str
) -> None:
    """In so many groups one example more is right, in the others one fewer; all seeds are alike."""
    groups = np.repeat(np.arange(500), size)
    scores = np.zeros((seeds, len(groups)))
    scores[:, : first * size : size], scores[:, first * size : (first + second) * size : size] = 1, -1
    assert (stats.binomtest(first, first + second).pvalue < 0.05) == (verdict == HOLDS)
    found = judge(scores, groups=groups if size > 1 else None)
    assert found["interval"][0] > 0  # Student's interval alone would let the claim hold
    assert found["verdict"] == verdict


def test_a_number_that_was_not_measured_has_no_interval() -> None:
    scores = np.ones((2, 9))
    scores[1, 3] = np.nan
    for found in (judge(scores), judge_rate(scores, 0.5), judge_share(scores, scores, 0.8)):
        assert (found["verdict"], found["interval"]) == (NOISE, None)
        assert math.isnan(found["mean"])
    assert judge_all([judge(np.ones((2, 9))), judge(scores)], [])["interval"] is None


def test_one_group_tells_nothing_of_others_and_no_example_tells_nothing() -> None:
    assert judge(np.array([[0.3], [0.3], [0.4]])) == {"verdict": NOISE, "mean": pytest.approx(1 / 3), "interval": None}
    for empty in (judge(np.zeros((2, 0))), judge_rate(np.zeros((2, 0)), 0.03)):
        assert (empty["verdict"], empty["interval"]) == (NOISE, None)


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
        (2, 200, 0.2, 1, 1),
        (2, 200, 1, 0, 0.01),
        (2, 50, 0.1, 0, 1),
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
    assert covered / draws >= 0.94


def test_a_claim_about_nothing_holds_at_most_in_one_draw_of_forty() -> None:
    random = np.random.default_rng(0)
    found = [judge(random.normal(size=(5, 1)) + random.normal(size=(1, 50)))["verdict"] for _ in range(2_000)]
    for verdict in (HOLDS, REFUTED):
        assert 0.005 < found.count(verdict) / 2_000 < 0.034


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


# --- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("happens", "examples"), [(0, 10), (1, 100), (3, 100), (50, 100), (100, 100), (40, 10_000)])
def test_a_rate_of_one_seed_has_the_exact_interval(happens: int, examples: int) -> None:
    values = np.zeros((1, examples))
    values[0, :happens] = 1
    exact = stats.binomtest(happens, examples).proportion_ci(LEVEL, "exact")
    found = judge_rate(values, 0.03)
    assert found["mean"] == pytest.approx(0.03 - happens / examples)
    assert found["interval"] == pytest.approx([0.03 - exact.high, 0.03 - exact.low])
    assert found["verdict"] == (HOLDS if exact.high < 0.03 else REFUTED if exact.low > 0.03 else NOISE)


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_a_claim_on_a_rate_at_its_bound_holds_at_most_in_one_draw_of_forty(seeds: int, alike: float) -> None:
    """The case of the audit: "at least 97 %" at a true 97 % of 100 examples held in 19 % of the draws."""
    random, draws = np.random.default_rng(seeds), 2_000
    holds = 0
    for _ in range(draws):
        common = random.random((1, 100)) < 0.03
        own = random.random((seeds, 100)) < 0.03
        holds += judge_rate(np.where(random.random((1, 100)) < alike, common, own), 0.03)["verdict"] == HOLDS
    assert holds / draws <= 0.025


def test_seeds_widen_the_interval_of_a_rate() -> None:
    values = np.zeros((3, 1000))
    for seed, happens in enumerate((10, 20, 60)):
        values[seed, :happens] = 1
    seeds = stats.t.ppf(0.975, 2) * statistics.stdev([0.01, 0.02, 0.06]) / math.sqrt(3)
    exact = stats.binomtest(30, 1000).proportion_ci(LEVEL, "exact")
    low, high = (0.03 + sign * math.hypot(0.03 - end, seeds) for sign, end in ((-1, exact.low), (1, exact.high)))
    assert judge_rate(values, 0.05)["interval"] == pytest.approx([0.05 - high, 0.05 - low])


# --- kinds of claims --------------------------------------------------------------------------------------------------


def judged(claim: Claim, groups: NDArray[np.int64] | None = None, **values: NDArray[np.float64]) -> dict[str, Any]:
    examples = max(value.shape[-1] for value in values.values())
    return claim.to_dict(Outcomes(values, np.arange(examples) % 10, groups))


def test_a_share_of_a_gain_is_kept_or_not() -> None:
    baseline, gain = np.zeros((3, 200)), draw(3, 200, mean=1.0)
    kept = draw(3, 200, seed=1, mean=0.9)
    for share, verdict in ((0.5, HOLDS), (1.5, REFUTED)):
        claim = Keeps(text="Kept.", measured="", baseline="base", best="best", kept="kept", share=share)
        found = judged(claim, base=baseline, best=-gain, kept=-kept)
        assert found["verdict"] == verdict
        assert found["mean"] == pytest.approx((kept - share * gain).mean(), rel=1e-5)


@pytest.mark.parametrize("gain", [-1.0, -0.01, 0.0, 0.01])
@pytest.mark.parametrize("kept", [-5.0, 5.0])
def test_where_no_gain_is_beyond_the_noise_there_is_none_to_keep(gain: float, kept: float) -> None:
    """Neither affirmed nor refuted by the sign of noise."""
    claim = Keeps(text="Kept.", measured="", baseline="base", best="best", kept="kept", share=0.8)
    values = {"base": np.zeros((3, 200)), "best": -draw(3, 200, mean=gain), "kept": -draw(3, 200, seed=1, mean=kept)}
    assert judged(claim, **values) | {"mean": 0} == {
        "text": "Kept.", "measured": "", "verdict": NO_GAIN, "mean": 0, "interval": None, "kind": "Keeps",
        "about": {"baseline": "base", "best": "best", "kept": "kept", "share": 0.8},
    }  # fmt: skip


def test_errors_are_within_a_tenth_or_not() -> None:
    random = np.random.default_rng(0)
    first = (random.random((3, 5_000)) < 0.5).astype(float)
    claim = Within(text="Alike.", measured="", first="first", second="second", share=0.1)
    for more, verdict in ((0.02, HOLDS), (0.3, REFUTED)):
        second = np.maximum(first, random.random((3, 5_000)) < more)
        there, back = judged(claim, first=first, second=second), judged(claim, first=second, second=first)
        assert there == back
        assert there["verdict"] == verdict
    assert judged(claim, first=first, second=first)["verdict"] == HOLDS


def test_all_of_several_must_hold_and_a_refutation_is_corrected_for_their_number() -> None:
    zero, count = np.zeros((1, 400)), 400

    def errors(share: float) -> NDArray[np.float64]:
        return (np.arange(count) < share * count).astype(float)[None]

    values = {"own": zero, "many": errors(0.5), "few": errors(0.05), "none": zero, "negative": -errors(0.5)}

    def verdict(*names: str) -> str:
        parts = tuple(Fewer(text=name, measured="", of="own", than=name) for name in names)
        return judged(All(text="All.", measured="", parts=parts), **values)["verdict"]

    assert verdict("many", "few") == HOLDS
    assert verdict("many", "few", "none") == NOISE
    assert verdict("many", "negative") == REFUTED
    # One of ten that is refuted at 5 % alone is no refutation of all.
    slight = np.zeros((1, 400))
    slight[0, :7] = -1
    values["slight"] = slight
    assert verdict("slight") == REFUTED
    assert verdict("slight", *["many"] * 9) == NOISE


def test_examples_that_belong_together_are_judged_by_their_groups() -> None:
    """Forty frames of each of five recordings: five, not two hundred, tell the noise."""
    groups = np.repeat(np.arange(5), 40)
    better = np.repeat(np.random.default_rng(0).normal(0.3, 1, 5), 40)[None]
    claim = Above(text="Above.", measured="", of="better", bound=0.0)
    alone, together = judged(claim, better=better), judged(claim, groups, better=better)
    assert alone["verdict"] == HOLDS
    assert together["verdict"] == NOISE
    test = stats.ttest_1samp(better[0, ::40].astype(np.float32), 0).confidence_interval(LEVEL)
    assert together["interval"] == pytest.approx(list(test), rel=1e-4)
    rare = Rare(text="Rare.", measured="", of="wrong", below=0.5)
    # Without any error, too: six recordings cannot tell that under 3 % are wrong.
    few = Rare(text="Rare.", measured="", of="wrong", below=0.03)
    assert judged(few, np.repeat(np.arange(6), 10), wrong=np.zeros((1, 60)))["verdict"] == NOISE
    wrong = np.repeat([0.0, 1.0, 0.0, 0.0, 0.0], 40)[None]
    assert judged(rare, wrong=wrong)["verdict"] == HOLDS
    assert judged(rare, groups, wrong=wrong)["verdict"] == NOISE


UNEQUAL = np.repeat(np.arange(20), [100] * 4 + [1] * 16)


@pytest.mark.parametrize("seeds", [1, 3])
def test_groups_of_different_sizes_are_judged_by_what_is_written_of_their_examples(seeds: int) -> None:
    """Far worse on four long recordings, better on sixteen frames that stand alone: that is worse on frames."""
    own, than = np.zeros((seeds, len(UNEQUAL))), np.zeros((seeds, len(UNEQUAL)))
    own[:, np.isin(UNEQUAL, range(4)) & (np.arange(len(UNEQUAL)) % 2 == 0)] = 1
    than[:, UNEQUAL >= 4] = 1
    values = {"own": own, "than": than, "zero": own * 0}
    for claim in (
        Fewer(text="Fewer.", measured="", of="own", than="than"),
        Keeps(text="Kept.", measured="", baseline="than", best="zero", kept="own", share=0.0),
    ):
        found = judged(claim, UNEQUAL, **values)
        assert found["mean"] == pytest.approx(than.mean() - own.mean())
        assert found["verdict"] not in (HOLDS, REFUTED)  # four recordings decide nothing


def test_a_rate_over_groups_of_different_sizes_is_the_rate_over_examples() -> None:
    groups = np.repeat(np.arange(404), [100] * 4 + [1] * 400)
    wrong = np.zeros((1, len(groups)))
    wrong[0, :360] = 1
    found = judged(Rare(text="Rare.", measured="", of="wrong", below=0.03), groups, wrong=wrong)
    assert found["mean"] == pytest.approx(0.03 - 0.45)
    assert found["verdict"] == REFUTED
    # As of so many examples as the groups are worth: here of 16, not of 404.
    count = 800**2 / (4 * 100**2 + 400)
    low, high = (float(stats.beta.ppf(p, 0.45 * count + a, 0.55 * count + 1 - a)) for p, a in ((0.025, 0), (0.975, 1)))
    assert found["interval"] == pytest.approx([0.03 - high, 0.03 - low])


@pytest.mark.parametrize("kind", ["fewer", "rare"])
def test_with_groups_of_different_sizes_a_claim_at_its_bound_holds_at_most_in_one_draw_of_forty(kind: str) -> None:
    random, draws, verdicts = np.random.default_rng(0), 1_000, []
    for _ in range(draws):
        sizes = np.ceil(random.exponential(10, 60)).astype(int)
        groups = np.repeat(np.arange(60), sizes)
        likely = np.repeat(random.beta(0.3, 2.7, 60), sizes)  # 10 % in the mean
        values = {name: (random.random((2, len(groups))) < likely).astype(float) for name in ("own", "than")}
        claim = (
            Fewer(text="", measured="", of="own", than="than")
            if kind == "fewer"
            else Rare(text="", measured="", of="own", below=0.1)
        )
        verdicts.append(judged(claim, groups, **values)["verdict"])
    for verdict in (HOLDS, REFUTED):
        assert verdicts.count(verdict) / draws <= 0.034


def test_outcomes_whose_sizes_do_not_fit_are_refused() -> None:
    labels = np.zeros(8, dtype=np.int64)
    with pytest.raises(InputError, match=r"outcome 'own' has the shape \(2, 7\), but there are 8 labels"):
        Outcomes({"own": np.zeros((2, 7))}, labels)
    with pytest.raises(InputError, match="7 groups for 8 labels"):
        Outcomes({"own": np.zeros((2, 8))}, labels, labels[:7])
    with pytest.raises(InputError, match="outcome 'own' is of 2 seeds, but there are 3"):
        Outcomes({"own": np.zeros((2, 8))}, labels).check_seeds(3)


def test_a_rate_among_some_classes_counts_their_examples_alone() -> None:
    wrong = np.ones((1, 1000))
    wrong[:, np.arange(1000) % 10 == 3] = 0
    found = judged(Rare(text="Rare.", measured="", of="wrong", below=0.05, among=(3,)), wrong=wrong)
    exact = stats.binomtest(0, 100).proportion_ci(LEVEL, "exact")
    assert found["interval"] == pytest.approx([0.05 - exact.high, 0.05])
