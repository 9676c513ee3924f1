"""A title, paragraphs, and labelled values."""

from pathlib import Path

from traitlets import Dict

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Facts"]


class Facts(Element):
    """Shows `content`: `title`, `text` (paragraphs) and `facts` (label, value)."""

    _code = code(Path(__file__).parent / "facts.js")
    content = Dict().tag(sync=True)
