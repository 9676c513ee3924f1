"""The buttons that drive a run, and what it is doing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Dict, Float, Unicode

__all__ = ["RunPanel"]

ACTIONS = ("start", "pause", "resume", "step", "stop", "reset", "go_on")


class RunPanel(anywidget.AnyWidget):
    """Offers the buttons that `state` (a `kdlab.runs.worker.State`) allows, and calls `act` with the one pressed.

    `progress`: share of the current phase, or -1 when it cannot be told. `error`: a sentence, or empty. `words`: other
    texts on buttons, (what stands there, what it does) by name. `resumable`: whether "go_on" is offered too after a run
    that ended early; `watching`: whether the run is another person's, so that nothing that would change it is offered.
    `machine`: a sentence on the machine that runs are made on, or empty.
    """

    _esm = Path(__file__).parent / "run_panel.js"
    state = Unicode("idle").tag(sync=True)
    progress = Float(0.0).tag(sync=True)
    status = Unicode("").tag(sync=True)
    error = Unicode("").tag(sync=True)
    words = Dict().tag(sync=True)
    resumable = Bool(False).tag(sync=True)
    watching = Bool(False).tag(sync=True)
    machine = Unicode("").tag(sync=True)

    def __init__(self, act: Callable[[str], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._act = act
        self.on_msg(self._pressed)

    def _pressed(self, _: Any, content: Any, buffers: list[Any]) -> None:
        # Any browser may send anything: what is no button here is not pressed.
        match content:
            case {"type": str(action)} if action in ACTIONS:
                self._act(action)
