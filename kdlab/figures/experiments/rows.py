"""One dot per seed, beside reported numbers."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kdlab.figures.experiments.style import AXIS, EXTRA_LOOKS, LEGEND, number
from kdlab.figures.theme import INK, ROLES, Figure, base_layout

__all__ = ["rows_plot"]

SYMBOLS = ("diamond-tall", "x-thin", "cross-thin", "asterisk", "hash-open", "star-triangle-up")
ROW_HEIGHT, TOP_MARGIN, BOTTOM_MARGIN = 46, 52, 44  # pixels: from row to row, over the first and under the last


def rows_plot(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Return rows of a report that share a unit: a dot per seed, a bar at their mean, a mark for each reference.

    The layout sets the height. Each row has its name above it, because a telephone has no space beside it.
    """
    data: list[Figure] = []
    names = [escape(row["label"], quote=False) for row in rows]
    seeds = [(index, value) for index, row in enumerate(rows) for value in row["values"] if number(value) is not None]
    means = [(index, row["mean"]) for index, row in enumerate(rows) if number(row["mean"]) is not None]
    colour = ROLES["teacher"].colour
    scatter = {"type": "scatter", "mode": "markers"}
    bar = {"symbol": "line-ns", "size": 13, "line": {"width": 3, "color": INK}}
    dots = {"symbol": "circle", "size": 8, "color": colour, "opacity": 0.6}
    for name, marker, points in (("mean", bar, means), ("one seed", dots, seeds)):
        data.append(
            scatter | {
                "name": name, "marker": marker,
                "x": [value for _, value in points], "y": [index for index, _ in points],
                "text": [names[index] for index, _ in points],
                "hovertemplate": f"%{{text}}, {name}: %{{x:.4g}}<extra></extra>",
            }
        )  # fmt: skip
    sources = list(dict.fromkeys(source for row in rows for source in row["reference"]))
    for index, source in enumerate(sources):
        look, _, _ = EXTRA_LOOKS[index % len(EXTRA_LOOKS)]
        symbol = {
            "symbol": SYMBOLS[index % len(SYMBOLS)],
            "size": 11,
            "color": look,
            "line": {"width": 2, "color": look},
        }
        points = [(index, row["reference"][source]) for index, row in enumerate(rows) if source in row["reference"]]
        name = escape(source, quote=False)
        data.append(
            scatter | {
                "name": name, "marker": symbol,
                "x": [value for _, value in points], "y": [index for index, _ in points],
                "text": [names[index] for index, _ in points],
                "hovertemplate": f"%{{text}}, {name}: %{{x:.4g}}<extra></extra>",
            }
        )  # fmt: skip
    layout = base_layout(
        escape(title, quote=False),
        height=TOP_MARGIN + BOTTOM_MARGIN + ROW_HEIGHT * len(rows),
        xaxis={"rangemode": "normal", **AXIS},
        yaxis={
            "range": [len(rows) - 0.5, -0.7], "showticklabels": False, "tickvals": list(range(len(rows))), **AXIS,
        },
        hovermode="closest",
        margin={"l": 14, "r": 14, "t": TOP_MARGIN, "b": BOTTOM_MARGIN},
        showlegend=True,
        legend=LEGEND,
        annotations=[
            {
                "xref": "paper", "x": 0, "xanchor": "left", "y": index, "yanchor": "bottom", "yshift": 9, "text": name,
                "showarrow": False, "font": {"size": 11, "color": INK}, "bgcolor": "rgba(255,255,255,0.75)",
            }
            for index, name in enumerate(names)
        ],
    )  # fmt: skip
    return {"data": data, "layout": layout}
