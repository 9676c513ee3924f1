"""The current knobs of a run; events are sent through it, and changed knobs are received."""

import time
from collections.abc import Generator, Mapping

from kdlab.train.events import Event, ParamsChanged
from kdlab.train.spec import Spec, check_knobs

__all__ = ["Events", "LiveParams"]

# A driver may send changed knobs of the loss when it asks for the next event.
Events = Generator[Event, Mapping[str, float] | None, None]


class LiveParams:
    """The loss's current knobs, in `values`. All events are yielded by `emit`, which receives changed knobs.

    `consumer_seconds`: seconds between an event and the request for the next one, such as a pause.
    """

    def __init__(self, spec: Spec) -> None:
        self.loss = spec.loss
        self.values = dict(spec.knobs)
        self.consumer_seconds = 0.0

    def clock(self) -> float:
        """Return the time in seconds on a clock that stands still while the consumer has an event."""
        return time.perf_counter() - self.consumer_seconds

    def emit(self, event: Event, phase: str = "", step: int = 0) -> Events:
        """Yield the event; apply changed knobs that are sent back, and yield `ParamsChanged` for them."""
        while True:
            yielded_at = time.perf_counter()
            changes = yield event
            self.consumer_seconds += time.perf_counter() - yielded_at
            if not changes:
                return
            checked = check_knobs(self.loss, changes)
            self.values.update(checked)
            event = ParamsChanged(phase, step, checked)
