"""Lines with their deviation, and validation errors while networks are trained."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kdlab.figures.experiments.style import AXIS, OTHERS, curves_layout, number
from kdlab.figures.names import as_text
from kdlab.figures.theme import MUTED, ROLES, Figure

__all__ = ["lines", "watched_curves"]

MOST_NAMED = 6  # lines of networks that are told apart


def lines(about: Mapping[str, Any]) -> Figure:
    """Return a chart of the kind "lines"."""
    data: list[Figure] = []
    taken: set[str] = set()
    log = bool(about.get("log"))
    for series in about["series"]:
        colour, dash, symbol = _look(series.get("role", ""), taken)
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
    x_axis = {"title": {"text": escape(about["x"], quote=False), "standoff": 6}, **AXIS}
    if log:  # marked where something was measured, not at powers of ten
        marks = sorted({value for series in about["series"] for value in series["x"] if value > 0})
        shown = _apart(marks)
        x_axis |= {"type": "log", "tickvals": shown, "ticktext": [f"{mark:.3g}" for mark in shown]}
    return {"data": data, "layout": curves_layout(about["title"], about["y"], x_axis)}


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
        for at, mean, width in zip(x, y, map(number, deviation), strict=True)
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
    layout = curves_layout(title, "", axis, hovermode="closest" if many else "x unified")
    layout["yaxis"] |= {"ticksuffix": " %", "range": [0, max(1.0, min(1.15 * max(latest, default=0), 100))]}
    return {"data": data, "layout": layout}


def _watched(name: str, own: Sequence[tuple[int, float]], line: Mapping[str, Any], symbol: str) -> Figure:
    shown = as_text(name)
    return {
        "type": "scatter", "mode": "lines+markers" if len(own) <= 30 else "lines", "name": shown, "line": dict(line),
        "x": [epoch for epoch, _ in own], "y": [float(f"{rate:.4g}") for _, rate in own],
        "marker": {"symbol": symbol, "size": 4}, "hovertemplate": f"{shown}: %{{y:.3g}} %<extra></extra>",
    }  # fmt: skip
