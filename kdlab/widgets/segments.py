"""One of a few options, side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets import List, Unicode

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Segments"]


class Segments(Element):
    """One of a few `options` (value, text), side by side and moved by the arrow keys.

    `label` names them all, `note` explains them.
    """

    _code = code(Path(__file__).parent / "segments.js")
    label = Unicode().tag(sync=True)
    note = Unicode().tag(sync=True)
    options = List().tag(sync=True)
    value = Unicode().tag(sync=True)

    def __init__(self, label: str, options: Sequence[tuple[str, str]], value: str, **traits: Any) -> None:
        super().__init__(label=label, options=[list(option) for option in options], value=value, **traits)
