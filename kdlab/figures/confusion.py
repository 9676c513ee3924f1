"""Confusion matrices as heatmaps: mistakes in colour, right answers as plain numbers, and the difference of two."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from kdlab.figures.theme import INK, Figure, base_layout

__all__ = ["confusion_difference", "confusion_heatmap"]

# Numbers are legible up to this many classes; beyond it the colour and the hover text have to do.
MOST_LABELLED = 12
# From blue (fewer) through white to vermillion (more), Okabe and Ito's.
DIVERGING = [[0.0, "#0072b2"], [0.5, "#ffffff"], [1.0, "#d55e00"]]


def confusion_heatmap(counts: NDArray[np.int64], classes: Sequence[str], title: str, most: int) -> Figure:
    """Return a confusion matrix; `counts`: (classes, classes), rows true. Colours end at `most` mistakes in a cell."""
    mistakes = counts.astype(float)
    np.fill_diagonal(mistakes, np.nan)  # hundreds of right answers would drown every mistake
    mistakes[mistakes == 0] = np.nan
    text = [[str(count) if count else "" for count in row] for row in counts.tolist()]
    hover = "true %{y}, predicted %{x}: %{customdata} images<extra></extra>"
    trace = _heatmap(mistakes, classes, text, hover) | {
        "colorscale": "Cividis", "reversescale": True, "zmin": 0, "zmax": max(1, most), "customdata": counts.tolist(),
    }  # fmt: skip
    return {"data": [_backdrop(counts, classes, text, hover), trace], "layout": _layout(title, classes)}


def confusion_difference(
    first: NDArray[np.int64], second: NDArray[np.int64], classes: Sequence[str], title: str
) -> Figure:
    """Return `first` − `second` for two confusion matrices (classes, classes); rows true."""
    difference = first - second
    most = max(1, int(np.abs(difference).max()))
    text = [[f"{value:+d}".replace("-", "−") if value else "" for value in row] for row in difference.tolist()]
    shown = np.where(difference == 0, np.nan, difference.astype(float))
    hover = "true %{y}, predicted %{x}: %{customdata:+d}<extra></extra>"
    trace = _heatmap(shown, classes, text, hover) | {
        "colorscale": DIVERGING, "zmin": -most, "zmax": most, "customdata": difference.tolist(),
    }  # fmt: skip
    return {"data": [_backdrop(difference, classes, text, hover), trace], "layout": _layout(title, classes)}


def _backdrop(counts: NDArray[np.int64], classes: Sequence[str], text: list[list[str]], hover: str) -> Figure:
    """Return a pale cell everywhere, a little darker on the diagonal; it answers the pointer where no colour lies."""
    trace = _heatmap(np.eye(len(classes)), classes, text, hover)
    return trace | {"colorscale": [[0, "#f4f6f8"], [1, "#dfe5ec"]], "customdata": counts.tolist()}


def _heatmap(values: NDArray[np.float64], classes: Sequence[str], text: list[list[str]], hover: str) -> Figure:
    z = [[None if np.isnan(value) else value for value in row] for row in values.tolist()]
    trace: Figure = {
        "type": "heatmap", "z": z, "showscale": False, "xgap": 1, "ygap": 1,
        "hovertemplate": hover, "hoverongaps": False,
    }  # fmt: skip
    if len(classes) <= MOST_LABELLED:
        trace |= {"text": text, "texttemplate": "%{text}", "textfont": {"size": 10}}
    return trace


def _layout(title: str, classes: Sequence[str]) -> Figure:
    labelled = len(classes) <= MOST_LABELLED
    names = [escape(label[:9], quote=False) for label in classes]  # plotly reads labels as HTML
    longest = max(len(label[:9]) for label in classes) if labelled else 0
    ticks = {
        "tickmode": "array", "tickvals": list(range(len(classes))), "ticktext": names, "showticklabels": labelled,
        "showgrid": False, "zeroline": False, "fixedrange": True, "ticks": "", "tickfont": {"size": 10, "color": INK},
    }  # fmt: skip
    upright = longest < 3
    return base_layout(
        title,
        xaxis=ticks | {"title": {"text": "predicted", "standoff": 4}, "tickangle": 0 if upright else -90},
        yaxis=ticks | {"title": {"text": "true", "standoff": 4}, "autorange": "reversed"},
        hovermode="closest",
        margin={"l": 28 + 6 * longest, "r": 6, "t": 34, "b": 28 + (6 * longest if not upright else 6)},
    )
