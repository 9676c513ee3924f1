"""Generators for a pool's workers beside those of `fake_events`."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from fake_events import Unit

from kdlab.train.events import Saved


def environment() -> Generator[Unit, Any, None]:
    """What a worker's process is like."""
    yield Unit({"nice": os.nice(0), "folder": str(Path.cwd())} | {key: os.environ.get(key) for key in VARIABLES})


VARIABLES = ("GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def saving(size: int) -> Generator[Any, Any, None]:
    yield Unit(0)
    for number in range(4):
        yield Saved({"weights": bytes([number]) * size}, number == 3)


def going_on(first: int, checkpoint: dict[str, bytes] | None = None) -> Generator[Unit, Any, None]:
    yield Unit((first, checkpoint and {name: len(content) for name, content in checkpoint.items()}))


def measured(path: str) -> Generator[Unit, Any, None]:
    """Keeps a note of how far it has come, whoever hears of it."""
    with Path(path).open("w") as note:
        for number in range(1_000_000):
            note.seek(0)
            note.write(str(number))
            note.flush()
            yield Unit(bytes(1000))


def hoarding() -> Generator[Unit, Any, None]:
    """Takes more and more memory."""
    taken = []
    for number in range(100_000):
        taken.append(os.urandom(1_000_000))
        yield Unit(number)


def once(path: str) -> Generator[Unit, Any, None]:
    """Leaves a line for each time that it is begun."""
    with Path(path).open("a") as notes:
        notes.write(f"{os.getpid()}\n")
    yield Unit(os.getpid())
    while True:
        yield Unit("on")
