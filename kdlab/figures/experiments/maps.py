"""Maps of numbers, and confusion matrices."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from kdlab.figures.confusion import confusion_difference, confusion_heatmap
from kdlab.figures.experiments.style import number
from kdlab.figures.names import as_text
from kdlab.figures.theme import Figure, base_layout

__all__ = ["confusion", "number_map"]

MAX_WRITTEN_SIDE = 20  # rows or columns up to which cells are large enough for numbers and gaps


def number_map(chart: Mapping[str, Any]) -> Figure:
    """Return the figure of a chart of the kind "map"."""
    z = [[number(value) for value in row] for row in chart["z"]]
    text = [["–" if value is None else f"{value:.4g}" for value in row] for row in z]
    names = {key: [_name(value) for value in chart[f"{key}_values"]] for key in ("x", "y")}
    titles = {key: as_text(chart[key]) for key in ("x", "y")}
    written = max(map(len, names.values())) <= MAX_WRITTEN_SIDE
    trace = {
        "type": "heatmap", "z": z, "x": names["x"], "y": names["y"], "text": text,
        "texttemplate": "%{text}" if written else "", "textfont": {"size": 11}, "colorscale": "Cividis",
        "reversescale": True, "showscale": False, "xgap": int(written), "ygap": int(written), "hoverongaps": False,
        "hovertemplate": f"{titles['x']} %{{x}}, {titles['y']} %{{y}}: %{{text}}<extra></extra>",
    }  # fmt: skip
    axis = {"type": "category", "showgrid": False, "zeroline": False, "fixedrange": True, "ticks": ""}
    longest = max((len(name) for name in names["y"]), default=0)
    layout = base_layout(
        escape(chart["title"], quote=False),
        xaxis=axis | {"title": {"text": titles["x"], "standoff": 6}},
        yaxis=axis | {"title": {"text": titles["y"], "standoff": 6}},
        hovermode="closest",
        margin={"l": 36 + 6 * longest, "r": 12, "t": 36, "b": 44},
    )
    return {"data": [trace], "layout": layout}


def _name(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else as_text(str(value))


def confusion(chart: Mapping[str, Any]) -> Figure:
    """Return the figure of a chart of the kind "confusion"; with "minus", of the difference."""
    counts, classes = np.asarray(chart["counts"], dtype=np.int64), chart["classes"]
    title = escape(chart["title"], quote=False)
    if "minus" in chart:
        return confusion_difference(counts, np.asarray(chart["minus"], dtype=np.int64), classes, title)
    mistakes = counts - np.diag(np.diag(counts))
    return confusion_heatmap(counts, classes, title, int(chart.get("most", mistakes.max(initial=0))))
