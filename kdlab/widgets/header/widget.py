"""The head of a page as a widget, which also reads and writes the URL hash and identifies the visitor."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, List, Unicode

from kdlab.widgets.element import Element
from kdlab.widgets.esm import SHARED, code, stylesheet
from kdlab.widgets.header.url import UrlState, parse_url_hash
from kdlab.widgets.kernel import kernel_id

__all__ = ["Header"]

FOLDER = Path(__file__).parent
# Of all widgets that several pages have: every page has a head.
SHEETS = "page_head.css", "sections.css", "number_field.css", "form.css"
PAGE_STYLE = stylesheet(*(SHARED / sheet for sheet in SHEETS))
VISITOR = re.compile(r"[0-9a-f]{32}")


class Header(Element):
    """Shows `title`, `lead`, a sentence, and `links` (address, title, whether it is this page).

    It calls `on_state` with the URL's content at the first display and at each change by a person, on any thread. What
    the kernel holds wins: a later view, after a reload or in another tab, gets the page as it stands. `choices` (short
    texts by key) and `run` (an id or "") are written to the URL by the first page of a window. `page`: the stem of the
    page's address; `cell`: the id of the notebook's cell, under which the browser remembers the URL hash for the next
    page in it. `kernel`: its id, and that of this widget. `visitor`: a random id that the browser stores; `ready`:
    whether the browser has sent its first message.
    """

    _code = code(FOLDER / "header.js")
    _css = PAGE_STYLE
    title = Unicode().tag(sync=True)
    lead = Unicode().tag(sync=True)
    links = List().tag(sync=True)
    page = Unicode().tag(sync=True)
    cell = Unicode().tag(sync=True)
    kernel = Dict().tag(sync=True)
    choices = Dict(key_trait=Unicode(), value_trait=Unicode()).tag(sync=True)
    run = Unicode("").tag(sync=True)
    visitor = Unicode("")
    ready = Bool(False)

    def __init__(self, on_state: Callable[[UrlState], None], links: Sequence[Any] = (), **traits: Any) -> None:
        super().__init__(links=[list(link) for link in links], **traits)
        self.kernel = {"kernel": kernel_id(), "id": self.model_id}
        self._on_state = on_state
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        match content:
            case {
                "type": "address",
                "text": str(text),
                "source": "link" | "reload" | "edit" | "memory" as source,
                "visitor": str(visitor),
            } if VISITOR.fullmatch(visitor):
                first, self.ready = not self.ready, True
                if first:
                    self.visitor = visitor
                url = parse_url_hash(text, "link" if source == "reload" else source)
                stale = source in ("reload", "memory") or not text or (url.run and url.run == self.run)
                if first or source == "edit" or not stale:
                    self._on_state(url)
                self.send({"type": "heard"})  # the browser then writes the page's current state to the URL
            case {"type": "there?"}:
                self.send({"type": "here"})
