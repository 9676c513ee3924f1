"""The loss and its knobs: they are set for the next run, and change the run that goes on."""

from collections.abc import Callable, Mapping

from traitlets import Bunch, link

from kdlab.pages.distil.state import DistilState
from kdlab.registry import LOSSES
from kdlab.widgets.element import Group
from kdlab.widgets.form import EntryField, Form
from kdlab.widgets.loop import Loop
from kdlab.widgets.slider import Slider

__all__ = ["Knobs"]


class Knobs(Group):
    """A control for the loss and for each of its knobs, linked to `state`.

    `send` gets the changed knobs on the page's loop, at a limited rate, because a slider moves far more often than
    messages are useful. `is_of_run`: whether the run that goes on has a knob of this key.
    """

    def __init__(
        self,
        state: DistilState,
        loop: Loop,
        send: Callable[[Mapping[str, float]], None],
        is_of_run: Callable[[str], bool],
        fail: Callable[[Exception], None],
    ) -> None:
        self._state, self._page_loop, self._send_changes, self._is_of_run = state, loop, send, is_of_run
        self._changed: dict[str, float] = {}  # since the last message to the worker
        self._loop = Loop(self.flush, fail)
        knobs = [knob for entry in LOSSES.values() for knob in entry.knobs]
        self.sliders = {knob.key: Slider(knob, getattr(state, knob.key)) for knob in knobs}
        self.loss = Form(state, {"loss": EntryField(LOSSES, "Loss")})
        self.loss.hidden = len(LOSSES) < 2
        super().__init__("kd-knobs", self.loss, *self.sliders.values())
        for key, control in self.sliders.items():
            link((state, key), (control, "value"))
        state.observe(lambda change: loop.post(self._note, change), list(self.sliders))
        state.observe(lambda _: loop.post(self._offer), "loss")
        self._offer()

    def set(self, values: Mapping[str, float]) -> None:
        """Set knobs without changing the run."""
        for key, value in values.items():
            setattr(self._state, key, float(value))
        self.forget()

    def forget(self) -> None:
        """Do not send the changes that were made just now."""
        self._page_loop.post(self._changed.clear)

    def flush(self) -> None:
        """Send the changes."""
        changes, self._changed = self._changed, {}
        if changes:
            self._send_changes(changes)

    def _note(self, change: Bunch) -> None:
        """Note a change for the run, if its loss has the knob: another loss may have been chosen for the next run."""
        if self._is_of_run(change.name):
            self._changed[change.name] = change.new
            self._loop.request()

    def _offer(self) -> None:
        offered = self._state.knobs()
        for key, slider in self.sliders.items():
            slider.hidden = key not in offered
