"""The result in three numbers and a sentence; this widget also loads the page's style sheet."""

from pathlib import Path

import anywidget
from traitlets import Dict

from kdlab.widgets.esm import stylesheet

__all__ = ["Summary"]


class Summary(anywidget.AnyWidget):
    """Shows `content`: `tiles`, `verdict`, whether the networks differ (`differs`), `warnings`, `note` and `run`.

    A tile has a `role`, `label`, `errors`, their `share`, and `counted`: the number and kind of examples.
    """

    _esm = Path(__file__).parent / "summary.js"
    _css = stylesheet()
    content = Dict({"tiles": [], "verdict": "", "differs": False, "warnings": [], "note": "", "run": ""}).tag(sync=True)
