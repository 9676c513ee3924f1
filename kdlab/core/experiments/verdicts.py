"""Whether a claim holds, does not hold, or lies inside the noise."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HOLDS", "LEVEL", "NOISE", "REFUTED", "judge", "keeps", "within"]

HOLDS, REFUTED, NOISE = "holds", "does not hold", "inside the noise"
LEVEL = 0.95
# Fewer examples than these cannot tell anything from noise: five heads in a row have McNemar's exact p = 0.06.
FEWEST = 6


def judge(scores: NDArray[np.float64]) -> dict[str, Any]:
    """Return a verdict on "the mean of `scores` is above 0", with the mean and its interval at the 95 % level.

    `scores`: (seeds, examples) or (seeds,). Two sources of noise are added: which test examples there are, seen in the
    spread over examples of their mean over seeds, and which seed was drawn, seen in the spread over seeds; the latter
    is unknown of a single seed and then left out. Student's t with Welch and Satterthwaite's degrees of freedom. All
    else (the teacher that the seeds share, the split) is taken as given.
    """
    from scipy.special import stdtrit

    values = np.asarray(scores, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    sources = [(values.mean(0), values.shape[1]), (values.mean(1), values.shape[0])]
    variances = [(float(np.var(means, ddof=1)) / count, count - 1) for means, count in sources if count > 1]
    mean = float(values.mean())
    total = sum(variance for variance, _ in variances)
    if not variances:  # one number, and nothing to tell its noise from
        return {"verdict": NOISE, "mean": mean, "interval": None}
    if total == 0:
        half = 0.0
    else:
        freedom = total**2 / sum(variance**2 / degrees for variance, degrees in variances)
        half = math.sqrt(total) * float(stdtrit(freedom, (1 + LEVEL) / 2))
    verdict = HOLDS if mean - half > 0 else REFUTED if mean + half < 0 else NOISE
    if (total == 0 and mean == 0) or (values.shape[1] > 1 and np.count_nonzero(values.any(0)) < FEWEST):
        verdict = NOISE
    return {"verdict": verdict, "mean": mean, "interval": [mean - half, mean + half]}


def keeps(gain: NDArray[np.float64], kept: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return the scores of "at least this share of the gain is kept"; where there is no gain, there is none to keep.

    `gain`, `kept`: what is better than the baseline, by how much, for each seed and example.
    """
    return kept - share * gain if gain.mean() > 0 else np.minimum(gain, 0.0)


def within(first: NDArray[np.float64], second: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return the scores of "the errors `first` and `second` differ by less than this share of their mean".

    Signed by which of the two has more, so that equal ones do not seem to differ.
    """
    sign = 1.0 if first.sum() >= second.sum() else -1.0
    return share * (first + second) / 2 - sign * (first - second)
