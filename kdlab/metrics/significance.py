"""Whether two networks differ beyond noise on the same examples: exact paired tests, in NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kdlab.progress import counted

__all__ = ["LEVEL", "MIN_GROUPS", "PairedTest", "find_test", "paired_test", "sign_flip_p", "write_p"]

LEVEL = 0.05
MIN_GROUPS = 6  # with fewer groups no exact test can reach this level
Name = Literal["mcnemar", "sign_flips"]
TESTS: tuple[Name, ...] = ("mcnemar", "sign_flips")


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The exact test of two networks on the same examples.

    `only_first`, `only_second`: examples that only the one network has right; `p`: two-sided probability of a
    difference at least this large if both were equally good. Examples that stand alone are counted one by one (`name`
    "mcnemar": McNemar 1947, exact binomial), those of `groups` groups by the sums of their groups ("sign_flips": the
    exact permutation test in which each group's sum may change its sign). `example_unit` and `group_unit`: names of
    examples and groups in the plural.
    """

    only_first: int
    only_second: int
    p: float
    groups: int | None = None
    example_unit: str = "images"
    group_unit: str = "groups"

    @property
    def name(self) -> Name:
        """The key of this test in a result."""
        return "mcnemar" if self.groups is None else "sign_flips"

    @property
    def differs(self) -> bool:
        """Whether the difference is larger than noise at the 5 % level."""
        return self.p < LEVEL

    def verdict(self, first: str, second: str) -> str:
        """Return the outcome as a sentence about the networks called `first` and `second`."""
        p = f"p {written}" if (written := write_p(self.p)).startswith("<") else f"p = {written}"
        counts = (
            f"{counted(self.only_first, self.example_unit)} only the {first} has right, {self.only_second:,} only the "
            f"{second}"
        )
        test = f"McNemar's exact {p}"
        if self.groups is not None:
            groups = counted(self.groups, self.group_unit)
            test = f"exact {p} by sign flips over {groups}"
            if self.groups < MIN_GROUPS:
                verb = "is" if self.groups == 1 else "are"
                return f"{groups} {verb} too few to tell {first} and {second} apart: {counts}."
        if not self.differs:
            return f"No difference beyond noise between {first} and {second} ({test}): {counts}."
        better, worse = (first, second) if self.only_first > self.only_second else (second, first)
        return f"The {better} beats the {worse}, beyond noise ({test}): {counts}."

    def to_dict(self, first: str, second: str) -> dict[str, Any]:
        """Return the outcome as plain data, about the networks called `first` and `second`."""
        counted = {f"only_{first}_right": self.only_first, f"only_{second}_right": self.only_second}
        groups = {} if self.groups is None else {self.group_unit: self.groups}
        return {**counted, **groups, "p": self.p, "verdict": self.verdict(first, second)}


def paired_test(
    first: NDArray[np.float32], second: NDArray[np.float32], labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None = None, *, example_unit: str = "images", group_unit: str = "groups",
) -> PairedTest:  # fmt: skip
    """Return the exact test of `first` against `second`, logits (examples, classes) of the same examples.

    `groups`, int64 (examples,): which examples belong together, such as frames of one recording, or None.
    """
    from scipy.special import bdtr  # here, because a page is drawn before SciPy is needed

    first_right, second_right = first.argmax(1) == labels, second.argmax(1) == labels
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    if groups is None:
        p = min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))
        return PairedTest(only_first, only_second, p, None, example_unit, group_unit)
    _, owners = np.unique(groups, return_inverse=True)
    gained, lost = (np.bincount(owners, right).astype(np.int64) for right in (first_right, second_right))
    return PairedTest(only_first, only_second, sign_flip_p(gained - lost), len(gained), example_unit, group_unit)


def sign_flip_p(sums: NDArray[np.int64]) -> float:
    """Return the two-sided probability that random signs make a total at least as far from 0, exactly.

    `sums`: whole numbers (groups,), each of which is as likely to have the other sign if there is no difference. The
    distribution of the total is the convolution of those of the numbers (Pagano and Tritchler 1983). It takes memory in
    proportion to the sum of all numbers without their signs, which is no more than there are examples to differ in.
    """
    from scipy.signal import convolve
    from scipy.special import gammaln

    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    parts = [np.ones(1)]  # distributions of the sum of those numbers whose sign is positive
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        chosen = np.arange(count + 1)
        logs = gammaln(count + 1) - gammaln(chosen + 1) - gammaln(count - chosen + 1) - count * np.log(2)
        distribution = np.zeros(size * count + 1)
        distribution[::size] = np.exp(logs)
        parts.append(distribution)
    while len(parts) > 1:  # in pairs of much the same length: one after the other takes a minute for a thousand numbers
        parts.sort(key=len)
        pairs = [convolve(first, second) for first, second in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + parts[2 * len(pairs) :]
    (positive,) = parts
    totals = 2 * np.arange(len(positive)) - (len(positive) - 1)
    far = np.abs(totals) >= abs(int(sums.sum()))
    return float(np.clip(positive[far].sum(), 0.0, 1.0))


def write_p(p: float) -> str:
    """Return a probability as people read it, "< 0.001" or "0.062": near the level with so many digits as it takes."""
    if p < 0.001:
        return "< 0.001"
    if 0.045 < p < 0.055:
        digits = next(digits for digits in range(3, 18) if (float(f"{p:.{digits}g}") < LEVEL) == (p < LEVEL))
        return f"{p:.{digits}g}"
    return f"{p:.2g}"


def find_test(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the paired test of a result, or of its "validation": McNemar's or sign flips."""
    test: Mapping[str, Any] = next(result[name] for name in TESTS if name in result)
    return test
