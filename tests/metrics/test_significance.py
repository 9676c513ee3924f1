"""The exact paired tests, against SciPy, full enumeration and a permutation test."""

import time
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest, norm, permutation_test

from kdlab.datasets import Dataset, Split
from kdlab.metrics.significance import PairedTest, find_test, paired_test, sign_flip_p, write_p
from kdlab.train.evaluate import score


def logits_for(predicted: list[int] | NDArray[np.int64], classes: int = 2) -> NDArray[np.float32]:
    """Logits whose largest entry is the predicted class."""
    return np.eye(classes, dtype=np.float32)[predicted]


def paired(only_first: int, only_second: int, both: int = 7, neither: int = 3) -> PairedTest:
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


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_sign_flips_are_enumerated_exactly(seed: int) -> None:
    sums = np.random.default_rng(seed).integers(-6, 7, 11)
    totals = [int(np.dot(signs, sums)) for signs in product((-1, 1), repeat=len(sums))]
    expected = np.mean([abs(total) >= abs(sums.sum()) for total in totals])
    assert sign_flip_p(sums) == pytest.approx(expected, rel=1e-12)


def test_sign_flips_are_those_of_a_permutation_test() -> None:
    sums = np.random.default_rng(0).integers(-9, 12, 300)
    assert (np.abs(sums) > 1).any()
    sampled = permutation_test(
        (sums, np.zeros_like(sums)), lambda first, second, axis: (first - second).sum(axis), vectorized=True,
        permutation_type="samples", n_resamples=20_000, rng=1,
    )  # fmt: skip
    assert sign_flip_p(sums) == pytest.approx(sampled.pvalue, abs=0.01)


def test_many_groups_of_different_sums_take_no_minute() -> None:
    sums = np.round(np.random.default_rng(0).normal(0, 100, 10_000)).astype(np.int64)
    began = time.perf_counter()
    p = sign_flip_p(sums)
    assert time.perf_counter() - began < 15
    assert p == pytest.approx(2 * norm.sf(abs(sums.sum()) / np.sqrt((sums**2.0).sum())), abs=1e-3)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (0, 5), (0, 6), (3, 9), (40, 62), (900, 1100)])
def test_groups_of_one_are_mcnemars_test(only_first: int, only_second: int) -> None:
    sums = np.repeat([1, -1, 0], [only_first, only_second, 50])
    assert sign_flip_p(sums) == pytest.approx(paired(only_first, only_second).p, rel=1e-9)


def test_what_hangs_together_is_counted_once() -> None:
    """Five recordings decide nothing, however many frames they have."""
    labels, groups = np.ones(200, dtype=np.int64), np.repeat(np.arange(5), 40)
    first, second = logits_for(np.ones(200, dtype=np.int64)), logits_for(np.zeros(200, dtype=np.int64))
    alone = paired_test(first, second, labels)
    assert (alone.name, alone.differs) == ("mcnemar", True)
    together = paired_test(first, second, labels, groups, example_unit="frames", group_unit="recordings")
    assert (together.only_first, together.only_second, together.groups) == (200, 0, 5)
    assert (together.name, together.p, together.differs) == ("sign_flips", 2 / 2**5, False)
    assert together.verdict("student", "baseline") == (
        "5 recordings are too few to tell student and baseline apart: 200 frames only the student has right, 0 only "
        "the baseline."
    )
    alone = paired_test(first, second, labels, groups * 0, example_unit="frames", group_unit="recordings")
    assert alone.verdict("student", "baseline").startswith("1 recording is too few to tell")


def test_six_groups_can_tell_networks_apart() -> None:
    labels, groups = np.ones(6, dtype=np.int64), np.arange(6)
    test = paired_test(logits_for([1] * 6), logits_for([0] * 6), labels, groups)
    assert test.verdict("student", "baseline").startswith(
        "The student beats the baseline, beyond noise (exact p = 0.03"
    )


def test_one_example_is_no_examples() -> None:
    assert "): 1 image only the student has right, 0 only the" in paired(1, 0).verdict("student", "baseline")
    assert "): 1,000 images only the student has right, 1 only the" in paired(1000, 1).verdict("student", "baseline")


@pytest.mark.parametrize(
    ("p", "written"),
    [(0.0004, "< 0.001"), (0.001, "0.001"), (0.0626, "0.063"), (0.0496, "0.0496"), (0.0504, "0.0504"), (0.05, "0.05"),
     (0.04999, "0.04999"), (1.0, "1")],
)  # fmt: skip
def test_a_probability_is_on_the_side_of_the_level_that_it_seems_to_be(p: float, written: str) -> None:
    assert write_p(p) == written
    test = PairedTest(30, 12, p)
    assert ("beyond noise (" in test.verdict("student", "baseline")) == (p < 0.05)
    assert written in test.verdict("student", "baseline")


def test_a_result_names_its_test_and_what_was_counted() -> None:
    labels = torch.arange(60) % 2
    images = torch.zeros(60, 1, 2, 2, dtype=torch.uint8)
    logits = {"student": torch.eye(2)[labels], "baseline": torch.eye(2)[labels * 0]}
    for groups, key in ((None, "mcnemar"), (torch.arange(60) // 4, "sign_flips")):
        split = Split(images, labels, groups)
        data = Dataset("mine", ("a", "b"), split, split, split, example_unit="rows", group_unit="patients")
        scores = score(logits, split, data)
        assert find_test(scores) is scores[key]
        assert scores[key]["only_student_right"] == 30
        assert "30 rows only the student has right" in scores[key]["verdict"]
        assert ("patients" in scores[key], "over 15 patients" in scores[key]["verdict"]) == ((groups is not None,) * 2)
