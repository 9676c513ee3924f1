"""The widgets of the pages of experiments: plain data in, elements of the page out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, List, Unicode

from kdlab.widgets.esm import SHARED, bundle, stylesheet

__all__ = ["Cards", "Facts", "Findings", "JobList", "Segments"]

FOLDER = Path(__file__).parent


class _View(anywidget.AnyWidget):
    """Shows `content`; it brings the style sheets, as some of them are on each page."""

    _css = stylesheet(SHARED / "sections.css")
    content = Dict().tag(sync=True)


class Findings(_View):
    """What came out: `origin`, `claims` with verdicts, `rows` beside their references, `sources` and `notes`.

    Instead of all that, `empty` says why there is nothing.
    """

    _esm = bundle(FOLDER / "findings.js")


class JobList(_View):
    """What is trained, in order: `title` and `pieces` (label, state, detail)."""

    _esm = bundle(FOLDER / "pieces.js")


class Facts(_View):
    """`title`, `text` (paragraphs) and `facts` (label, value)."""

    _esm = bundle(FOLDER / "facts.js")


class Cards(_View):
    """Links to pages: `cards` (page, title, question, answer, mark)."""

    _esm = bundle(FOLDER / "cards.js")


class Segments(anywidget.AnyWidget):
    """One of a few `options` (value, text), side by side and moved by the arrow keys; `label` names them all."""

    _esm = bundle(FOLDER / "segments.js")
    label = Unicode().tag(sync=True)
    options = List().tag(sync=True)
    value = Unicode().tag(sync=True)

    def __init__(self, label: str, options: Sequence[tuple[str, str]], value: str, **traits: Any) -> None:
        super().__init__(label=label, options=[list(option) for option in options], value=value, **traits)
