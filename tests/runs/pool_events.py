"""Generators for a pool's workers beside those of `fake_events`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fake_events import Unit

from kdlab.live_params import LiveParams
from kdlab.train.events import Saved


def environment(live: LiveParams | None = None) -> Iterator[Unit]:
    """What a worker's process is like."""
    yield Unit({"nice": os.nice(0), "folder": str(Path.cwd())} | {key: os.environ.get(key) for key in VARIABLES})


VARIABLES = ("GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def saving(size: int, live: LiveParams | None = None) -> Iterator[Any]:
    yield Unit(0)
    for number in range(4):
        yield Saved({"weights": bytes([number]) * size}, number == 3)


def going_on(first: int, checkpoint: dict[str, bytes] | None = None, live: LiveParams | None = None) -> Iterator[Unit]:
    yield Unit((first, checkpoint and {name: len(content) for name, content in checkpoint.items()}))


def measured(path: str, live: LiveParams | None = None) -> Iterator[Unit]:
    """Keeps a note of how far it has come, whoever hears of it."""
    with Path(path).open("w") as note:
        for number in range(1_000_000):
            note.seek(0)
            note.write(str(number))
            note.flush()
            yield Unit(bytes(1000))


def hoarding(live: LiveParams | None = None) -> Iterator[Unit]:
    """Takes more and more memory."""
    taken = []
    for number in range(100_000):
        taken.append(os.urandom(1_000_000))
        yield Unit(number)


def once(path: str, live: LiveParams | None = None) -> Iterator[Unit]:
    """Leaves a line for each time that it is begun."""
    with Path(path).open("a") as notes:
        notes.write(f"{os.getpid()}\n")
    yield Unit(os.getpid())
    while True:
        yield Unit("on")
