"""One answer of generalist and specialists, against solvers of SciPy's and against the conditions of an optimum."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax

from kdlab.specialists.combine import DIRECTIONS, combine

Array = NDArray[np.float64]
Case = tuple[Array, list[Array], list[tuple[int, ...]], NDArray[np.bool_]]
KINDS = ["random", "identical", "nested", "disjoint", "single", "all but one"]


def draw_subsets(rng: np.random.Generator, kind: str, classes: int, count: int) -> list[tuple[int, ...]]:
    if kind == "identical":
        return [tuple(range((classes + 1) // 2))] * count
    if kind == "nested":
        return [tuple(range(1 + at % (classes - 1))) for at in range(count)]
    if kind == "disjoint":
        parts = np.array_split(rng.permutation(classes), max(2, min(count, classes)))
        return [tuple(part.tolist()) for part in parts][:count]
    if kind == "single":
        return [(int(rng.integers(classes)),) for _ in range(count)]
    if kind == "all but one":
        return [tuple(at for at in range(classes) if at != out % classes) for out in range(count)]
    sizes = rng.integers(1, classes, count)
    return [tuple(rng.permutation(classes)[:size].tolist()) for size in sizes]


def draw(
    seed: int, kind: str = "random", classes: int = 6, count: int = 3, examples: int = 20, spread: float = 3.0,
    dustbin: str = "any",
) -> Case:  # fmt: skip
    """Logits of a generalist and of specialists that know nothing of one another: they contradict each other."""
    rng = np.random.default_rng([seed, classes, count])
    subsets = draw_subsets(rng, kind, classes, count)

    def logits(width: int) -> Array:
        return np.clip(rng.normal(0, spread, (examples, width)), -50, 50)

    generalist = logits(classes)
    specialists = [logits(len(subset) + 1) for subset in subsets]
    for said in specialists:
        if dustbin != "any":
            said[:, -1] = {"near 0": -50, "near 1": 50}.get(dustbin) or rng.choice([-50, 50], examples)
    asked = rng.random((examples, len(subsets))) < 0.8
    asked[: examples // 4] = True
    return generalist, specialists, subsets, asked


def parts(case: Case, row: int) -> list[tuple[Array, NDArray[np.int64]]]:
    """Of each network that answers: log p of its parts, and the part in which each class lies."""
    generalist, specialists, subsets, asked = case
    classes = generalist.shape[1]
    found = [(log_softmax(generalist[row].astype(np.float64)), np.arange(classes))]
    for said, subset, heeded in zip(specialists, subsets, asked[row], strict=True):
        if heeded:
            where = np.full(classes, len(subset))
            where[list(subset)] = np.arange(len(subset))
            found.append((log_softmax(said[row].astype(np.float64)), where))
    return found


def slopes(case: Case, row: int, log_q: Array, direction: str) -> Array:
    """The derivative of the sum of all KL by each class's q, but for what is the same for all classes.

    At the optimum they are equal; forward, they are minus the number of those who answer.
    """
    total = np.zeros(len(log_q))
    for log_p, where in parts(case, row):
        inside = [log_q[where == part] for part in range(len(log_p))]
        log_given = np.array([logsumexp(those) if len(those) else 0.0 for those in inside])
        apart = (log_p - log_given)[where]
        total -= np.exp(apart) if direction == "forward" else apart
    return total


def divergence(case: Case, row: int, q: Array, direction: str) -> tuple[float, Array]:
    """The sum of all KL, and its derivative by q."""
    value, slope = 0.0, np.zeros(len(q))
    for log_p, where in parts(case, row):
        given = np.bincount(where, q, len(log_p))
        there = np.bincount(where, minlength=len(log_p)) > 0
        log_given = np.log(np.where(there, given, 1))
        if direction == "forward":
            value += (np.exp(log_p) * (log_p - log_given))[there].sum()
            slope -= np.exp(log_p - log_given)[where]
        else:
            value += (given * (log_given - log_p))[there].sum()
            slope += (log_given - log_p)[where] + 1
    return value, slope


def solve(case: Case, row: int, direction: str) -> Array:
    """The optimum as SciPy's SLSQP finds it, and as exponentiated gradient steps then improve it."""
    classes = case[0].shape[1]
    found = minimize(
        lambda q: divergence(case, row, np.maximum(q, 1e-15), direction), np.full(classes, 1 / classes), jac=True,
        method="SLSQP", bounds=[(1e-12, 1)] * classes, options={"maxiter": 1000, "ftol": 1e-15},
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1, "jac": np.ones_like},
    )  # fmt: skip
    q: Array = np.maximum(found.x, 1e-12)
    q /= q.sum()
    many = len(parts(case, row))
    for _ in range(500):
        slope = divergence(case, row, q, direction)[1]
        # Forward this is expectation-maximisation; reverse, half-way to where a single network would be obeyed.
        step = q * (-slope / many if direction == "forward" else np.exp(-(slope - q @ slope) / (2 * many)))
        step /= step.sum()
        if np.abs(step - q).max() < 1e-12:
            break
        q = step
    return q


