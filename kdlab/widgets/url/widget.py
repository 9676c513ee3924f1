"""The page's address, read and written, and who is looking."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anywidget
from traitlets import Bool, Dict, Unicode

from kdlab.widgets.esm import bundle

__all__ = ["Address", "Said", "read"]

MOST = 4096  # characters after "#" that are read
RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")
VISITOR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Said:
    """What an address says: values of choices by key, a run's id or "", and a sentence for each part that says nothing.

    Values are text from outside: nobody has checked them.
    """

    choices: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    complaints: tuple[str, ...] = ()


def read(text: str) -> Said:
    """Return what the part of an address after "#" says; what is no key=value is of others, and left alone."""
    if len(text) > MOST:
        return Said(complaints=("The part of the address after # is too long to be read.",))
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
    return Said(choices, run, tuple(complaints))


class Address(anywidget.AnyWidget):
    """Tells `hear` what the address says: once it is shown, and whenever a person changes it, from whatever thread.

    `choices` (short texts by key) and `run` (an id or "") are written to the address, whose holder is the first page of
    a window. `visitor`: a random id that the browser keeps; `ready`: whether the browser has spoken.
    """

    _esm = bundle(Path(__file__).parent / "url.js")
    choices = Dict(key_trait=Unicode(), value_trait=Unicode()).tag(sync=True)
    run = Unicode("").tag(sync=True)
    visitor = Unicode("")
    ready = Bool(False)

    def __init__(self, hear: Callable[[Said], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._hear = hear
        self.on_msg(self._told)

    def _told(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        match content:
            case {"type": "address", "text": str(text), "visitor": str(visitor)} if VISITOR.fullmatch(visitor):
                if not self.ready:
                    self.visitor, self.ready = visitor, True
                self._hear(read(text))
                self.send({"type": "heard"})  # and the address is put as the page now has it
