"""How often verdicts err where the truth is known: false alarms of the paired tests, and coverage of claims.

KDLAB_DATA=... python tests/benchmarks/verdicts.py [DRAWS]

First, on spoken digits: two networks of one recipe are trained and answer the test frames. A pair that does not differ
is drawn from them by drawing recordings with replacement, and for each which of the two is called the first; frames
stay with their recordings. Nominal: 5 % of such pairs are beyond noise. Then claims of every kind on made-up outcomes:
examples differ in how hard they are, seeds in how good a network they make, and the truth lies exactly on the claim's
bound; examples stand alone, or belong to groups of very different sizes whose examples are alike. Nominal: 95 % of the
intervals have the truth in them, and at most 2.5 % of the claims hold and are refuted.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from kdlab.datasets import Dataset, load
from kdlab.distillation.distill import fit
from kdlab.experiments.framework.claims import All, Claim, Fewer, Keeps, Rare, Within
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.verdicts import HOLDS, NO_GAIN, REFUTED
from kdlab.metrics.significance import paired_test
from kdlab.train.evaluate import predict

DRAWS, EXAMPLES, SEEDS = 2_000, 1_000, (2, 3, 5)
GROUPS, OF_GROUPS = 100, 0.5  # how many, and their share of the variance of examples
# In logits: how much examples differ, and seeds.
OF_EXAMPLES, OF_SEEDS = 3.0, (0.0, 0.1, 0.5)


def main() -> None:
    draws = int(sys.argv[1]) if sys.argv[1:] else DRAWS
    print(
        f"kdlab {version('kdlab')}, torch {torch.__version__}, numpy {np.__version__}; {draws:,} draws each, seed 0\n"
    )
    false_alarms(load("spoken-digits"), draws)
    coverage(draws)


# --- paired tests -----------------------------------------------------------------------------------------------------


def false_alarms(data: Dataset, draws: int) -> None:
    labels, groups = data.test.labels.numpy(), data.test.groups.numpy()
    networks = [fit("spoken-digits", "mlp:128x2", epochs=5, seed=seed) for seed in range(2)]
    first, second = (predict(network, data.test).numpy() for network in networks)
    frames = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    wrong = [int((logits.argmax(1) != labels).sum()) for logits in (first, second)]
    print(f"{len(labels):,} frames of {len(frames)} recordings, {wrong} wrong")
    random, alarms = np.random.default_rng(0), Counter[str]()
    for _ in range(draws):
        drawn = random.integers(0, len(frames), len(frames))
        index = np.concatenate([frames[at] for at in drawn])
        sizes = [len(frames[at]) for at in drawn]
        swapped = np.repeat(random.random(len(drawn)) < 0.5, sizes)[:, None]
        a, b = np.where(swapped, second[index], first[index]), np.where(swapped, first[index], second[index])
        owner = np.repeat(np.arange(len(drawn)), sizes)
        for name, given in (("frames (McNemar)", None), ("recordings (sign flips)", owner)):
            alarms[name] += paired_test(a, b, labels[index], given).differs
    for name, count in alarms.items():
        share = count / draws
        print(f"  beyond noise by {name:24} {share:6.1%} ± {1.96 * math.sqrt(share * (1 - share) / draws):.1%}")


# --- claims -----------------------------------------------------------------------------------------------------------

Draw = Callable[[float], NDArray[np.float64]]  # outcomes of a network whose errors are so much likelier, in logits


def coverage(draws: int) -> None:
    print(f"\n{EXAMPLES:,} examples; holds and refuted at the bound, and intervals with the truth in them")
    print(f"{'kind':28} {'seeds':>5} {'spread':>6} {'holds':>7} {'refuted':>7} {'covers':>7} {'no gain':>7}")
    for grouped, spread in product((False, True), OF_SEEDS):
        print(f"in {GROUPS} groups of different sizes" if grouped else "examples that stand alone")
        for name, (claim, shifts) in kinds(spread).items():
            for seeds in SEEDS:
                counts = Counter[str]()
                random = np.random.default_rng(0)
                for _ in range(draws):
                    outcomes = made(random, seeds, spread, shifts, grouped)
                    judged = claim.judge(outcomes)
                    counts[judged["verdict"]] += 1
                    if judged["interval"]:
                        low, high = judged["interval"]
                        counts["covers"] += low <= 0 <= high
                        counts["intervals"] += 1
                shares = [counts[key] / draws for key in (HOLDS, REFUTED)]
                shares += [counts["covers"] / max(counts["intervals"], 1), counts[NO_GAIN] / draws]
                print(f"{name:28} {seeds:5} {spread:6} {' '.join(f'{share:7.1%}' for share in shares)}")


def made(random: np.random.Generator, seeds: int, spread: float, shifts: dict[str, float], grouped: bool) -> Outcomes:
    """Errors of networks on the same examples, which are harder or easier; `shifts` in logits by name."""
    hard, groups = random.normal(0, 1, EXAMPLES), None
    if grouped:
        sizes = random.exponential(size=GROUPS)
        groups = random.choice(GROUPS, EXAMPLES, p=sizes / sizes.sum())
        hard = math.sqrt(1 - OF_GROUPS) * hard + math.sqrt(OF_GROUPS) * random.normal(0, 1, GROUPS)[groups]
    hard = MEAN + OF_EXAMPLES * hard
    values = {}
    for name, shift in shifts.items():
        skill = random.normal(0, spread, (seeds, 1))
        values[name] = (random.random((seeds, EXAMPLES)) < chance(hard + shift + skill)).astype(float)
    return Outcomes(values, np.zeros(EXAMPLES, dtype=np.int64), groups)


def chance(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits))


def rate(shift: float, spread: float = 0.0) -> float:
    """The expected share of errors, by quadrature."""
    points = np.linspace(-8, 8, 4_001)
    weights = np.exp(-(points**2) / 2)
    return float((chance(MEAN + shift + points * math.hypot(OF_EXAMPLES, spread)) * weights).sum() / weights.sum())


def shift_for(wanted: float, spread: float) -> float:
    """The shift in logits with which the expected share of errors is `wanted`."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle, spread) < wanted else (low, middle)
    return low


