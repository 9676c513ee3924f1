"""Confusion matrices as heatmaps: mistakes in colour, correct counts as plain numbers, and the difference of two."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.figures.names import abbreviate, as_text, wrapped
from kdlab.figures.theme import FONT, INK, Figure, base_layout
from kdlab.progress import counted

__all__ = ["confusion_difference", "confusion_heatmap"]

# Up to this many classes numbers in the cells are legible; beyond it only colour and hover text are shown.
MAX_LABELLED_CLASSES = 12
# Up to this many classes each cell has its own pixels; beyond it plotly interpolates, so that no row is dropped.
MAX_SHARP_CLASSES = 150
MAX_TICK_LETTERS = 9  # of a class's name beside its row
# From purple (fewer mistakes) through white to amber (more): colour-blind safe, and no network's colour.
DIVERGING = [[0.0, "#6a3d9a"], [0.5, "#ffffff"], [1.0, "#e69f00"]]
INDENT = len("predicted ")
MAX_ONE_LINE_LETTERS = 4  # longest class name with hover text on one line


def confusion_heatmap(
    counts: NDArray[np.int64], classes: Sequence[str], title: str, max_mistakes: int, unit: str = "images"
) -> Figure:
    """Return a confusion matrix; `counts`: (classes, classes), rows true; `unit`: the plural noun for examples.

    The colour scale ends at `max_mistakes` in a cell.
    """
    text = _texts(counts, "d")
    amount, amounts = f"{unit}: %{{customdata:,d}}", counts.tolist()
    if text:  # few enough cells for a text of each, with the singular where there is one example
        amount, amounts = "%{customdata}", [[counted(count, unit) for count in row] for row in amounts]
    trace = _heatmap(_mistakes(counts), classes, text, amount) | {
        "colorscale": "Cividis", "reversescale": True, "zmin": 0, "zmax": max(1, max_mistakes), "customdata": amounts,
    }  # fmt: skip
    backdrop = _backdrop(amounts, classes, text, amount)
    return {"data": [backdrop, trace], "layout": _layout(title, classes)}


def confusion_difference(
    first: NDArray[np.int64], second: NDArray[np.int64], classes: Sequence[str], title: str
) -> Figure:
    """Return `first` − `second` for two confusion matrices (classes, classes), rows true; mistakes are coloured."""
    difference = first - second
    mistakes = _mistakes(difference)
    limit = float(np.abs(mistakes).max(initial=1, where=~np.isnan(mistakes)))
    text = _texts(difference, "+d")
    trace = _heatmap(mistakes, classes, text, "%{customdata:+,d}") | {
        "colorscale": DIVERGING, "zmin": -limit, "zmax": limit, "customdata": difference.tolist(),
    }  # fmt: skip
    backdrop = _backdrop(difference.tolist(), classes, text, "%{customdata:+,d}")
    return {"data": [backdrop, trace], "layout": _layout(title, classes)}


def _texts(counts: NDArray[np.int64], form: str) -> list[list[str]]:
    """Return the texts of the cells; [] for too many classes."""
    if len(counts) > MAX_LABELLED_CLASSES:
        return []
    return [[format(count, form).replace("-", "−") if count else "" for count in row] for row in counts.tolist()]


def _mistakes(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the coloured values: NaN for zeros and for the diagonal, which would dominate or mean the opposite."""
    mistakes = np.where(counts == 0, np.nan, counts.astype(float))
    np.fill_diagonal(mistakes, np.nan)
    return mistakes


def _backdrop(amounts: Sequence[Sequence[Any]], classes: Sequence[str], text: list[list[str]], amount: str) -> Figure:
    """Return pale cells, darker on the diagonal; they show hover text where the coloured trace has no value."""
    trace = _heatmap(np.eye(len(classes)), classes, text, amount)
    return trace | {"colorscale": [[0, "#f4f6f8"], [1, "#dfe5ec"]], "customdata": amounts}


def _heatmap(values: NDArray[np.float64], classes: Sequence[str], text: list[list[str]], amount: str) -> Figure:
    """Return a heatmap whose hover text has the full names of both classes and the `amount`."""
    z = values.astype(object)
    z[np.isnan(values)] = None
    gap = 1 if text else 0
    trace: Figure = {
        "type": "heatmap", "z": z.tolist(), "showscale": False, "xgap": gap, "ygap": gap, "hoverongaps": False,
        # Names beside the cells are shortened, and plotly's %{x} would be the shortened name.
        "hovertemplate": f"{'%{hovertext}' if text else _cell('%{y}', '%{x}', classes)}{amount}<extra></extra>",
    }  # fmt: skip
    if len(classes) > MAX_SHARP_CLASSES:
        trace["zsmooth"] = "fast"
    if text:
        longest = max(len(cell_text) for row in text for cell_text in row)
        names = [wrapped(name, INDENT) for name in classes]
        trace |= {
            "text": text,
            "texttemplate": "%{text}",
            "textfont": {"size": 10 if longest < 4 else 9},
            "hovertext": [[_cell(true, predicted, classes) for predicted in names] for true in names],
        }
    return trace


def _cell(true: str, predicted: str, classes: Sequence[str]) -> str:
    separator = " " if max(map(len, classes)) <= MAX_ONE_LINE_LETTERS else "<br>"
    return f"true {true},{separator}predicted {predicted}:{separator}"


def _layout(title: str, classes: Sequence[str]) -> Figure:
    labelled = len(classes) <= MAX_LABELLED_CLASSES
    short = abbreviate(classes, MAX_TICK_LETTERS)
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
