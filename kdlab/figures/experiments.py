"""What experiments found: lines with their deviation, maps of numbers, and one dot a seed beside what others report."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

from kdlab.figures.theme import GRID, INK, MUTED, ROLES, Figure, base_layout

__all__ = ["chart", "rows_plot", "watched_curves"]

AXIS = {
    "gridcolor": GRID, "zeroline": False, "fixedrange": True,
    "ticks": "outside", "ticklen": 4, "tickcolor": "rgba(0,0,0,0)",
}  # fmt: skip
# Colours, dashes and symbols of lines that are no network's role, or not the first of theirs.
OTHERS = [
    ("#cc79a7", "solid", "triangle-up"), ("#e69f00", "dash", "cross"), ("#56b4e9", "dot", "x"),
    ("#7a5195", "longdash", "star"), ("#1d2733", "dashdot", "pentagon"), ("#8c6d1f", "longdashdot", "hexagon"),
]  # fmt: skip
SYMBOLS = ("diamond-tall", "x-thin", "cross-thin", "asterisk", "hash-open", "star-triangle-up")
MOST_NAMED = 6  # lines of networks that are told apart
BETWEEN, ABOVE, BELOW = 46, 52, 44  # pixels: from row to row, over the first and under the last


def chart(about: Mapping[str, Any]) -> Figure:
    """Return a chart of a report, of the kind "lines" or "map"; raises KeyError for another kind."""
    return {"lines": _lines, "map": _map}[about["kind"]](about)


def _lines(about: Mapping[str, Any]) -> Figure:
    data: list[Figure] = []
    taken: set[str] = set()
    log = bool(about.get("log"))
    for series in about["series"]:
        colour, dash, symbol = _look(series.get("role", ""), taken)
        name = escape(series["name"], quote=False)
        x, y = list(series["x"]), [_number(value) for value in series["y"]]
        if deviation := series.get("deviation"):
            data.append(_band(x, y, deviation, colour))
        few = len(x) <= 30
        data.append(
            {
                "type": "scatter", "mode": "lines+markers" if few else "lines", "name": name, "x": x, "y": y,
                "line": {"color": colour, "dash": dash, "width": 2}, "marker": {"symbol": symbol, "size": 6},
                "hovertemplate": f"{name}: %{{y:.4g}}<extra></extra>",
            }
        )  # fmt: skip
    x_axis = {"title": {"text": escape(about["x"], quote=False), "standoff": 6}, **AXIS}
    if log:  # marked where something was measured, not at powers of ten
        marks = sorted({value for series in about["series"] for value in series["x"] if value > 0})
        shown = _apart(marks)
        x_axis |= {"type": "log", "tickvals": shown, "ticktext": [f"{mark:.3g}" for mark in shown]}
    return {"data": data, "layout": _curves_layout(about["title"], about["y"], x_axis)}


def _look(role: str, taken: set[str]) -> tuple[str, str, str]:
    if role in ROLES and role not in taken:
        taken.add(role)
        known = ROLES[role]
        return known.colour, known.dash, known.symbol
    free = next((look for look in OTHERS if look[0] not in taken), OTHERS[len(taken) % len(OTHERS)])
    taken.add(free[0])
    return free


def _band(x: Sequence[float], y: Sequence[float | None], deviation: Sequence[float | None], colour: str) -> Figure:
    known = [
        (at, mean, width)
        for at, mean, width in zip(x, y, map(_number, deviation), strict=True)
        if mean is not None and width is not None
    ]
    upper = [mean + width for _, mean, width in known]
    lower = [mean - width for _, mean, width in known]
    along = [at for at, _, _ in known]
    red, green, blue = bytes.fromhex(colour[1:])
    return {
        "type": "scatter", "mode": "lines", "x": along + along[::-1], "y": upper + lower[::-1], "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.15)", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def _apart(marks: Sequence[float]) -> list[float]:
    """Leave out marks that would be written over one another on a log axis."""
    kept: list[float] = []
    for mark in marks:
        if not kept or mark / kept[-1] > (marks[-1] / marks[0]) ** (1 / 12):
            kept.append(mark)
    return kept


def _map(about: Mapping[str, Any]) -> Figure:
    z = [[_number(value) for value in row] for row in about["z"]]
    text = [["–" if value is None else f"{value:.4g}" for value in row] for row in z]
    names = {key: [_name(value) for value in about[f"{key}_values"]] for key in ("x", "y")}
    titles = {key: escape(about[key], quote=False) for key in ("x", "y")}
    trace = {
        "type": "heatmap", "z": z, "x": names["x"], "y": names["y"], "text": text, "texttemplate": "%{text}",
        "textfont": {"size": 11}, "colorscale": "Cividis", "reversescale": True, "showscale": False,
        "xgap": 1, "ygap": 1, "hoverongaps": False,
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
    return f"{value:g}" if isinstance(value, int | float) else escape(str(value), quote=False)


def rows_plot(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Return rows of a report that share a unit: a dot a seed, a bar at their mean, a mark for each reference.

    The figure says how high it is: each row has its name above it, as beside it there is no room on a telephone.
    """
    data: list[Figure] = []
    names = [escape(row["label"], quote=False) for row in rows]
    seeds = [(at, value) for at, row in enumerate(rows) for value in row["values"] if _number(value) is not None]
    means = [(at, row["mean"]) for at, row in enumerate(rows) if _number(row["mean"]) is not None]
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
        legend=_LEGEND,
        annotations=[
            {
                "xref": "paper", "x": 0, "xanchor": "left", "y": at, "yanchor": "bottom", "yshift": 9, "text": name,
                "showarrow": False, "font": {"size": 11, "color": INK}, "bgcolor": "rgba(255,255,255,0.75)",
            }
            for at, name in enumerate(names)
        ],
    )  # fmt: skip
    return {"data": data, "layout": layout}