MEAN = -6.0


def part(name: str) -> Fewer:
    return Fewer(text=name, measured="", of="own", than=name)


def kinds(spread: float) -> dict[str, tuple[Claim, dict[str, float]]]:
    """Claims by name, and the shifts with which the truth is on their bound."""
    base = rate(0.0, spread)
    return {
        "fewer, 5 % wrong": (Fewer(text="", measured="", of="a", than="b"), {"a": 0.0, "b": 0.0}),
        "rare, below 3 %": (Rare(text="", measured="", of="a", below=0.03), {"a": shift_for(0.03, spread)}),
        "keeps half of a gain": (
            Keeps(text="", measured="", baseline="a", best="b", kept="c", share=0.5),
            {"a": 0.0, "b": shift_for(base - 0.03, spread), "c": shift_for(base - 0.015, spread)},
        ),
        "keeps 80 % of a weak gain": (
            Keeps(text="", measured="", baseline="a", best="b", kept="c", share=0.8),
            {"a": 0.0, "b": shift_for(base - 0.01, spread), "c": shift_for(base - 0.008, spread)},
        ),
        "keeps half of no gain": (
            Keeps(text="", measured="", baseline="a", best="b", kept="c", share=0.5), {"a": 0.0, "b": 0.0, "c": 0.0},
        ),
        "within a quarter": (
            Within(text="", measured="", first="a", second="b", share=0.25),
            {"a": 0.0, "b": shift_for(base * (1 - 0.125) / (1 + 0.125), spread)},
        ),
        "all of three, one at 0": (
            All(text="", measured="", parts=(part("b"), part("c"), part("d"))),
            {"own": 0.0, "b": 0.0, "c": shift_for(base + 0.05, spread), "d": shift_for(base + 0.05, spread)},
        ),
    }  # fmt: skip


if __name__ == "__main__":
    main()
