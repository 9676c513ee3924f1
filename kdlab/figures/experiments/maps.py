"""Maps of numbers, and which classes are taken for which."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from kdlab.figures.confusion import confusion_difference, confusion_heatmap
from kdlab.figures.experiments.style import number
from kdlab.figures.names import as_text
from kdlab.figures.theme import Figure, base_layout

__all__ = ["confusion", "number_map"]

MOST_WRITTEN = 20  # rows, or columns, up to which a cell has room for its number and a gap leaves most of it


def number_map(about: Mapping[str, Any]) -> Figure:
    """Return a chart of the kind "map"."""
    z = [[number(value) for value in row] for row in about["z"]]
    text = [["–" if value is None else f"{value:.4g}" for value in row] for row in z]
    names = {key: [_name(value) for value in about[f"{key}_values"]] for key in ("x", "y")}
    titles = {key: as_text(about[key]) for key in ("x", "y")}
    written = max(map(len, names.values())) <= MOST_WRITTEN
    trace = {
        "type": "heatmap", "z": z, "x": names["x"], "y": names["y"], "text": text,
        "texttemplate": "%{text}" if written else "", "textfont": {"size": 11}, "colorscale": "Cividis",
        "reversescale": True, "showscale": False, "xgap": int(written), "ygap": int(written), "hoverongaps": False,
        "hovertemplate": f"{titles['x']} %{{x}}, {titles['y']} %{{y}}: %{{text}}<extra></extra>",
    }  # fmt: skip
    axis = {"type": "category", "showgrid": False, "zeroline": False, "fixedrange": True, "ticks": ""}
    longest = max((len(name) for name in names["y"]), default=0)
    layout = base_layout(
        escape(about["title"], quote=False),
        xaxis=axis | {"title": {"text": titles["x"], "standoff": 6}},
        yaxis=axis | {"title": {"text": titles["y"], "standoff": 6}},
        hovermode="closest",
        margin={"l": 36 + 6 * longest, "r": 12, "t": 36, "b": 44},
    )
    return {"data": [trace], "layout": layout}


def _name(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else as_text(str(value))


def confusion(about: Mapping[str, Any]) -> Figure:
    """Return a chart of the kind "confusion"; with "minus", of the difference."""
    counts, classes = np.asarray(about["counts"], dtype=np.int64), about["classes"]
    title = escape(about["title"], quote=False)
    if "minus" in about:
        return confusion_difference(counts, np.asarray(about["minus"], dtype=np.int64), classes, title)
    mistakes = counts - np.diag(np.diag(counts))
    return confusion_heatmap(counts, classes, title, int(about.get("most", mistakes.max(initial=0))))
