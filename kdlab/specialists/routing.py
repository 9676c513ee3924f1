"""Routing: the specialists for an example are those that know one of the generalist's top classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.specialists.subsets import membership

__all__ = ["route"]


def route(generalist: NDArray[np.float32], subsets: Sequence[Sequence[int]], n: int) -> NDArray[np.bool_]:
    """Return which specialists are asked, bool (examples, specialists); none where `n` is 0.

    `generalist`: its logits (examples, classes), whose `n` largest are looked at (Hinton et al. 2015, section 5.5; the
    paper's n is 1).
    """
    examples, classes = generalist.shape
    first = np.argsort(-generalist, axis=1, kind="stable")[:, : min(n, classes)]
    likely = np.zeros((examples, classes), dtype=bool)
    np.put_along_axis(likely, first, True, axis=1)
    asked: NDArray[np.bool_] = likely @ membership(subsets, classes).T
    return asked
