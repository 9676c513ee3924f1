"""Parse the URL hash of a page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

__all__ = ["Source", "UrlState", "parse_url_hash"]

MAX_LENGTH = 4096  # characters after "#"
RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")
Source = Literal["link", "edit", "memory"]


@dataclass(frozen=True, slots=True)
class UrlState:
    """The content of a URL hash: values of choices by key, a run's id or "", and a sentence for each unusable part.

    The values are unchecked text from outside. `source`: the hash of a page that opens, a change of it by a person, or
    this browser's memory of the hash of the page that stood in the cell before.
    """

    choices: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    complaints: tuple[str, ...] = ()
    source: Source = "link"


def parse_url_hash(text: str, source: Source = "link") -> UrlState:
    """Return the content of a URL hash; parts without "=" belong to other programs and are ignored."""
    if len(text) > MAX_LENGTH:
        return UrlState(complaints=("The part of the address after # is too long to be read.",), source=source)
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
    return UrlState(choices, run, tuple(complaints), source)