def check_optimum(case: Case, log_q: Array, direction: str, rows: Sequence[int], bound: float = 1e-6) -> None:
    for row in rows:
        slope = slopes(case, row, log_q[row], direction)
        level = -float(len(parts(case, row))) if direction == "forward" else float(np.exp(log_q[row]) @ slope)
        assert np.abs(slope - level).max() < bound * max(1.0, abs(level)), (case[0].shape, case[2], row)


def check_distribution(log_q: Array, shape: tuple[int, ...]) -> None:
    assert log_q.shape == shape
    assert log_q.dtype == np.float64
    assert np.isfinite(log_q).all()
    assert logsumexp(log_q, axis=1) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("direction", DIRECTIONS)
class TestBothDirections:
    @pytest.mark.parametrize("kind", KINDS)
    def test_agrees_with_a_reference_solver(self, kind: str, direction: str) -> None:
        for classes, count in ((2, 1), (3, 4), (5, 10), (12, 6)):
            case = draw(0, kind, classes, count, examples=3, spread=2.0)
            q = np.exp(combine(*case, direction))
            for row in range(3):
                expected = solve(case, row, direction)
                least = divergence(case, row, expected, direction)[0]
                assert np.abs(q[row] - expected).max() < 1e-5, (classes, count)
                assert divergence(case, row, q[row], direction)[0] <= least + 1e-12, (classes, count)

    @pytest.mark.parametrize("kind", KINDS)
    def test_meets_the_conditions_of_an_optimum(self, kind: str, direction: str) -> None:
        sizes = ((2, 10), (3, 4), (10, 1), (12, 5), (2, 10))
        for number, (spread, dustbin) in enumerate(product((0.1, 3.0, 10.0), ("any", "near 0", "near 1", "either"))):
            at = (number + number // 4) % 4  # each spread and each dustbin meets all sizes
            for classes, count in sizes[at : at + 2]:
                case = draw(1, kind, classes, count, examples=4, spread=spread, dustbin=dustbin)
                log_q = combine(*case, direction)
                check_distribution(log_q, (4, classes))
                check_optimum(case, log_q, direction, range(4))

    @pytest.mark.parametrize("kind", KINDS)
    def test_networks_as_sure_as_can_be_that_contradict_each_other(self, kind: str, direction: str) -> None:
        for dustbin in ("any", "either"):
            case = draw(2, kind, 10, 6, examples=10, spread=40.0, dustbin=dustbin)
            log_q = combine(*case, direction)
            check_distribution(log_q, (10, 10))
            check_optimum(case, log_q, direction, range(10), 1e-5)

    def test_ten_thousand_examples_at_once(self, direction: str) -> None:
        case = draw(3, "random", 10, 10, examples=10_000)
        log_q = combine(*case, direction)
        check_distribution(log_q, (10_000, 10))
        check_optimum(case, log_q, direction, range(0, 10_000, 100))

    def test_a_batch_is_answered_as_its_examples_are(self, direction: str) -> None:
        for classes, spread in ((10, 3.0), (100, 10.0)):
            generalist, specialists, subsets, asked = draw(4, "random", classes, 7, examples=30, spread=spread)
            together = combine(generalist, specialists, subsets, asked, direction)
            for row in range(30):
                one = slice(row, row + 1)
                alone = combine(generalist[one], [said[one] for said in specialists], subsets, asked[one], direction)
                assert alone[0] == pytest.approx(together[row], rel=1e-9, abs=1e-7)

    def test_nobody_asked_is_the_generalist(self, direction: str) -> None:
        generalist, specialists, subsets, asked = draw(5, count=4)
        asked[3:9] = False
        log_q = combine(generalist, specialists, subsets, asked, direction)
        assert np.array_equal(log_q[3:9], combine(generalist, [], [], asked[:, :0], direction)[3:9])
        assert log_q[3:9] == pytest.approx(log_softmax(generalist[3:9], axis=1), abs=1e-14)
        nobody = combine(generalist, specialists, subsets, np.zeros_like(asked), direction)
        assert np.array_equal(nobody.argmax(1), generalist.argmax(1))

    def test_who_is_not_asked_does_not_matter(self, direction: str) -> None:
        generalist, specialists, subsets, asked = draw(6, count=5)
        expected = combine(generalist, specialists, subsets, asked, direction)
        changed = [np.where(asked[:, at, None], said, 7.0) for at, said in enumerate(specialists)]
        assert np.array_equal(combine(generalist, changed, subsets, asked, direction), expected)
        for row in range(len(generalist)):
            heeded = np.flatnonzero(asked[row])
            alone = combine(
                generalist[[row]], [specialists[at][[row]] for at in heeded], [subsets[at] for at in heeded],
                np.ones((1, len(heeded)), bool), direction,
            )  # fmt: skip
            assert alone[0] == pytest.approx(expected[row], abs=1e-7)

    def test_a_specialist_that_knows_all_classes_makes_a_mean(self, direction: str) -> None:
        rng = np.random.default_rng(7)
        for count in (1, 4):
            generalist, *others = rng.normal(0, 4, (1 + count, 50, 10))
            subsets = [tuple(rng.permutation(10).tolist()) for _ in others]
            said = [other[:, list(subset)] for other, subset in zip(others, subsets, strict=True)]
            q = np.exp(combine(generalist, said, subsets, np.ones((50, count), bool), direction))
            all_of_them = np.stack([generalist, *others])
            if direction == "forward":
                expected = softmax(all_of_them, axis=2).mean(0)
            else:
                expected = softmax(log_softmax(all_of_them, axis=2).mean(0), axis=1)
            assert np.abs(q - expected).max() < 1e-7

    def test_a_specialist_that_says_what_the_generalist_says_changes_nothing(self, direction: str) -> None:
        generalist, _, subsets, asked = draw(8, count=5, classes=9)
        log_p = log_softmax(generalist, axis=1)
        said = []
        for subset in subsets:
            others = [at for at in range(9) if at not in subset]
            said.append(np.concatenate([log_p[:, list(subset)], logsumexp(log_p[:, others], axis=1)[:, None]], 1))
        assert combine(generalist, said, subsets, asked, direction) == pytest.approx(log_p, abs=1e-6)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_short_floats_are_answered_as_their_values_are(self, dtype: Any, direction: str) -> None:
        generalist, specialists, subsets, asked = draw(9, count=5)
        short = generalist.astype(dtype), [said.astype(dtype) for said in specialists]
        log_q = combine(*short, subsets, asked, direction)
        long = short[0].astype(np.float64), [said.astype(np.float64) for said in short[1]]
        assert np.array_equal(log_q, combine(*long, subsets, asked, direction))
        check_distribution(log_q, generalist.shape)

    def test_what_is_given_stays_as_it_is(self, direction: str) -> None:
        generalist, specialists, subsets, asked = draw(10)
        before = generalist.copy(), [said.copy() for said in specialists], list(subsets), asked.copy()
        combine(generalist, specialists, subsets, asked, direction)
        assert np.array_equal(generalist, before[0])
        assert all(map(np.array_equal, specialists, before[1]))
        assert subsets == before[2]
        assert np.array_equal(asked, before[3])

    def test_no_examples(self, direction: str) -> None:
        generalist, specialists, subsets, asked = draw(11)
        none = combine(generalist[:0], [said[:0] for said in specialists], subsets, asked[:0], direction)
        assert none.shape == (0, 6)

    def test_the_order_of_specialists_and_of_their_classes_does_not_matter(self, direction: str) -> None:
        generalist, specialists, subsets, asked = draw(12, count=4)
        expected = combine(generalist, specialists, subsets, asked, direction)
        backwards = [np.concatenate([said[:, -2::-1], said[:, -1:]], 1) for said in specialists[::-1]]
        turned = combine(generalist, backwards, [subset[::-1] for subset in subsets[::-1]], asked[:, ::-1], direction)
        assert turned == pytest.approx(expected, abs=1e-7)


def test_the_directions_differ() -> None:
    case = draw(13)
    forward, reverse = (np.exp(combine(*case, direction)) for direction in DIRECTIONS)
    assert np.abs(forward - reverse).max() > 0.05
