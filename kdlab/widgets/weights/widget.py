"""A field to choose or drop a file with a network's weights."""

from pathlib import Path
from typing import Any

from traitlets import Enum, Int, Unicode

from kdlab.io import WeightsFile, read_weights, sanitize_text
from kdlab.io.chunked_upload import ChunkedUpload
from kdlab.registry import InputError
from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["WeightsField"]


class WeightsField(Element):
    """Offers to choose a file; `weights`: the uploaded file or None, `digest`: its digest, or "" for no file.

    `max_bytes`: of an upload, in bytes. `file_state`: the displayed state, "none",
    "file" (with `title` and `size` in bytes) or "missing".
    """

    _code = code(Path(__file__).parent / "field.js")
    digest = Unicode("")
    file_state = Enum(["none", "file", "missing"], "none").tag(sync=True)
    title = Unicode("").tag(sync=True)
    size = Int(0).tag(sync=True)

    def __init__(self, max_bytes: int, **traits: Any) -> None:
        super().__init__(**traits)
        self._max_bytes, self._incoming = max_bytes, ChunkedUpload()
        self.weights: WeightsFile | None = None
        self.on_msg(self._on_message)

    def want(self, digest: str) -> None:
        """Keep the current file if it has this digest, else show that the file is missing."""
        if digest != self.digest or not digest:
            self._set(None, digest)

    def _set(self, weights: WeightsFile | None, digest: str) -> None:
        self.weights = weights
        self.file_state = "file" if weights else "missing" if digest else "none"
        self.title, self.size = (weights.title, len(weights.content)) if weights else ("", 0)
        self.digest = digest

    def _on_message(self, _: Any, question: Any, buffers: list[Any]) -> None:
        request = question if isinstance(question, dict) else {}
        try:
            reply = self._reply(request, buffers)
        except InputError as error:
            reply = {"error": str(error)}
        self.send({"type": "answer", "id": request.get("id"), "answer": reply})

    def _reply(self, question: dict[str, Any], buffers: list[Any]) -> dict[str, Any]:
        match question:
            case {"type": "limit"}:
                return {"limit": self._max_bytes}
            case {"type": "file", "file": str(file), "name": str(name), "size": int(size), "at": int(start)} if buffers:
                limit = self._max_bytes
                content = self._incoming.add_chunk(file, name, size, start, bytes(buffers[0]), limit)
                if content is not None:
                    weights = read_weights(name, content, limit)
                    self._set(weights, weights.digest)
                return {}
            case {"type": "let_go"}:
                self._set(None, "")
                return {}
        raise InputError(f"The teacher's file does not know the question {sanitize_text(repr(question.get('type')))}.")
