"""Whether the page's kernel still answers."""

from pathlib import Path
from typing import Any

import anywidget

__all__ = ["Connection"]


class Connection(anywidget.AnyWidget):
    """Has a web page ask its kernel every few seconds whether it is there.

    When answers stay away, the browser's window gets the event `kdlab:lost`, whose `detail.reason` is "server" or
    "kernel", and when they come again `kdlab:found`. JupyterLab has a dialog of its own.
    """

    _esm = Path(__file__).parent / "connection.js"

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(lambda *_: self.send({"type": "here"}))
