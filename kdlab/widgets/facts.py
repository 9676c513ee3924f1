"""A title, paragraphs, and labelled values."""

from pathlib import Path

from traitlets import Dict

from kdlab.widgets.element import Element
from kdlab.widgets.esm import SHARED, code, stylesheet

__all__ = ["SECTIONS", "Facts"]

SECTIONS = stylesheet(SHARED / "sections.css")


class Facts(Element):
    """Shows `content`: `title`, `text` (paragraphs) and `facts` (label, value)."""

    _code = code(Path(__file__).parent / "facts.js")
    _css = SECTIONS
    content = Dict().tag(sync=True)
