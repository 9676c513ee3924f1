"""A file with a network's weights, chosen or dropped on the page and read here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Enum, Int, Unicode

from kdlab.io import Weights, read_weights, tidy
from kdlab.io.chunked_upload import Incoming
from kdlab.registry import InputError
from kdlab.widgets.esm import bundle

__all__ = ["WeightsField"]


class WeightsField(anywidget.AnyWidget):
    """Offers to choose a file; `weights` is what came, `digest` theirs ("": none is wanted).

    `limit` is asked, when a file comes, for the most bytes that it may have; it may raise InputError. `held` says what
    is seen: "none", a "file" (`title`, `size` in bytes), or that one is "missing".
    """

    _esm = bundle(Path(__file__).parent / "field.js")
    digest = Unicode("")
    held = Enum(["none", "file", "missing"], "none").tag(sync=True)
    title = Unicode("").tag(sync=True)
    size = Int(0).tag(sync=True)

    def __init__(self, limit: Callable[[], int], **traits: Any) -> None:
        super().__init__(**traits)
        self._limit, self._incoming = limit, Incoming()
        self.weights: Weights | None = None
        self.on_msg(self._answer)

    def want(self, digest: str) -> None:
        """Keep the file that is held where it is the one of this digest; show that it is missing where it is not."""
        if digest != self.digest or not digest:
            self._set(None, digest)

    def _set(self, weights: Weights | None, digest: str) -> None:
        self.weights = weights
        self.held = "file" if weights else "missing" if digest else "none"
        self.title, self.size = (weights.title, len(weights.content)) if weights else ("", 0)
        self.digest = digest

    def _answer(self, _: Any, question: Any, buffers: list[Any]) -> None:
        asked = question if isinstance(question, dict) else {}
        try:
            answer = self._reply(asked, buffers)
        except InputError as error:
            answer = {"error": str(error)}
        self.send({"type": "answer", "id": asked.get("id"), "answer": answer})

    def _reply(self, question: dict[str, Any], buffers: list[Any]) -> dict[str, Any]:
        match question:
            case {"type": "limit"}:
                return {"limit": self._limit()}
            case {"type": "file", "file": str(file), "name": str(name), "size": int(size), "at": int(at)} if buffers:
                limit = self._limit()
                content = self._incoming.take(file, name, size, at, bytes(buffers[0]), limit)
                if content is not None:
                    weights = read_weights(name, content, limit)
                    self._set(weights, weights.digest)
                return {}
            case {"type": "let_go"}:
                self._set(None, "")
                return {}
        raise InputError(f"The teacher's file does not know the question {tidy(repr(question.get('type')))}.")
