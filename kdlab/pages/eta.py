"""How long a run will still take, from the pace of its last steps."""

import time
from collections import deque
from collections.abc import Callable

__all__ = ["Eta"]

# Long enough to smooth over an evaluation between two epochs, short enough to follow a change of load.
WINDOW = 200


class Eta:
    """Times the last steps; `reset` it when a phase begins or a pause ends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ticks: deque[tuple[float, float]] = deque(maxlen=WINDOW)

    def reset(self) -> None:
        """Forget the steps so far."""
        self._ticks.clear()

    def tick(self, step: float) -> None:
        """Record the time of `step`."""
        self._ticks.append((self._clock(), step))

    def seconds_left(self, steps: float) -> float | None:
        """Return the seconds until step `steps`, or None after fewer than two steps."""
        if len(self._ticks) < 2:
            return None
        (began, first), (_, last) = self._ticks[0], self._ticks[-1]
        pace = (self._ticks[-1][0] - began) / (last - first)
        return pace * (steps - last)
