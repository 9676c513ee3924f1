"""One dot a seed, beside what others report."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kdlab.figures.experiments.style import AXIS, LEGEND, OTHERS, number
from kdlab.figures.theme import INK, ROLES, Figure, base_layout

__all__ = ["rows_plot"]

SYMBOLS = ("diamond-tall", "x-thin", "cross-thin", "asterisk", "hash-open", "star-triangle-up")
BETWEEN, ABOVE, BELOW = 46, 52, 44  # pixels: from row to row, over the first and under the last


def rows_plot(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Return rows of a report that share a unit: a dot a seed, a bar at their mean, a mark for each reference.

    The figure says how high it is: each row has its name above it, as beside it there is no room on a telephone.
    """
    data: list[Figure] = []
    names = [escape(row["label"], quote=False) for row in rows]
    seeds = [(at, value) for at, row in enumerate(rows) for value in row["values"] if number(value) is not None]
    means = [(at, row["mean"]) for at, row in enumerate(rows) if number(row["mean"]) is not None]
    colour = ROLES["teacher"].colour
    about = {"type": "scatter", "mode": "markers"}
    bar = {"symbol": "line-ns", "size": 13, "line": {"width": 3, "color": INK}}
    dots = {"symbol": "circle", "size": 8, "color": colour, "opacity": 0.6}
    for name, marker, found in (("mean", bar, means), ("one seed", dots, seeds)):
        data.append(
            about | {
                "name": name, "x": [value for _, value in found], "y": [at for at, _ in found], "marker": marker,
                "text": [names[at] for at, _ in found],
                "hovertemplate": f"%{{text}}, {name}: %{{x:.4g}}<extra></extra>",
            }
        )  # fmt: skip
    sources = list(dict.fromkeys(source for row in rows for source in row["reference"]))
    for at, source in enumerate(sources):
        look, _, _ = OTHERS[at % len(OTHERS)]
        symbol = {"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 11, "color": look, "line": {"width": 2, "color": look}}
        own = [(at, row["reference"][source]) for at, row in enumerate(rows) if source in row["reference"]]
        name = escape(source, quote=False)
        data.append(
            about | {
                "name": name, "x": [value for _, value in own], "y": [at for at, _ in own], "marker": symbol,
                "text": [names[at] for at, _ in own], "hovertemplate": f"%{{text}}, {name}: %{{x:.4g}}<extra></extra>",
            }
        )  # fmt: skip
    layout = base_layout(
        escape(title, quote=False),
        height=ABOVE + BELOW + BETWEEN * len(rows),
        xaxis={"rangemode": "normal", **AXIS},
        yaxis={
            "range": [len(rows) - 0.5, -0.7], "showticklabels": False, "tickvals": list(range(len(rows))), **AXIS,
        },
        hovermode="closest",
        margin={"l": 14, "r": 14, "t": ABOVE, "b": BELOW},
        showlegend=True,
        legend=LEGEND,
        annotations=[
            {
                "xref": "paper", "x": 0, "xanchor": "left", "y": at, "yanchor": "bottom", "yshift": 9, "text": name,
                "showarrow": False, "font": {"size": 11, "color": INK}, "bgcolor": "rgba(255,255,255,0.75)",
            }
            for at, name in enumerate(names)
        ],
    )  # fmt: skip
    return {"data": data, "layout": layout}
