"""Asking specialists anew where n stands: what is kept for the page of one seed, and what follows from it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.charts import lines, series
from kdlab.experiments.framework.report import Rescored
from kdlab.experiments.specialists_model import MOST, Consulted
from kdlab.metrics.classification import count_pairs
from kdlab.specialists.combine import DIRECTIONS

if TYPE_CHECKING:
    from kdlab.experiments.framework.experiment import Exam

__all__ = ["kept", "rescore"]

PICTURED = 30  # images of each kind to pick from: mended, spoilt, wrong both times, right both times


def kept(exam: "Exam", found: Consulted) -> dict[str, NDArray[Any]]:
    """Return what `rescore` and the page's other panels work on.

    `pictures` are uint8 images of the examples `pictured`, of which all logits are, those of a specialist with its
    dustbin last; `seconds` of an answer by n, where it was timed in the direction that was chosen (`way`: it, and n).
    """
    before, after = (found.answers[way] == exam.labels for way in ((0, 0), found.way))
    kinds = (~before & after, before & ~after, ~before & ~after, before & after)
    pictured = np.concatenate([np.flatnonzero(kind)[:PICTURED] for kind in kinds])
    assert exam.images is not None
    return {
        "labels": exam.labels.astype(np.int32), "answers": found.answers.astype(np.int16), "asked": found.asked,
        "multiply_adds": found.costs, "pictured": pictured, "pictures": exam.images[pictured],
        "seconds": np.array([exam.chosen["latency"].get(str(n), np.nan) for n in range(MOST + 1)]),
        "way": np.array(found.way), "generalist": exam.logits["generalist"][pictured],
        **{f"specialist/{at}": one[pictured] for at, one in enumerate(found.said)},
        **exam.noted,
    }  # fmt: skip


def rescore(arrays: Mapping[str, NDArray[Any]], direction: int, n: int) -> Rescored:
    """Return errors, cost and confusion matrices where n stands; `direction` counts `DIRECTIONS`."""
    labels, classes = arrays["labels"].astype(np.int64), [str(name) for name in arrays["classes"]]
    before, after = arrays["answers"][0, 0], arrays["answers"][direction, n]
    was, now = before != labels, after != labels
    seconds, costs, asked = 1e3 * arrays["seconds"], arrays["multiply_adds"], arrays["asked"]
    tiles = [
        ("errors, alone → with them", f"{was.sum():,} → {now.sum():,}"),
        ("images mended, spoilt", f"{(was & ~now).sum():,}, {(~was & now).sum():,}"),
        ("specialists asked", f"{asked[n].sum():.2f} of {asked.shape[1]}"),
        ("million multiply-adds", f"{costs[0]:.3g} → {costs[n]:.3g}"),
    ]
    chosen, best = arrays["way"]
    if np.isfinite(seconds[n]) and direction == chosen:
        tiles.append(("milliseconds", f"{seconds[0]:.2g} → {seconds[n]:.2g}"))
    tiles.append(
        ("chosen by validation", f"n = {best}, {list(DIRECTIONS.values())[chosen].removesuffix(', as in the paper')}")
    )
    counts = [count_pairs(labels, one, len(classes)).tolist() for one in (before, after)]
    known = arrays["members"].sum(0)[labels]
    levels = np.unique(known[~was])  # of the others no share can be told
    right = [np.array([(~wrong)[known == level].mean() for level in levels]) for wrong in (was, now)]
    gains = 100 * (right[1] / right[0] - 1)
    about = {"kind": "confusion", "classes": classes}
    charts = [
        {**about, "title": "Generalist alone", "counts": counts[0]},
        {**about, "title": f"With specialists, n = {n}", "counts": counts[1]},
        {**about, "title": "With specialists − alone", "counts": counts[1], "minus": counts[0]},
        lines(
            "More right, by how many know the true class", "specialists that know it", "% more right",
            [series("with specialists", "student", levels.tolist(), [gains.tolist()])],
        ),
    ]  # fmt: skip
    return Rescored(tiles, charts)
