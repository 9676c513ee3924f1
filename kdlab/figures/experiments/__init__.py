"""Figures of experiments: lines with deviations, maps of numbers, and one dot per seed beside reported numbers.

They import only other figures.
"""

from collections.abc import Mapping
from typing import Any

from kdlab.figures.experiments.lines import lines, validation_curves
from kdlab.figures.experiments.maps import confusion, number_map
from kdlab.figures.experiments.rows import rows_plot
from kdlab.figures.theme import Figure

__all__ = ["chart_figure", "rows_plot", "validation_curves"]


def chart_figure(chart: Mapping[str, Any]) -> Figure:
    """Return the figure of a report's chart, of the kind "lines", "map" or "confusion"; raises KeyError for others."""
    return {"lines": lines, "map": number_map, "confusion": confusion}[chart["kind"]](chart)
