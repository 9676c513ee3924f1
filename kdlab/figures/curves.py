"""Curves over training: loss parts and validation errors, with a mark at each change of a knob."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdlab.figures.theme import GRID, INK, MUTED, ROLES, Figure, base_layout

__all__ = ["AXIS", "Drag", "Line", "Mark", "curve_trace", "error_curves", "loss_curves", "merge_marks", "subsample"]

Line = tuple[Sequence[float], Sequence[float]]
Mark = tuple[float, Mapping[str, float]]

# More points than pixels only cost transfer time.
MAX_POINTS = 300
PALE = 0.3  # opacity of what another run left


def loss_curves(
    losses: Mapping[tuple[str, str], Line],
    marks: Sequence[Mark],
    epochs: float,
    before: Mapping[tuple[str, str], Line] | None = None,
) -> Figure:
    """Return each network's loss parts over epochs, log scale, smoothed by averaging neighbouring steps.

    `losses` by (network, part), in nats; `marks`: (epoch, new values by symbol) of changed knobs; `epochs`: the
    length of the axis; `before`: pale curves of another run.
    """
    data = [
        _pale(curve_trace("", *_average(*line), {"color": ROLES[network].colour, "width": 1.4}))
        for (network, _), line in (before or {}).items()
    ]
    drawn: set[str] = set()
    counts = Counter(network for network, _ in losses)
    for (network, part), (x, y) in losses.items():
        role = ROLES[network]
        x, y = _average(x, y)
        # The first of several parts is drawn lighter, to distinguish a network's parts.
        light = counts[network] > 1 and network not in drawn
        drawn.add(network)
        line = {"color": role.colour, "dash": role.dash, "width": 1.4 if light else 2}
        name = f"{role.label}, {part}"
        symbols = {"symbol": f"{role.symbol}-open" if light else role.symbol, "size": 6, "maxdisplayed": 8}
        trace = curve_trace(name, x, y, line) | {"mode": "lines+markers", "marker": symbols}
        data.append(trace if counts[network] > 1 else trace | {"name": role.label})
    axis = {"type": "log", "exponentformat": "power", "dtick": 1, **AXIS}
    return {"data": data, "layout": _layout("Loss by part on training batches, in nats", axis, marks, epochs)}


def error_curves(
    errors: Mapping[str, Line],
    examples: int,
    unit: str,
    marks: Sequence[Mark],
    epochs: float,
    finished: set[str],
    before: Mapping[str, Line] | None = None,
) -> Figure:
    """Return validation errors in per cent over the epochs of each network's own training.

    `errors`: counts by network out of `examples`; `unit`: the plural noun for them. A network in `finished` is extended
    by a thin level line. `before`: pale curves of another run, counts of the same examples.
    """
    data = []
    latest = [0.0]
    for network, (x, y) in (before or {}).items():
        rates = (100 * np.asarray(y) / examples).tolist()
        line = {"color": ROLES[network].colour, "dash": ROLES[network].dash, "width": 2.2}
        data.append(_pale(curve_trace("", *subsample(x, rates), line)))
    for network, (x, y) in errors.items():
        role = ROLES[network]
        rates = (100 * np.asarray(y) / examples).tolist()
        line = {"color": role.colour, "dash": role.dash, "width": 2.2}
        data.append(curve_trace(role.label, *subsample(x, rates), line))
        if network in finished:
            level = rates[-1]
            trace = curve_trace(f"{role.label}, final", [0, epochs], [level, level], line | {"width": 1.2})
            data.append(trace | {"showlegend": False})
        # The steep beginning would flatten the rest of the curve, so the axis is fitted to the rest.
        latest.append(max(rates[max(1, len(rates) // 5) :] or rates))
    axis = {"ticksuffix": " %", "range": [0, max(1.0, 1.15 * min(max(latest), 100))], **AXIS}
    return {"data": data, "layout": _layout(f"Errors on {examples:,} validation {unit}", axis, marks, epochs)}


# Settings of all axes.
AXIS = {
    "gridcolor": GRID, "zeroline": False, "fixedrange": True,
    "ticks": "outside", "ticklen": 4, "tickcolor": "rgba(0,0,0,0)",
}  # fmt: skip


def curve_trace(name: str, x: Sequence[float], y: Sequence[float], line: Mapping[str, Any]) -> Figure:
    """Return a curve with its values rounded to visible precision."""
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": [round(value, 3) for value in x],
        "y": [float(f"{value:.4g}") for value in y], "line": dict(line),
        "hovertemplate": f"{name}: %{{y:.3g}}<extra></extra>",
    }  # fmt: skip


def _pale(trace: Figure) -> Figure:
    """Return a curve that is no part of the legend and of the hover texts."""
    return trace | {"opacity": PALE, "showlegend": False, "hoverinfo": "skip", "hovertemplate": None}


def _layout(title: str, y_axis: Figure, marks: Sequence[Mark], epochs: float) -> Figure:
    drags = merge_marks(marks, epochs / 25)
    return base_layout(
        title,
        xaxis={"title": {"text": "epoch of its own training", "standoff": 6}, "range": [0, epochs], **AXIS},
        yaxis=y_axis,
        hovermode="x unified",
        showlegend=True,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom", "font": {"size": 10}},
        shapes=[
            {
                "type": "rect", "x0": drag.began, "x1": drag.ended, "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
                "line": {"color": MUTED, "width": 1, "dash": "dot"}, "fillcolor": GRID, "opacity": 0.7,
            }
            for drag in drags
        ],
        annotations=[
            {
                "x": drag.ended, "yref": "paper", "y": 0.99, "text": _describe(drag.values), "showarrow": False,
                "textangle": -90, "xanchor": "left", "yanchor": "top", "font": {"size": 10, "color": INK},
                "bgcolor": "rgba(255,255,255,0.75)",
            }
            for drag in drags
        ],
    )  # fmt: skip


def _describe(values: Mapping[str, float]) -> str:
    return ", ".join(f"{symbol} {value:.3g}" for symbol, value in values.items())


@dataclass(frozen=True, slots=True)
class Drag:
    """One drag of a slider, from epoch `began` to epoch `ended`, with the final values of the knobs."""

    began: float
    ended: float
    values: Mapping[str, float]


def merge_marks(marks: Sequence[Mark], gap: float) -> list[Drag]:
    """Join changes that follow one another within `gap` epochs, because one drag of a slider makes many."""
    drags: list[Drag] = []
    for x, values in marks:
        if drags and x - drags[-1].ended < gap:
            drags[-1] = Drag(drags[-1].began, x, {**drags[-1].values, **values})
        else:
            drags.append(Drag(x, x, values))
    return drags


def _average(x: Sequence[float], y: Sequence[float]) -> Line:
    """Average neighbours until no more than `MAX_POINTS` are left."""
    if len(x) <= MAX_POINTS:
        return x, y
    width = -(-len(x) // MAX_POINTS)
    edges = np.arange(0, len(x), width)
    counts = np.diff(np.append(edges, len(x)))
    mean = np.add.reduceat(np.asarray(y), edges) / counts
    return np.asarray(x)[np.append(edges[1:], len(x)) - 1].tolist(), mean.tolist()


def subsample(x: Sequence[float], y: Sequence[float]) -> Line:
    """Drop points, to at most `MAX_POINTS`; the last one stays, and no value changes."""
    width = -(-len(x) // MAX_POINTS)
    index = np.arange(len(x) - 1, -1, -width)[::-1] if width else np.arange(0)
    return np.asarray(x)[index].tolist(), np.asarray(y)[index].tolist()
