"""How long training takes, without its looks at the test images."""

from collections.abc import Iterator
from time import perf_counter

from kdlab.train.events import Event, Phase, Step

__all__ = ["seconds_per_epoch"]


def seconds_per_epoch(events: Iterator[Event]) -> list[float]:
    """Drive `train` to its end; return the seconds of each epoch, the first with what it takes to begin."""
    clock = perf_counter()
    seconds, steps = [0.0], 1
    for event in events:
        now = perf_counter()
        if isinstance(event, Phase):
            steps, seconds = event.steps_per_epoch, [now - clock] + [0.0] * (event.steps // event.steps_per_epoch - 1)
        elif isinstance(event, Step):
            seconds[(event.step - 1) // steps] += now - clock
        clock = perf_counter()
    return seconds
