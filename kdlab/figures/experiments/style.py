"""Common style of experiment charts: axes, legend, and styles of lines without a role."""

from html import escape
from math import isfinite

from kdlab.figures.theme import GRID, Figure, base_layout

__all__ = ["AXIS", "EXTRA_LOOKS", "LEGEND", "curves_layout", "number"]

AXIS = {
    "gridcolor": GRID, "zeroline": False, "fixedrange": True,
    "ticks": "outside", "ticklen": 4, "tickcolor": "rgba(0,0,0,0)",
}  # fmt: skip
# Colours, dashes and symbols of lines without a role, and of further lines of one role.
EXTRA_LOOKS = [
    ("#cc79a7", "solid", "triangle-up"), ("#e69f00", "dash", "cross"), ("#56b4e9", "dot", "x"),
    ("#7a5195", "longdash", "star"), ("#1d2733", "dashdot", "pentagon"), ("#8c6d1f", "longdashdot", "hexagon"),
]  # fmt: skip
LEGEND = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom", "font": {"size": 10}}


def curves_layout(title: str, y: str, x_axis: Figure, hovermode: str = "x unified") -> Figure:
    """Return the layout of lines, with the legend under the title."""
    return base_layout(
        escape(title, quote=False),
        xaxis=x_axis,
        yaxis={"title": {"text": escape(y, quote=False), "standoff": 4}, **AXIS},
        hovermode=hovermode,
        showlegend=True,
        # The legend is under the title; it wraps to one series per line where they do not fit on one.
        legend=LEGEND,
        margin={"l": 56, "r": 16, "t": 58, "b": 40},
    )


def number(value: float | None) -> float | None:
    """Return a finite number, or None, because JSON has no NaN."""
    return float(value) if value is not None and isfinite(value) else None
