"""A plotly figure on the page, without the 5 MB of each `FigureWidget`."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

from traitlets import Dict

from kdlab.figures.plotly_js import plotly_script
from kdlab.widgets.element import Element
from kdlab.widgets.esm import bundle

__all__ = ["Canvas"]


@cache
def _plotly_script() -> bytes:
    return gzip.compress(plotly_script().encode(), compresslevel=3)


class Canvas(Element):
    """Draws `figure`, a plotly figure as a dict, and redraws it whenever it is replaced.

    An empty figure means that there are no data yet. `clicked`: the position of the last click and a counter.
    """

    _esm = bundle(Path(__file__).parent / "canvas.js")
    figure = Dict().tag(sync=True)
    clicked = Dict({"x": None, "y": None, "count": 0}).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        if content.get("type") == "plotly?":
            self.send({"type": "plotly"}, [_plotly_script()])
