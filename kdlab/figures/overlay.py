"""Several runs in one figure: their validation errors over training."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kdlab.figures.curves import AXIS, Line, curve_trace, subsample
from kdlab.figures.names import abbreviate, as_text
from kdlab.figures.theme import INK, ROLES, Figure, base_layout

__all__ = ["RUN_COLOURS", "Overlaid", "overlaid_errors"]

# A colour for each run: Okabe and Ito's colours without those of roles. Numbers at the curves' ends identify runs too.
RUN_COLOURS = ("#cc79a7", "#56b4e9", "#e69f00", INK)
MAX_LEGEND_LETTERS = 30  # of a data set's name in the legend


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A run's validation errors: counts out of `examples` of `dataset` by network, over the epochs of its own training.

    `state`: a word for an unfinished run, or "".
    """

    errors: Mapping[str, Line]
    examples: int
    dataset: str
    state: str = ""

    @property
    def points(self) -> int:
        """The total number of errors: of two records of one run, the later one has more."""
        return sum(len(epochs) for epochs, _ in self.errors.values())


def overlaid_errors(runs: Mapping[int, Overlaid]) -> Figure:
    """Return the validation errors of students and baselines in per cent; `runs` by their displayed number, from 1.

    The label of a curve has the state of an unfinished run and, where the data sets differ, the data set.
    """
    data, ends, latest, last = [], [], [0.0], 1.0
    datasets = list(dict.fromkeys(run.dataset for run in runs.values()))
    short = dict(zip(datasets, map(as_text, abbreviate(datasets, MAX_LEGEND_LETTERS)), strict=True))
    for number, run in runs.items():
        dataset_suffix = f" on {short[run.dataset]}" if len(datasets) > 1 else ""
        suffix = f"{dataset_suffix}, {run.state}" if run.state else dataset_suffix
        for network in ("baseline", "student"):
            if not (curve := run.errors.get(network)) or not len(curve[0]):
                continue
            x, y = subsample(curve[0], (100 * np.asarray(curve[1]) / run.examples).tolist())
            line = {"color": RUN_COLOURS[number - 1], "dash": ROLES[network].dash, "width": 2.2}
            data.append(curve_trace(f"{number}: {ROLES[network].label}{suffix}", x, y, line))
            ends.append(_end(number, x[-1], y[-1], RUN_COLOURS[number - 1]))
            last = max(last, x[-1])
            # As in a single run's figure: the steep beginning would flatten the rest of the curve.
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
