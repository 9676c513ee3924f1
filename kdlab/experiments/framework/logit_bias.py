"""A bias on the logits of classes that a student never saw: the classes, and the size of the bias."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.registry import InputError

__all__ = ["add_bias", "left_out_sets", "oracle_bias", "prior_matching_bias"]

Logits = NDArray[np.float32]


def left_out_sets(text: str, every: bool, classes: Sequence[str]) -> dict[str, list[int]]:
    """Return the sets of classes to leave out, by what the transfer set is then called.

    `text`: sets with semicolons between them, each class names with commas, or "only" and the classes that stay;
    `every`: each class alone as well. Raises InputError.
    """
    sets: dict[str, list[int]] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        stay = part.startswith("only ")
        names = [name.strip() for name in part.removeprefix("only ").split(",")]
        if unknown := [name for name in names if name not in classes]:
            raise InputError(f"There is no class {unknown[0]!r} to leave out; the classes are {', '.join(classes)}.")
        named = [label for label, name in enumerate(classes) if name in names]
        missing = [label for label in range(len(classes)) if label not in named] if stay else named
        if not missing or len(missing) == len(classes):
            raise InputError(
                f"{part!r} leaves out {'no class' if not missing else 'all classes'}: name fewer, or more."
            )
        sets[f"{'only' if stay else 'no'} {', '.join(classes[label] for label in named)}"] = missing
    for label, name in enumerate(classes if every else ()):
        sets.setdefault(f"no {name}", [label])
    if not sets:
        raise InputError("No class is left out: name one, such as 3, or let every class have its turn.")
    return sets


def add_bias(logits: Logits, missing: Sequence[int], offset: float) -> Logits:
    """Return logits (examples, classes) with `offset` added to those of the missing classes."""
    moved = logits.copy()
    moved[:, list(missing)] += offset
    return moved


def prior_matching_bias(logits: Logits, missing: Sequence[int], prior: float) -> float:
    """Return the offset with which the missing classes get the share `prior` of the predicted probability.

    No label is needed. `logits` (examples, classes).
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logsumexp

    present = [label for label in range(logits.shape[1]) if label not in missing]
    # Of two groups of classes, one gets the logistic function of the difference of their log-sums.
    odds = logsumexp(logits[:, list(missing)], 1) - logsumexp(logits[:, present], 1)
    edge = float(np.abs(odds).max()) + 50
    return float(brentq(lambda offset: expit(odds + offset).mean() - prior, -edge, edge))


def oracle_bias(logits: Logits, labels: NDArray[np.int64], missing: Sequence[int]) -> float:
    """Return the offset with the fewest errors: it needs the labels, and only shows what could be had."""
    present = [label for label in range(logits.shape[1]) if label not in missing]
    inside, outside = logits[:, list(missing)], logits[:, present]
    # An example's answer goes over to the missing classes where the offset passes the margin between the best of both.
    margin = (outside.max(1) - inside.max(1)).astype(np.float64)
    right_inside = np.array(list(missing))[inside.argmax(1)] == labels
    right_outside = np.array(present)[outside.argmax(1)] == labels
    order = margin.argsort()
    gained = np.concatenate([[0], np.cumsum(right_inside[order].astype(int) - right_outside[order])])
    best = int(gained.argmax())
    edges = np.concatenate([[margin[order[0]] - 1], margin[order], [margin[order[-1]] + 1]])
    return float((edges[best] + edges[best + 1]) / 2)
