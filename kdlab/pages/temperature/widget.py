"""The lab as a widget: the choices on its page, as traits."""

from pathlib import Path
from typing import Any

import numpy as np
from traitlets import Bunch, Dict, Enum, Float, Int, List, TraitError, Unicode, observe, validate

from kdlab.atomic import write_atomic
from kdlab.io import read_logits, sanitize_text
from kdlab.io.chunked_upload import ChunkedUpload
from kdlab.metrics.classification import telling_example
from kdlab.pages.catalogue import TEMPERATURE, navigation
from kdlab.pages.temperature.data_server import DataServer, Response
from kdlab.pages.temperature.html_export import HEAD, STYLE, to_html
from kdlab.registry import InputError
from kdlab.train.probabilities import UndeclaredError
from kdlab.widgets.element import Element
from kdlab.widgets.esm import code
from kdlab.widgets.kernel import kernel_id

__all__ = ["Lab"]

MAX_STORED_BYTES = 60_000  # bytes of a set that every saved notebook holds
MAX_CLASSES = 12  # of one's own, as in custom_logits.js
OWN_LOGITS = {"classes": ["dog", "cat", "tree"], "teacher": [9.0, 4.0, -3.0], "student": [5.0, 1.0, 0.0]}
STATE = ("temperature", "dataset", "example", "scale", "exponent", "source", "own", "cell")


