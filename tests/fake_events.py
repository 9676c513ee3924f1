"""Generators that stand in for a training run, importable by name in the worker."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kdlab.runs.protocol import RunContext


@dataclass(frozen=True)
class Unit:
    """What counts as one step."""

    value: Any


@dataclass(frozen=True)
class Note:
    """What does not."""

    value: Any


Events = Iterator[Unit | Note]


def count(_: RunContext, total: int, label: str = "") -> Events:
    for number in range(total):
        yield Unit((label, number))


def mixed(_: RunContext) -> Events:
    yield Note("a")
    yield Note("b")
    yield Unit(1)
    yield Note("c")
    yield Unit(2)
    yield Note("d")


def endless(_: RunContext, label: str = "") -> Events:
    """As good as endless, but no test that fails fills the memory."""
    yield Unit(os.getpid())
    for number in range(1, 5_000_000):
        yield Unit((label, number))


def echo(context: RunContext) -> Events:
    """Yields units, and before each a note of the parameters that were set."""
    for number in range(1, 100):
        if changes := context.params.take():
            yield Note(changes)
        yield Unit(number)


def guarded(_: RunContext, path: str, trouble: bool = False) -> Events:
    """Writes a file when it is closed."""
    try:
        yield from endless(_)
    finally:
        Path(path).write_text("closed")
        if trouble:
            raise OSError("could not clean up")


def failing(_: RunContext, error: BaseException | None) -> Events:
    yield Unit(os.getpid())
    if error:
        raise error


def diverging(_: RunContext) -> Events:
    """Many steps at once, and then the end."""
    yield from count(_, 20)
    raise ValueError("diverged")


def unpicklable(_: RunContext) -> Events:
    yield Note(lambda: None)


def hanging(_: RunContext) -> Events:
    yield Unit(os.getpid())
    while True:
        time.sleep(1)


def awkward(_: RunContext) -> Events:
    """Something that no record of ours can take."""
    yield None  # type: ignore[misc]
    yield from endless(_)


def exiting(_: RunContext) -> Events:
    yield Unit(os.getpid())
    os._exit(3)


@dataclass(frozen=True)
class Saved:
    """Files to keep."""

    files: Mapping[str, bytes]
    final: bool


class Tally:
    """What a server records of such a run: the values of its units."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def append(self, event: Any) -> None:
        self.values.append(event.value)

    def files(self) -> dict[str, bytes]:
        return {"values.json": json.dumps(self.values).encode()} if self.values else {}

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        tally = cls()
        tally.values = json.loads(files["values.json"])
        return tally

    def summary(self) -> dict[str, Any]:
        return {"units": len(self.values)}


def saving(context: RunContext, total: int) -> Iterator[Unit | Saved]:
    """Counts, keeps how far it came, and goes on from there."""
    begun = int(context.checkpoint["at.txt"]) if context.checkpoint else 0
    for number in range(begun + 1, total + 1):
        yield Unit(number)
        yield Saved({"at.txt": str(number).encode()}, final=False)
    yield Saved({"values.json": b'["finished"]'}, final=True)


class Unsummarized(Tally):
    """A record that cannot be summarized."""

    def summary(self) -> dict[str, Any]:
        raise ArithmeticError("no summary")


class Unwritable(Tally):
    """A record that cannot be written."""

    def files(self) -> dict[str, bytes]:
        raise ArithmeticError("no files")
