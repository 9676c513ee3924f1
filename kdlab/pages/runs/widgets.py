"""The widgets of the page "Your runs": plain data in, elements of the page out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from traitlets import Dict, List, Unicode

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Compared", "Reply", "RunList"]

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "runs.css").read_text(encoding="utf-8")


class Reply(Protocol):
    """Sends the browser the reply to its request: `fields`, plain JSON or {"error": a sentence}, and bytes."""

    def __call__(self, fields: dict[str, Any], buffers: Sequence[bytes | memoryview] = ()) -> None:
        """Send the reply."""


class RunList(Element):
    """Shows `content`, which `kdlab.pages.runs.view.listed` makes; `chosen`: ids of the runs that are ticked.

    `on_request` gets a request (look, save, piece, delete) and a function that replies to it, on any thread.
    """

    _code = code(FOLDER / "list.js")
    _css = STYLE
    content = Dict().tag(sync=True)
    chosen = List(Unicode()).tag(sync=True)

    def __init__(self, on_request: Callable[[dict[str, Any], Reply], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._on_request = on_request
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, question: dict[str, Any], buffers: list[Any]) -> None:
        def reply(fields: dict[str, Any], buffers: Sequence[bytes | memoryview] = ()) -> None:
            self.send({"type": "answer", "id": question["id"], "answer": fields}, list(buffers))

        if "id" in question:
            self._on_request(question, reply)


class Compared(Element):
    """Shows runs side by side: `content`, which `kdlab.pages.runs.compare.compared` makes."""

    _code = code(FOLDER / "compared.js")
    _css = STYLE
    content = Dict().tag(sync=True)