class Lab(Element):
    """Shows the effect of a temperature; all drawing is in the browser, and these traits follow when it rests.

    `temperature`; `dataset`, a set's key; `example`, an example's number; `scale`; `exponent` of the teachers'
    power mean; `source` of the shown logits: an example, one's own logits (`own`: classes, teacher, student) or a
    drawn digit; `cell` of a matrix (network, true, predicted) whose examples are listed. `upload_bytes`: the limit
    of a file of logits that is opened on the page; its predictions are added to `sets`. `head`: title, sentence and
    links of the page. `stored`: a small set with its pictures, which a saved notebook shows without a kernel.
    """

    _code = code(Path(__file__).parent / "lab.js")
    _css = STYLE
    stored = Dict().tag(sync=True)
    sets = List().tag(sync=True)
    head = Dict().tag(sync=True)
    upload_bytes = Int().tag(sync=True)
    temperature = Float(4.0, min=0.5, max=100.0).tag(sync=True)
    dataset = Unicode().tag(sync=True)
    example = Int(0, min=0).tag(sync=True)
    scale = Enum(["linear", "log"], "linear").tag(sync=True)
    exponent = Float(1.0, min=0.0, max=1.0).tag(sync=True)
    source = Enum(["example", "own", "drawn"], "example").tag(sync=True)
    own = Dict(OWN_LOGITS).tag(sync=True)
    cell = Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, data_server: DataServer, upload_bytes: int = 8_000_000, **traits: Any) -> None:
        self._data_server = data_server
        # Kept apart from the trait, which the browser could set.
        self._limit, self._upload = upload_bytes, ChunkedUpload()
        stored = data_server.stored(MAX_STORED_BYTES)
        super().__init__(sets=data_server.menu(), upload_bytes=upload_bytes, stored=stored, **traits)
        kernel = {"kernel": kernel_id(), "id": self.model_id}
        self.head = {**HEAD, "links": navigation(TEMPERATURE), "kernel": kernel}
        self.on_msg(self._on_message)

    @validate("temperature", "exponent")
    def _check_number(self, proposal: Bunch) -> float:
        if not np.isfinite(proposal.value):
            raise TraitError(f"The {proposal.trait.name} must be a number, not {proposal.value}.")
        return proposal.value

    @validate("dataset")
    def _check_dataset(self, proposal: Bunch) -> str:
        if proposal.value not in self._data_server.sets:
            keys = ", ".join(self._data_server.sets)
            raise TraitError(f"There is no data set {sanitize_text(proposal.value)!r} here; there are {keys}.")
        return proposal.value

    @validate("example")
    def _check_example(self, proposal: Bunch) -> int:
        predictions = self._data_server.sets.get(self.dataset)
        if predictions and proposal.value >= len(predictions.labels):
            raise TraitError(
                f"There is no example {proposal.value}: {predictions.key} has 0 to {len(predictions.labels) - 1}."
            )
        return proposal.value

    @validate("cell")
    def _check_cell(self, proposal: Bunch) -> dict[str, Any] | None:
        predictions, cell = self._data_server.sets.get(self.dataset), proposal.value
        if predictions is None or cell is None:
            return cell
        match cell:
            case {"network": "teacher" | "student" | "difference", "true": int(true), "predicted": int(predicted)} if (
                min(true, predicted) >= 0 and max(true, predicted) < len(predictions.classes)
            ):
                return cell
        raise TraitError(
            f"A cell is a network (teacher, student or difference) and the numbers true and predicted of two of the "
            f"{len(predictions.classes)} classes, not {sanitize_text(repr(cell))}."
        )

    @validate("own")
    def _check_own(self, proposal: Bunch) -> dict[str, list[Any]]:
        lists = [list(proposal.value.get(key, [])) for key in OWN_LOGITS]
        classes = len(lists[0])
        try:
            numbers = np.array(lists[1:], dtype=float)
        except (TypeError, ValueError):
            numbers = np.array(np.nan)
        if numbers.shape != (2, classes) or not 2 <= classes <= MAX_CLASSES or not np.isfinite(numbers).all():
            raise TraitError(
                f"Own logits need {', '.join(OWN_LOGITS)}: lists of one length, from 2 to {MAX_CLASSES} classes."
            )
        return dict(zip(OWN_LOGITS, lists, strict=True))

    @observe("dataset")
    def _begin(self, change: Bunch) -> None:
        predictions = self._data_server.sets[change.new]
        if self.example >= len(predictions.labels):
            self.example = telling_example(predictions.logits, predictions.labels)

    def close(self) -> None:
        """Close the widget, and let its data go: a notebook's `Out` may keep it."""
        super().close()
        self._data_server = DataServer([], {})

    def page(self) -> str:
        """Return the lab as it stands as one HTML file that needs no kernel."""
        return to_html(self._data_server, {name: getattr(self, name) for name in STATE})

    def export(self, path: str | Path) -> None:
        """Write the lab as it stands to one HTML file that needs no kernel; a file of that name is replaced.

        Raises InputError when it cannot be written, and for a name that does not end in .html.
        """
        path = Path(path).absolute()
        if path.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"{path.name} is to be a web page: give it a name that ends in .html.")
        page = self.page()
        try:
            write_atomic(path, page.encode())
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror or error}): name another file.") from error

    def _on_message(self, _: Any, question: Any, buffers: list[Any]) -> None:
        asked = question if isinstance(question, dict) else {}
        try:
            response = self._respond(asked, buffers)
        except UndeclaredError as error:
            response = Response({"error": str(error), "choices": error.choices})
        except InputError as error:
            response = Response({"error": str(error)})
        self.send({"type": "answer", "id": asked.get("id"), "answer": response.fields}, list(response.buffers))

    def _respond(self, question: dict[str, Any], buffers: list[Any]) -> Response:
        match question:
            case {"type": "pictures", "dataset": str(key), "indices": [*examples]}:
                return self._data_server.pictures(key, examples)
            case {"type": "export", **asked} if asked.keys() >= set(STATE):
                page = to_html(self._data_server, {name: asked[name] for name in STATE})
                return Response({"name": "kdlab-temperature.html"}, (page.encode(),))
            case {"type": "file", "file": str(file), "name": str(name), "size": int(size), "at": int(start)} if buffers:
                return self._add_chunk(file, name, size, start, bytes(buffers[0]), question.get("outputs", ""))
            case {"type": "networks"}:
                return self._data_server.networks()
            case {"type": "set" | "teachers" as kind, "dataset": str(key)}:
                response: Response = getattr(self._data_server, kind)(key)
                return response
        raise InputError(f"The lab does not know the question {sanitize_text(repr(question.get('type')))}.")

    def _add_chunk(self, file: str, name: str, size: int, start: int, chunk: bytes, outputs: Any) -> Response:
        """Add a chunk of a file; after the last one the file's predictions are added to the menu.

        `outputs`: the chosen kind of its numbers, or "".
        """
        content = self._upload.add_chunk(file, name, size, start, chunk, self._limit)
        if content is None:
            return Response({"dataset": ""})
        key = self._data_server.add(read_logits(name, content, self._limit, outputs))
        self.sets = self._data_server.menu()
        return Response({"dataset": key})
