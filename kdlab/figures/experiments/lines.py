"""Lines with deviations, and validation errors during training."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kdlab.figures.experiments.style import AXIS, EXTRA_LOOKS, curves_layout, number
from kdlab.figures.names import as_text
from kdlab.figures.theme import MUTED, ROLES, Figure

__all__ = ["lines", "validation_curves"]

MAX_NAMED_LINES = 6  # beyond this many networks, one style for all lines


def lines(chart: Mapping[str, Any]) -> Figure:
    """Return the figure of a chart of the kind "lines"."""
    data: list[Figure] = []
    used: set[str] = set()
    log = bool(chart.get("log"))
    for series in chart["series"]:
        colour, dash, symbol = _line_style(series.get("role", ""), used)
        name = as_text(series["name"])
        x, y = list(series["x"]), [number(value) for value in series["y"]]
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
    x_axis = {"title": {"text": escape(chart["x"], quote=False), "standoff": 6}, **AXIS}
    if log:  # ticks at the measured values, not at powers of ten
        marks = sorted({value for series in chart["series"] for value in series["x"] if value > 0})
        shown = _apart(marks)
        x_axis |= {"type": "log", "tickvals": shown, "ticktext": [f"{mark:.3g}" for mark in shown]}
    return {"data": data, "layout": curves_layout(chart["title"], chart["y"], x_axis)}


def _line_style(role: str, used: set[str]) -> tuple[str, str, str]:
    if role in ROLES and role not in used:
        used.add(role)
        style = ROLES[role]
        return style.colour, style.dash, style.symbol
    free = next((look for look in EXTRA_LOOKS if look[0] not in used), EXTRA_LOOKS[len(used) % len(EXTRA_LOOKS)])
    used.add(free[0])
    return free


def _band(x: Sequence[float], y: Sequence[float | None], deviation: Sequence[float | None], colour: str) -> Figure:
    points = [
        (position, mean, width)
        for position, mean, width in zip(x, y, map(number, deviation), strict=True)
        if mean is not None and width is not None
    ]
    upper = [mean + width for _, mean, width in points]
    lower = [mean - width for _, mean, width in points]
    along = [position for position, _, _ in points]
    red, green, blue = bytes.fromhex(colour[1:])
    return {
        "type": "scatter", "mode": "lines", "x": along + along[::-1], "y": upper + lower[::-1], "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.15)", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def _apart(marks: Sequence[float]) -> list[float]:
    """Drop marks whose labels would overlap on a log axis."""
    spaced: list[float] = []
    for mark in marks:
        if not spaced or mark / spaced[-1] > (marks[-1] / marks[0]) ** (1 / 12):
            spaced.append(mark)
    return spaced


def validation_curves(errors: Mapping[str, Sequence[tuple[int, int]]], total: int, epochs: int, title: str) -> Figure:
    """Return validation errors in per cent by epoch; `errors`: (epoch, errors out of `total`) by network.

    Many networks are drawn as thin lines, with their mean in bold.
    """
    lines = {name: [(epoch, 100 * wrong / total) for epoch, wrong in counts] for name, counts in errors.items()}
    many = len(lines) > MAX_NAMED_LINES
    data: list[Figure] = []
    used: set[str] = set()
    for name, points in lines.items():
        colour, dash, symbol = (MUTED, "solid", "circle") if many else _line_style(name, used)
        data.append(_error_line(name, points, {"color": colour, "dash": dash, "width": 1 if many else 2}, symbol))
        data[-1] |= {"showlegend": not many, "opacity": 0.5 if many else 1.0}
    if many:
        rates_by_epoch = [[rate for _, rate in points] for points in zip(*lines.values(), strict=True)]
        epochs_seen = [epoch for epoch, _ in next(iter(lines.values()))]
        mean = [(epoch, sum(rates) / len(rates)) for epoch, rates in zip(epochs_seen, rates_by_epoch, strict=True)]
        look = {"color": ROLES["teacher"].colour, "dash": "solid", "width": 3}
        data.append(_error_line(f"mean of {len(lines)}", mean, look, "square"))
    # The steep beginning would flatten the rest of the curve, so the axis is fitted to the rest.
    latest = [rate for points in lines.values() for _, rate in points[max(1, len(points) // 5) :] or points]
    axis = {"title": {"text": "epoch", "standoff": 6}, "range": [0, max(1, epochs)], **AXIS}
    layout = curves_layout(title, "", axis, hovermode="closest" if many else "x unified")
    layout["yaxis"] |= {"ticksuffix": " %", "range": [0, max(1.0, min(1.15 * max(latest, default=0), 100))]}
    return {"data": data, "layout": layout}


def _error_line(name: str, points: Sequence[tuple[int, float]], line: Mapping[str, Any], symbol: str) -> Figure:
    shown = as_text(name)
    return {
        "type": "scatter", "mode": "lines+markers" if len(points) <= 30 else "lines", "name": shown, "line": dict(line),
        "x": [epoch for epoch, _ in points], "y": [float(f"{rate:.4g}") for _, rate in points],
        "marker": {"symbol": symbol, "size": 4}, "hovertemplate": f"{shown}: %{{y:.3g}} %<extra></extra>",
    }  # fmt: skip
