"""The widgets of the pages of experiments: plain data in, elements of the page out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets import Dict, List, Unicode

from kdlab.widgets.element import Element
from kdlab.widgets.esm import SHARED, code

__all__ = ["Cards", "Facts", "Findings", "JobList", "Segments"]

FOLDER = Path(__file__).parent


class _View(Element):
    """Shows `content`; it brings the style sheets, as some of them are on each page."""

    _css = "\n".join(path.read_text(encoding="utf-8") for path in (SHARED / "page.css", SHARED / "sections.css"))
    content = Dict().tag(sync=True)


class Findings(_View):
    """What came out: `origin`, `claims` with verdicts, `rows` beside their references, `sources` and `notes`.

    Instead of all that, `empty` says why there is nothing.
    """

    _code = code(FOLDER / "findings.js")


class JobList(_View):
    """What is trained, in order: `title` and `pieces` (label, state, detail)."""

    _code = code(FOLDER / "pieces.js")


class Facts(_View):
    """`title`, `text` (paragraphs) and `facts` (label, value)."""

    _code = code(FOLDER / "facts.js")


class Cards(_View):
    """Links to pages: `cards` (page, title, question, answer, mark)."""

    _code = code(FOLDER / "cards.js")


class Segments(Element):
    """One of a few `options` (value, text), side by side and moved by the arrow keys; `label` names them all.

    `note`: a sentence below them.
    """

    _code = code(FOLDER / "segments.js")
    label = Unicode().tag(sync=True)
    note = Unicode().tag(sync=True)
    options = List().tag(sync=True)
    value = Unicode().tag(sync=True)

    def __init__(self, label: str, options: Sequence[tuple[str, str]], value: str, **traits: Any) -> None:
        super().__init__(label=label, options=[list(option) for option in options], value=value, **traits)
