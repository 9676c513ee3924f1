"""Read and write the URL hash of the page, and identify the visitor."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from traitlets import Bool, Dict, Unicode

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["UrlHash", "UrlState", "parse_url_hash"]

MAX_LENGTH = 4096  # characters after "#"
RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")
VISITOR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class UrlState:
    """The content of a URL hash: values of choices by key, a run's id or "", and a sentence for each unusable part.

    The values are unchecked text from outside.
    """

    choices: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    complaints: tuple[str, ...] = ()


def parse_url_hash(text: str) -> UrlState:
    """Return the content of a URL hash; parts without "=" belong to other programs and are ignored."""
    if len(text) > MAX_LENGTH:
        return UrlState(complaints=("The part of the address after # is too long to be read.",))
    choices: dict[str, str] = {}
    complaints = []
    for part in text.split("&"):
        key, equals, value = part.partition("=")
        if not equals:
            continue
        try:
            choices[unquote(key, errors="strict")] = unquote(value, errors="strict")
        except UnicodeDecodeError:
            complaints.append(f"The address's part {part[:40]!r} cannot be read.")
    run = choices.pop("run", "")
    if run and not RUN.fullmatch(run):
        complaints.append("The address names a run as none is named.")
        run = ""
    return UrlState(choices, run, tuple(complaints))


class UrlHash(Element):
    """Calls `on_state` with the URL's content at the first display and at each change by a person, on any thread.

    `choices` (short texts by key) and `run` (an id or "") are written to the URL by the first page of a window.
    `visitor`: a random id that the browser stores; `ready`: whether the browser has sent its first message.
    """

    _code = code(Path(__file__).parent / "url.js")
    choices = Dict(key_trait=Unicode(), value_trait=Unicode()).tag(sync=True)
    run = Unicode("").tag(sync=True)
    visitor = Unicode("")
    ready = Bool(False)

    def __init__(self, on_state: Callable[[UrlState], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._on_state = on_state
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        match content:
            case {"type": "address", "text": str(text), "visitor": str(visitor)} if VISITOR.fullmatch(visitor):
                if not self.ready:
                    self.visitor, self.ready = visitor, True
                self._on_state(parse_url_hash(text))
                self.send({"type": "heard"})  # the browser then writes the page's current state to the URL
