"""Plotly figures on the page, without the 5 MB of each `FigureWidget`."""

import gzip
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from traitlets import Dict, List

from kdlab.figures.plotly_js import plotly_script
from kdlab.figures.theme import Figure
from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Canvas", "Charts"]

FOLDER = Path(__file__).parent


@cache
def _plotly_script() -> bytes:
    return gzip.compress(plotly_script().encode(), compresslevel=3)


class _Plots(Element):
    """Sends plotly.js to a browser that asks for it."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        if content == {"type": "plotly?"}:
            self.send({"type": "plotly"}, [_plotly_script()])


class Canvas(_Plots):
    """Draws `figure`, a plotly figure as a dict, and redraws it whenever it is replaced.

    An empty figure means that there are no data yet. `clicked`: the position of the last click and a counter.
    """

    _code = code(FOLDER / "canvas.js")
    figure = Dict().tag(sync=True)
    clicked = Dict({"x": None, "y": None, "count": 0}).tag(sync=True)


class Charts(_Plots):
    """Draws a grid of `figures`."""

    _code = code(FOLDER / "charts.js")
    figures = List(Dict()).tag(sync=True)

    def show(self, figures: Sequence[Figure]) -> None:
        """Show these figures."""
        self.figures = list(figures)
        # Three matrices are read side by side.
        matrices = len(figures) > 2 and all(figure["data"][0]["type"] == "heatmap" for figure in figures[:3])
        (self.add_class if matrices else self.remove_class)("kd-thirds")
        self.hidden = not figures
