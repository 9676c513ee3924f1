"""The buttons that control a run, and its status."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Float, Unicode

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["RunPanel"]

ACTIONS = ("start", "pause", "resume", "step", "stop", "reset", "go_on")


class RunPanel(Element):
    """Offers the buttons that `state` (a `kdlab.runs.worker.State`) allows, and calls `act` with the pressed one.

    `progress`: share of the current phase, or -1 when unknown. `error`: a sentence, or "". `button_texts`: (label,
    tooltip) by action, in place of the usual ones. `resumable`: whether "go_on" is offered after a run that ended
    early. `watching`: whether the run belongs to another person, so that no button that changes it is offered.
    `machine`: a sentence on the machine that trains, or "".
    """

    _code = code(Path(__file__).parent / "run_panel.js")
    state = Unicode("idle").tag(sync=True)
    progress = Float(0.0).tag(sync=True)
    status = Unicode("").tag(sync=True)
    error = Unicode("").tag(sync=True)
    button_texts = Dict().tag(sync=True)
    resumable = Bool(False).tag(sync=True)
    watching = Bool(False).tag(sync=True)
    machine = Unicode("").tag(sync=True)

    def __init__(self, act: Callable[[str], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._act = act
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: Any, buffers: list[Any]) -> None:
        # A browser may send anything: ignore unknown actions.
        match content:
            case {"type": str(action)} if action in ACTIONS:
                self._act(action)