def watched_curves(errors: Mapping[str, Sequence[tuple[int, int]]], total: int, epochs: int, title: str) -> Figure:
    """Return validation errors in per cent by epoch; `errors`: (epoch, errors out of `total`) by network.

    Of many networks each is a thin line, and their mean is a bold one.
    """
    lines = {name: [(epoch, 100 * wrong / total) for epoch, wrong in own] for name, own in errors.items()}
    many = len(lines) > MOST_NAMED
    data: list[Figure] = []
    taken: set[str] = set()
    for name, own in lines.items():
        colour, dash, symbol = (MUTED, "solid", "circle") if many else _look(name, taken)
        data.append(_watched(name, own, {"color": colour, "dash": dash, "width": 1 if many else 2}, symbol))
        data[-1] |= {"showlegend": not many, "opacity": 0.5 if many else 1.0}
    if many:
        step = [[rate for _, rate in at] for at in zip(*lines.values(), strict=True)]
        along = [epoch for epoch, _ in next(iter(lines.values()))]
        mean = [(epoch, sum(rates) / len(rates)) for epoch, rates in zip(along, step, strict=True)]
        look = {"color": ROLES["teacher"].colour, "dash": "solid", "width": 3}
        data.append(_watched(f"mean of {len(lines)}", mean, look, "square"))
    # The steep beginning would flatten all that follows, so the axis is fitted to what comes after it.
    latest = [rate for own in lines.values() for _, rate in own[max(1, len(own) // 5) :] or own]
    axis = {"title": {"text": "epoch", "standoff": 6}, "range": [0, max(1, epochs)], **AXIS}
    layout = _curves_layout(title, "", axis, hovermode="closest" if many else "x unified")
    layout["yaxis"] |= {"ticksuffix": " %", "range": [0, max(1.0, min(1.15 * max(latest, default=0), 100))]}
    return {"data": data, "layout": layout}


def _watched(name: str, own: Sequence[tuple[int, float]], line: Mapping[str, Any], symbol: str) -> Figure:
    shown = escape(name, quote=False)
    return {
        "type": "scatter", "mode": "lines+markers" if len(own) <= 30 else "lines", "name": shown, "line": dict(line),
        "x": [epoch for epoch, _ in own], "y": [float(f"{rate:.4g}") for _, rate in own],
        "marker": {"symbol": symbol, "size": 4}, "hovertemplate": f"{shown}: %{{y:.3g}} %<extra></extra>",
    }  # fmt: skip


_LEGEND = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom", "font": {"size": 10}}


def _curves_layout(title: str, y: str, x_axis: Figure, hovermode: str = "x unified") -> Figure:
    return base_layout(
        escape(title, quote=False),
        xaxis=x_axis,
        yaxis={"title": {"text": escape(y, quote=False), "standoff": 4}, **AXIS},
        hovermode=hovermode,
        showlegend=True,
        # Under the title, each series on a line of its own where they are not on one.
        legend=_LEGEND,
        margin={"l": 56, "r": 16, "t": 58, "b": 40},
    )


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None
