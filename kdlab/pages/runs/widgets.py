"""The widgets of the page "Your runs": plain data in, elements of the page out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import anywidget
from traitlets import Dict, List, Unicode

from kdlab.widgets.esm import SHARED, bundle

__all__ = ["Answer", "Compared", "RunList"]

FOLDER = Path(__file__).parent
STYLE = "\n".join(
    path.read_text(encoding="utf-8") for path in (SHARED / "page.css", SHARED / "sections.css", FOLDER / "runs.css")
)


class Answer(Protocol):
    """Sends the browser the answer to its question: `about`, plain JSON or {"error": a sentence}, and bytes."""

    def __call__(self, about: dict[str, Any], buffers: Sequence[bytes | memoryview] = ()) -> None:
        """Answer."""


class RunList(anywidget.AnyWidget):
    """Shows `content`, which `kdlab.pages.runs.view.listed` makes; `chosen`: ids of the runs that are ticked.

    `hear` gets what is asked for (look, save, piece, delete) and how to answer, from whatever thread.
    """

    _esm = bundle(FOLDER / "list.js")
    _css = STYLE
    content = Dict().tag(sync=True)
    chosen = List(Unicode()).tag(sync=True)

    def __init__(self, hear: Callable[[dict[str, Any], Answer], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._hear = hear
        self.on_msg(self._told)

    def _told(self, _: Any, question: dict[str, Any], buffers: list[Any]) -> None:
        def answer(about: dict[str, Any], buffers: Sequence[bytes | memoryview] = ()) -> None:
            self.send({"type": "answer", "id": question["id"], "answer": about}, list(buffers))

        if "id" in question:
            self._hear(question, answer)


class Compared(anywidget.AnyWidget):
    """Shows runs side by side: `content`, which `kdlab.pages.runs.compare.compared` makes."""

    _esm = bundle(FOLDER / "compared.js")
    _css = STYLE
    content = Dict().tag(sync=True)
