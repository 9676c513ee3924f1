"""The knobs of a run while it goes on: how events go out, turned knobs come in, and seconds are counted."""

import time
from collections.abc import Generator, Mapping

from kdlab.train.events import Event, KnobsTurned
from kdlab.train.spec import Spec, check_knobs

__all__ = ["Events", "LiveKnobs"]

# What a driver may send in while it asks for the next event: objective knobs that were turned.
Events = Generator[Event, Mapping[str, float] | None, None]


class LiveKnobs:
    """The objective's knobs as they are now, and the one way in which events go out and turned knobs come in.

    `waited`: seconds that whoever takes the events took before asking for the next one, as in a pause.
    """

    def __init__(self, spec: Spec) -> None:
        self.objective = spec.objective
        self.values = dict(spec.knobs)
        self.waited = 0.0

    def clock(self) -> float:
        """Return seconds that go by only while the run itself works."""
        return time.perf_counter() - self.waited

    def emit(self, event: Event, phase: str = "", step: int = 0) -> Events:
        """Yield the event; report each set of turned knobs that comes back as an event too."""
        while True:
            asked = time.perf_counter()
            turned = yield event
            self.waited += time.perf_counter() - asked
            if not turned:
                return
            changed = check_knobs(self.objective, turned)
            self.values.update(changed)
            event = KnobsTurned(phase, step, changed)
