"""Soft targets of teacher, baseline and student for one example, side by side."""

from pathlib import Path

from traitlets import Dict, Float

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["SoftTargets"]


class SoftTargets(Element):
    """Bars of softmax(logits / T), computed in the browser; link `temperature` to a slider with `jslink`.

    `example`: `classes` (names), `truth` (index) and `logits` (lists by network).
    """

    _code = code(Path(__file__).parent / "soft_targets.js")
    example = Dict({"classes": [], "truth": -1, "logits": {}}).tag(sync=True)
    temperature = Float(1.0).tag(sync=True)
