"""Probabilities in place of logits: how they are recognised and converted; without torch."""

import numpy as np
from numpy.typing import NDArray

from kdlab.registry import InputError

__all__ = ["OUTPUTS", "SIGMOIDS", "UndeclaredError", "looks_like_probabilities", "to_logits"]

OUTPUTS = ("", "probabilities", "logits")  # kinds of outputs that a user may declare; "": not declared

TOTALS = (1, 100)  # of a row: shares or percentages
ROUNDING = 0.05  # relative error of a total that two decimals, or bfloat16, may cause
SPREAD = 0.01  # numbers between 0 and 1 with a smaller range count as a constant
MANY = 8  # classes; logits of so many are hardly all above 0 by chance
SIGMOIDS = "all numbers lie between 0 and 1, as a sigmoid for each class gives them"
LOG_ODDS = "np.log(p / (1 - p))"
SMALLEST = np.finfo(np.float32).tiny  # stands for 0, whose logarithm is not finite


class UndeclaredError(InputError):
    """Numbers look like probabilities, and their kind was not declared.

    `owner`: name of their source; `why`: the words of `looks_like_probabilities`; `ways` to declare probabilities, and
    logits. `choices`: the entries of `OUTPUTS` that fit.
    """

    def __init__(self, owner: str, why: str, ways: tuple[str, str]) -> None:
        self.owner, self.why = owner, why
        self.choices = OUTPUTS[2:] if why == SIGMOIDS else OUTPUTS[1:]
        advice = f"give their log-odds, {LOG_ODDS}" if why == SIGMOIDS else f"{ways[0]}, and their logarithms are taken"
        super().__init__(
            f"The numbers of the {owner} look like probabilities ({why}): {advice}, or {ways[1]} if they are logits "
            "all the same."
        )


def looks_like_probabilities(values: NDArray[np.floating]) -> str | None:
    """Return the reason why outputs (examples, classes) are probabilities, or None for logits.

    They are when no number is below 0 and all rows sum to 1 (or to 100), as after a softmax, or when all numbers lie
    between 0 and 1 and are no constant, as after a sigmoid for each class. Logarithms of probabilities are logits.
    """
    if values.ndim != 2 or values.shape[1] < 2 or not len(values) or not np.isfinite(values).all() or values.min() < 0:
        return None
    if total := _total(values):
        return f"no number is below 0 and each row sums to {total}"
    return SIGMOIDS if _sigmoids(values) else None


def _sigmoids(values: NDArray[np.floating]) -> bool:
    """Whether outputs without negative numbers are a sigmoid for each class, not small logits.

    A ReLU gives zeros too, but its maximum is seldom just below 1. Logits of an untrained network with few classes may
    all be above 0, but are seldom centred at 1/2 or spread from 0 to 1.
    """
    lowest, highest, mean = (float(number) for number in (values.min(), values.max(), values.mean(dtype=np.float64)))
    if highest > 1 or highest - lowest < SPREAD:
        return False
    if lowest == 0:
        return highest > 0.99
    around = lowest < 0.5 < highest and abs(mean - 0.5) < 0.1
    return values.shape[1] >= MANY or around or (lowest < 0.1 and highest > 0.8)


def to_logits(values: NDArray[np.floating], owner: str) -> NDArray[np.float32]:
    """Return the logarithms (nats) of probabilities (examples, classes): logits whose softmax they are.

    0 becomes the logarithm of the smallest normal float32, about −87. Logarithms of probabilities are returned
    unchanged. Raises InputError, which names the `owner`, for other numbers and for rows that do not sum to 1.
    """
    finite = values.ndim == 2 and len(values) > 0 and bool(np.isfinite(values).all())
    if finite and (values <= 0).all() and _total(np.exp(values, dtype=np.float64)) == 1:
        return values.astype(np.float32)
    total = _total(values) if finite and values.min() >= 0 else 0
    if not total:
        raise InputError(
            f"The numbers of the {owner} are no probabilities of one class among all, as their rows do not sum to 1: "
            f"divide each row by its sum, or give logits, which for a sigmoid p of each class are {LOG_ODDS}."
        )
    shares = values.astype(np.float64) / total
    return np.log(np.maximum(shares, SMALLEST)).astype(np.float32)


def _total(values: NDArray[np.floating]) -> int:
    """The sum of all rows within rounding: 1 or 100, or 0 for anything else."""
    sums = values.sum(1, dtype=np.float64)
    return next((total for total in TOTALS if (np.abs(sums / total - 1) <= ROUNDING).all()), 0)
