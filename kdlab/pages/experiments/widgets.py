"""The widgets of the pages of experiments: plain data in, elements of the page out."""

from pathlib import Path

from traitlets import Dict

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Cards", "Findings", "JobList"]

FOLDER = Path(__file__).parent


class _View(Element):
    """Shows `content`."""

    content = Dict().tag(sync=True)


class Findings(_View):
    """What came out: `origin`, `claims` with verdicts, `rows` beside their references, `sources` and `notes`.

    Instead of all that, `empty` says why there is nothing.
    """

    _code = code(FOLDER / "findings.js")


class JobList(_View):
    """What is trained, in order: `title` and `pieces` (label, state, detail)."""

    _code = code(FOLDER / "pieces.js")


class Cards(_View):
    """Links to pages: `cards` (page, title, question, answer, mark)."""

    _code = code(FOLDER / "cards.js")
