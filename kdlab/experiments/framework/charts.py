"""Charts that several experiments draw, as plain data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from kdlab.experiments.framework.experiment import SeedResult

__all__ = ["lines", "series", "validation_curves"]

UNITS = {"errors": "wrong validation images", "nats": "cross-entropy, nats"}


def series(name: str, role: str, x: Sequence[float], y: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return a line of a chart: the mean of `y`, (seeds, points), and its standard deviation where there are seeds."""
    values = np.asarray(y, dtype=float)
    line: dict[str, Any] = {"name": name, "role": role, "x": list(x), "y": values.mean(0).tolist()}
    if len(values) > 1:
        line["deviation"] = values.std(0, ddof=1).tolist()
    return line


def lines(title: str, x: str, y: str, drawn: Sequence[Mapping[str, Any]], log: bool = False) -> dict[str, Any]:
    """Return a chart of lines; `x` and `y` name the axes, `log` is about the x axis."""
    return {"kind": "lines", "title": title, "x": x, "y": y, "log": log, "series": list(drawn)}


def validation_curves(
    results: "Sequence[SeedResult]", shown: Mapping[str, tuple[str, str]], metric: str = "errors"
) -> dict[str, Any]:
    """Return validation errors or cross-entropy ("nats") by epoch; `shown`: what to call a network, and its role."""
    drawn = []
    for key, (label, role) in shown.items():
        curves = [result.curves[key][metric] for result in results]
        # Where transfer sets of the seeds differ in size, so may their epochs.
        shared = min(map(len, curves))
        # Before the first epoch all are at chance, which would flatten what follows.
        drawn.append(series(label, role, range(1, shared), [curve[1:shared] for curve in curves]))
    title = "Validation errors" if metric == "errors" else "Cross-entropy on validation images"
    return lines(title, "epoch", UNITS[metric], drawn)
