"""Confusion matrices as heatmaps: mistakes in colour, right answers as plain numbers, and the difference of two."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.figures.names import abbreviate, as_text, wrapped
from kdlab.figures.theme import FONT, INK, Figure, base_layout

__all__ = ["confusion_difference", "confusion_heatmap"]

# Numbers are legible up to this many classes, and gaps leave most of a cell; beyond it the colour and the hover text
# have to do.
MOST_LABELLED = 12
# Up to this many classes each cell has a pixel of its own; beyond it neighbours share some, or whole rows would be left
# out.
MOST_APART = 150
LETTERS = 9  # of a class's name beside its row
# From purple (fewer mistakes) through white to amber (more): distinct for the colour-blind, and no network's colour.
DIVERGING = [[0.0, "#6a3d9a"], [0.5, "#ffffff"], [1.0, "#e69f00"]]
INDENT = len("predicted ")
ON_ONE_LINE = 4  # letters of names up to which hover text is one line


def confusion_heatmap(
    counts: NDArray[np.int64], classes: Sequence[str], title: str, most: int, unit: str = "images"
) -> Figure:
    """Return a confusion matrix; `counts`: (classes, classes), rows true, of examples that are called `unit`.

    Colours end at `most` mistakes in a cell.
    """
    text = _texts(counts, "d")
    trace = _heatmap(_mistakes(counts), classes, text, f"%{{customdata}} {unit}") | {
        "colorscale": "Cividis", "reversescale": True, "zmin": 0, "zmax": max(1, most), "customdata": counts.tolist(),
    }  # fmt: skip
    backdrop = _backdrop(counts, classes, text, f"%{{customdata}} {unit}")
    return {"data": [backdrop, trace], "layout": _layout(title, classes)}


def confusion_difference(
    first: NDArray[np.int64], second: NDArray[np.int64], classes: Sequence[str], title: str
) -> Figure:
    """Return `first` − `second` for two confusion matrices (classes, classes), rows true; mistakes are coloured."""
    difference = first - second
    mistakes = _mistakes(difference)
    most = float(np.abs(mistakes).max(initial=1, where=~np.isnan(mistakes)))
    text = _texts(difference, "+d")
    trace = _heatmap(mistakes, classes, text, "%{customdata:+d}") | {
        "colorscale": DIVERGING, "zmin": -most, "zmax": most, "customdata": difference.tolist(),
    }  # fmt: skip
    backdrop = _backdrop(difference, classes, text, "%{customdata:+d}")
    return {"data": [backdrop, trace], "layout": _layout(title, classes)}


def _texts(counts: NDArray[np.int64], form: str) -> list[list[str]]:
    """What stands in the cells; nothing where there are too many."""
    if len(counts) > MOST_LABELLED:
        return []
    return [[format(count, form).replace("-", "−") if count else "" for count in row] for row in counts.tolist()]


def _mistakes(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what has a colour: no zeros, and no right answers, which would drown all else or mean the opposite."""
    mistakes = np.where(counts == 0, np.nan, counts.astype(float))
    np.fill_diagonal(mistakes, np.nan)
    return mistakes


def _backdrop(counts: NDArray[np.int64], classes: Sequence[str], text: list[list[str]], amount: str) -> Figure:
    """Return a pale cell everywhere, a little darker on the diagonal; it answers the pointer where no colour lies."""
    trace = _heatmap(np.eye(len(classes)), classes, text, amount)
    return trace | {"colorscale": [[0, "#f4f6f8"], [1, "#dfe5ec"]], "customdata": counts.tolist()}


def _heatmap(values: NDArray[np.float64], classes: Sequence[str], text: list[list[str]], amount: str) -> Figure:
    """Return a heatmap whose hover text has the whole names of both classes and the `amount`."""
    z = values.astype(object)
    z[np.isnan(values)] = None
    gap = 1 if text else 0
    trace: Figure = {
        "type": "heatmap", "z": z.tolist(), "showscale": False, "xgap": gap, "ygap": gap, "hoverongaps": False,
        # Where names stand beside the cells they are cut, and plotly's %{x} would be the cut one.
        "hovertemplate": f"{'%{hovertext}' if text else _cell('%{y}', '%{x}', classes)}{amount}<extra></extra>",
    }  # fmt: skip
    if len(classes) > MOST_APART:
        trace["zsmooth"] = "fast"
    if text:
        longest = max(len(one) for row in text for one in row)
        names = [wrapped(name, INDENT) for name in classes]
        trace |= {
            "text": text,
            "texttemplate": "%{text}",
            "textfont": {"size": 10 if longest < 4 else 9},
            "hovertext": [[_cell(true, predicted, classes) for predicted in names] for true in names],
        }
    return trace


def _cell(true: str, predicted: str, classes: Sequence[str]) -> str:
    apart = " " if max(map(len, classes)) <= ON_ONE_LINE else "<br>"
    return f"true {true},{apart}predicted {predicted}:{apart}"


def _layout(title: str, classes: Sequence[str]) -> Figure:
    labelled = len(classes) <= MOST_LABELLED
    short = abbreviate(classes, LETTERS)
    longest = max(len(name) for name in short) if labelled else 0
    ticks = {
        "tickmode": "array", "tickvals": list(range(len(classes))), "showticklabels": labelled,
        "ticktext": [as_text(name) for name in short] if labelled else [wrapped(name, INDENT) for name in classes],
        "showgrid": False, "zeroline": False, "fixedrange": True, "ticks": "", "tickfont": {"size": 10, "color": INK},
    }  # fmt: skip
    upright = longest < 3
    return base_layout(
        title,
        xaxis=ticks | {"title": {"text": "predicted", "standoff": 4}, "tickangle": 0 if upright else -90},
        yaxis=ticks | {"title": {"text": "true", "standoff": 4}, "autorange": "reversed"},
        hovermode="closest",
        hoverlabel={"font": {"family": FONT, "size": 11}},
        margin={"l": 28 + 6 * longest, "r": 6, "t": 34, "b": 28 + (6 * longest if not upright else 6)},
    )
