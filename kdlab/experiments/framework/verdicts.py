"""Whether a claim holds, does not hold, or lies inside the noise."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.groups import Groups, by_recording
from kdlab.metrics.significance import sign_flip_p

__all__ = [
    "FIRST_RULE", "HOLDS", "LEVEL", "NOISE", "NO_GAIN", "REFUTED", "RULE", "Judgement", "judge", "judge_all",
    "judge_rate", "judge_share",
]  # fmt: skip

HOLDS, REFUTED, NOISE, NO_GAIN = "holds", "does not hold", "inside the noise", "no gain to keep"
LEVEL = 0.95
# The number of the rules below, which a report keeps; one without it was judged by the first.
RULE = 3
FIRST_RULE = (
    "These verdicts are of the first rule: noise of seeds and of examples pooled by Welch and Satterthwaite, which is "
    "too narrow with two or three seeds, and Student's interval for proportions as well."
)
# Fewer examples than these cannot tell anything from noise: five heads in a row have McNemar's exact p = 0.06.
MIN_DIFFERING = 6

Values = NDArray[np.float64]
Judgement = dict[str, Any]  # "verdict", and "mean" and "interval" of what must be above 0


def judge(scores: Values, level: float = LEVEL, groups: Groups = None) -> Judgement:
    """Return a verdict on "the mean of `scores` is above 0", with the mean and its interval.

    `scores`: (seeds, examples) or (seeds,); `groups`: which examples belong together, int64 (examples,), or None. The
    mean is that over examples; where they belong together, each group's sum takes an example's place in what follows.
    There are two sources of noise: which test examples there are, seen in the spread over examples of their mean over
    seeds, and which seeds were drawn, seen in the spread over seeds; the latter is unknown of a single seed and then
    left out. The interval's half is the root of the sum of the squared halves of
    both sources' own Student intervals, so that two seeds are not taken for more than they are (Graybill and Wang
    1980; `tests/benchmarks/verdicts.py` measures its coverage). Whole numbers must pass the exact paired test on their
    sums over seeds as well. All else (the teacher that the seeds share, the split) is taken as given.
    """
    examples = _by_seed(scores)
    mean = float(examples.mean()) if examples.size else math.nan
    if not math.isfinite(mean):
        return {"verdict": NOISE, "mean": math.nan, "interval": None}
    sums = by_recording(examples, groups)
    if np.ndim(scores) == 2 and sums.shape[1] == 1:  # one group tells nothing of others
        return {"verdict": NOISE, "mean": mean, "interval": None}
    values = sums * (sums.shape[1] / examples.shape[1])  # their mean over groups is the mean over examples
    halves = [half for means in (values.mean(0), values.mean(1)) if (half := _half(means, level)) is not None]
    if not halves:  # one number, and nothing to tell its noise from
        return {"verdict": NOISE, "mean": mean, "interval": None}
    half = math.hypot(*halves)
    verdict = _verdict(mean - half, mean + half)
    if (half == 0 and mean == 0) or (values.shape[1] > 1 and np.count_nonzero(values.any(0)) < MIN_DIFFERING):
        verdict = NOISE
    # Of whole numbers the exact paired test is known, by which a few differences tell less than their interval says.
    whole = sums.shape[1] > 1 and bool((examples == np.rint(examples)).all())
    if whole and verdict != NOISE and sign_flip_p(sums.sum(0).astype(np.int64)) >= 1 - level:
        verdict = NOISE
    return {"verdict": verdict, "mean": mean, "interval": [mean - half, mean + half]}


def judge_rate(happens: Values, below: float, level: float = LEVEL, groups: Groups = None) -> Judgement:
    """Return a verdict on "`happens`, 0 or 1, has a rate below `below`"; the mean is what is left to that bound.

    `happens`: (seeds, examples); `groups` as `judge` has them. Over the examples the interval is exact (Clopper and
    Pearson 1934). Examples that belong together count as if all of a group came out alike: for so many as would give
    the rate over examples the same noise (Korn and Graubard 1998), as many as there are groups where these have one
    size, and fewer where they differ. With several seeds the half of their Student interval is added in squares (Zou
    and Donner 2008).
    """
    from scipy.special import betaincinv

    values = _by_seed(happens)
    rate = float(values.mean()) if values.size else math.nan
    if not math.isfinite(rate):
        return {"verdict": NOISE, "mean": math.nan, "interval": None}
    sizes = by_recording(np.ones((1, values.shape[1])), groups)
    count, tail = float(sizes.sum() ** 2 / (sizes**2).sum()), (1 - level) / 2
    hits = rate * count
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    seeds = _half(values.mean(1), level) or 0.0
    low, high = rate - math.hypot(rate - low, seeds), rate + math.hypot(high - rate, seeds)
    return {
        "verdict": _verdict(below - high, below - low),
        "mean": below - rate,
        "interval": [below - high, below - low],
    }


def judge_share(
    gain: Values, kept_gain: Values, share: float, level: float = LEVEL, groups: Groups = None
) -> Judgement:
    """Return a verdict on "at least this share of the gain is kept", or NO_GAIN where no gain is beyond the noise.

    `gain`, `kept_gain`: by how much the best and the other are better than the baseline, for each seed and example;
    `groups` as `judge` has them. Of the draws in which a weak gain passes as one, rather many refute a large share:
    `tests/benchmarks/verdicts.py` prints how many.
    """
    judgement = judge(kept_gain - share * gain, level, groups)
    if math.isnan(judgement["mean"]) or judge(gain, level, groups)["verdict"] == HOLDS:
        return judgement
    return {"verdict": NO_GAIN, "mean": judgement["mean"], "interval": None}


def judge_all(judgements: Sequence[Judgement], stricter: Sequence[Judgement]) -> Judgement:
    """Return a verdict on several claims at once: all must hold; one that is refuted refutes them.

    `stricter`: the same claims judged with Bonferroni's correction, which a refutation needs. Mean and interval are
    those of the claim that has the lowest.
    """
    weakest = min(judgements, key=_lowest)
    if all(judgement["verdict"] == HOLDS for judgement in judgements):
        verdict = HOLDS
    else:
        verdict = REFUTED if any(judgement["verdict"] == REFUTED for judgement in stricter) else NOISE
    return weakest | {"verdict": verdict}


def _lowest(judgement: Judgement) -> float:
    """The low end of a judgement's interval, or its mean without one; what was not measured comes first."""
    mean: float = judgement["mean"]
    return -math.inf if math.isnan(mean) else (judgement["interval"] or [mean])[0]


def _by_seed(scores: Values) -> Values:
    values = np.asarray(scores, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values


def _half(means: Values, level: float) -> float | None:
    """Half of Student's interval for the mean of `means`; None where a single number tells no spread."""
    from scipy.special import stdtrit

    count = len(means)
    if count < 2:
        return None
    return float(np.std(means, ddof=1)) / math.sqrt(count) * float(stdtrit(count - 1, (1 + level) / 2))


def _verdict(low: float, high: float) -> str:
    return HOLDS if low > 0 else REFUTED if high < 0 else NOISE
