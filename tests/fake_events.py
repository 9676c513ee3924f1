"""Generators that stand in for a training run, importable by name in the worker."""

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Unit:
    """What counts as one step."""

    value: Any


@dataclass(frozen=True)
class Note:
    """What does not."""

    value: Any


Events = Generator[Unit | Note, Any, None]


def count(total: int, label: str = "") -> Events:
    for number in range(total):
        yield Unit((label, number))


def mixed() -> Events:
    yield Note("a")
    yield Note("b")
    yield Unit(1)
    yield Note("c")
    yield Unit(2)
    yield Note("d")


def endless(label: str = "") -> Events:
    """As good as endless, but no test that fails fills the memory."""
    yield Unit(os.getpid())
    for number in range(1, 200_000):
        yield Unit((label, number))


def echo() -> Events:
    """Yields units, and behind each a note of what was sent in with it."""
    for number in range(1, 100):
        received = yield Unit(number)
        if received:
            yield Note(received)


def guarded(path: str, trouble: bool = False) -> Events:
    """Writes a file when it is closed."""
    try:
        yield from endless()
    finally:
        Path(path).write_text("closed")
        if trouble:
            raise OSError("could not clean up")


def failing(error: BaseException | None) -> Events:
    yield Unit(os.getpid())
    if error:
        raise error


def unpicklable() -> Events:
    yield Note(lambda: None)


def exiting() -> Events:
    yield Unit(os.getpid())
    os._exit(3)
