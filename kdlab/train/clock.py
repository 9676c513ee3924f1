"""A clock for a run's own work, without the time that the consumer of its events takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["WorkClock"]


class WorkClock:
    """Counts seconds, but not those inside `with clock.stopped():`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the clock was made, without those during which it was stopped."""
        return time.perf_counter() - self._start

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock, for example while the consumer has an event."""
        stopped_at = time.perf_counter()
        try:
            yield
        finally:
            self._start += time.perf_counter() - stopped_at
