"""The common style of all figures: a colour, a dash and a marker per role, so that colour is never the only cue."""

from dataclasses import dataclass
from typing import Any

__all__ = ["FONT", "GRID", "INK", "MUTED", "ROLES", "Figure", "Role", "base_layout"]

Figure = dict[str, Any]

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, MUTED, GRID = "#1d2733", "#5b6775", "#e6eaef"


@dataclass(frozen=True, slots=True)
class Role:
    """The style of a network; colours are Okabe and Ito's."""

    label: str
    colour: str
    dash: str
    symbol: str


ROLES = {
    "teacher": Role("Teacher", "#0072b2", "dot", "square"),
    "baseline": Role("Baseline", "#009e73", "dash", "diamond"),
    "student": Role("Student", "#d55e00", "solid", "circle"),
}


def base_layout(title: str, **layout: Any) -> Figure:
    """Return the layout that all figures share; it keeps zoom and hover when a figure is redrawn."""
    return {
        "title": {
            "text": title,
            "font": {"size": 13, "color": INK},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 0.99,
            "yanchor": "top",
            "pad": {"l": 10, "t": 8},
        },
        "font": {"family": FONT, "size": 11, "color": MUTED},
        "margin": {"l": 44, "r": 22, "t": 50, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "uirevision": "keep",
        "showlegend": False,
        "hoverlabel": {"font": {"family": FONT}, "namelength": -1},
    } | layout
