"""The result in three numbers and a sentence; this widget also loads the page's style sheet."""

from pathlib import Path

from traitlets import Dict

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Summary"]


class Summary(Element):
    """Shows `content`: `tiles`, `verdict`, whether the networks differ (`differs`), `warnings`, `note` and `run`.

    A tile has a `role`, `label`, `errors`, their `share`, and `counted`: the number and kind of examples.
    """

    _code = code(Path(__file__).parent / "summary.js")
    content = Dict({"tiles": [], "verdict": "", "differs": False, "warnings": [], "note": "", "run": ""}).tag(sync=True)
