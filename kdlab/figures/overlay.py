"""Several runs in one figure: their validation errors over training."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kdlab.figures.curves import AXIS, Line, curve_trace, pick
from kdlab.figures.names import abbreviate, as_text
from kdlab.figures.theme import INK, ROLES, Figure, base_layout

__all__ = ["MARKS", "Overlaid", "overlaid_errors"]

# A colour for each run: Okabe and Ito's that stand for no role. Numbers at the ends of the curves tell runs apart too.
MARKS = ("#cc79a7", "#56b4e9", "#e69f00", INK)
LETTERS = 30  # of a data set's name in the legend


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A run's validation errors: counts out of `examples` of `dataset` by network, over the epochs of its own training.

    `state`: a word for a run that did not come to its end, or "".
    """

    errors: Mapping[str, Line]
    examples: int
    dataset: str
    state: str = ""

    @property
    def points(self) -> int:
        """How many errors there are in all: of two records of one run, the later has more."""
        return sum(len(epochs) for epochs, _ in self.errors.values())


def overlaid_errors(runs: Mapping[int, Overlaid]) -> Figure:
    """Return the validation errors of students and baselines in per cent; `runs` by the number, from 1, that they bear.

    Curves of runs that did not come to their end say so, and where data sets differ each says its own.
    """
    data, ends, latest, last = [], [], [0.0], 1.0
    datasets = list(dict.fromkeys(run.dataset for run in runs.values()))
    short = dict(zip(datasets, map(as_text, abbreviate(datasets, LETTERS)), strict=True))
    for number, run in runs.items():
        where = f" on {short[run.dataset]}" if len(datasets) > 1 else ""
        about = f"{where}, {run.state}" if run.state else where
        for network in ("baseline", "student"):
            if not (curve := run.errors.get(network)) or not len(curve[0]):
                continue
            x, y = pick(curve[0], (100 * np.asarray(curve[1]) / run.examples).tolist())
            line = {"color": MARKS[number - 1], "dash": ROLES[network].dash, "width": 2.2}
            data.append(curve_trace(f"{number}: {ROLES[network].label}{about}", x, y, line))
            ends.append(_end(number, x[-1], y[-1], MARKS[number - 1]))
            last = max(last, x[-1])
            # As in a single run's figure: the steep beginning would flatten what follows.
            latest.append(max(y[max(1, len(y) // 5) :] or y))
    top = max(1.0, 1.15 * min(max(latest), 100))
    layout = base_layout(
        "Validation errors by run",
        xaxis={"title": {"text": "epoch", "standoff": 6}, "range": [0, 1.04 * last], **AXIS},
        yaxis={"ticksuffix": " %", "range": [0, top], **AXIS},
        hovermode="x unified",
        showlegend=True,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom", "font": {"size": 10}},
        annotations=ends,
    )
    return {"data": data, "layout": layout} if data else {}


def _end(number: int, x: float, y: float, colour: str) -> Figure:
    return {
        "x": x, "y": y, "text": f"{number}", "showarrow": False, "xanchor": "left", "xshift": 3,
        "font": {"size": 12, "color": INK}, "bgcolor": "rgba(255,255,255,0.75)", "bordercolor": colour,
    }  # fmt: skip
