"""What experiments found: lines with their deviation, maps of numbers, and one dot a seed beside what others report."""

from collections.abc import Mapping
from typing import Any

from kdlab.figures.experiments.lines import lines, watched_curves
from kdlab.figures.experiments.maps import confusion, number_map
from kdlab.figures.experiments.rows import rows_plot
from kdlab.figures.theme import Figure

__all__ = ["chart", "rows_plot", "watched_curves"]


def chart(about: Mapping[str, Any]) -> Figure:
    """Return a chart of a report, of the kind "lines", "map" or "confusion"; raises KeyError for another kind."""
    return {"lines": lines, "map": number_map, "confusion": confusion}[about["kind"]](about)
