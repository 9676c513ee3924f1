"""A heartbeat between a page and its kernel."""

from pathlib import Path
from typing import Any

from kdlab.widgets.element import Element
from kdlab.widgets.esm import bundle

__all__ = ["Connection"]


class Connection(Element):
    """Lets a web page ask its kernel for an answer every few seconds.

    Without answers the browser's window gets the event `kdlab:lost`, whose `detail.reason` is "server" or "kernel";
    when answers arrive again, it gets `kdlab:found`. JupyterLab shows its own dialog.
    """

    _esm = bundle(Path(__file__).parent / "connection.js")

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(lambda *_: self.send({"type": "here"}))
