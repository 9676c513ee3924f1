"""A subscriber to runs of made-up events."""

import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_events import Unit

from kdlab.runs.connection import ServerConnection
from kdlab.runs.protocol import EventBatch, RunMessage, RunRequest, RunSnapshot, RunWarning, Status
from kdlab.runs.server import RunServer


def tally(target: str, *arguments: Any, **limits_input: Any) -> RunRequest:
    return RunRequest(
        "tally", f"fake_events:{target}", arguments, "fake_events:Tally", Unit, "A tally", "distil", limits_input
    )


class Receiver:
    """Receives the messages of one run."""

    def __init__(self) -> None:
        self.messages: list[RunMessage] = []
        self._queue: queue.SimpleQueue[RunMessage] = queue.SimpleQueue()

    def __call__(self, message: RunMessage) -> None:
        self._queue.put(message)

    def until(self, condition: Callable[[RunMessage], Any]) -> RunMessage:
        while True:
            self.messages.append(message := self._queue.get(timeout=60))
            if condition(message):
                return message

    def state(self, *states: str) -> Status:
        status = self.until(lambda message: isinstance(message, Status) and message.state in states)
        assert isinstance(status, Status)
        return status

    def warning(self) -> str:
        warning = self.until(lambda message: isinstance(message, RunWarning))
        assert isinstance(warning, RunWarning)
        return warning.text

    def value(self, condition: Callable[[Any], Any] = lambda _: True) -> Any:
        """Return the first value that fulfils the condition of a batch that is not received yet."""
        batch = self.until(
            lambda message: isinstance(message, EventBatch) and any(condition(event.value) for event in message.events)
        )
        return next(event.value for event in batch.events if condition(event.value))

    def values(self) -> list[Any]:
        batches = [message for message in self.messages if isinstance(message, EventBatch)]
        return [event.value for batch in batches for event in batch.events]


def register_tally(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs of the kind "tally" have their record, as an installed package would."""
    metadata = folder / "site" / "tally-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tally\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[kdlab.records]\ntally = fake_events:Tally\n")
    monkeypatch.syspath_prepend(metadata.parent)


def subscribed(server: RunServer | ServerConnection, run: str, visitor: str = "") -> tuple[Receiver, RunSnapshot]:
    receiver = Receiver()
    server.subscribe(run, receiver, visitor)
    snapshot = receiver.until(lambda message: isinstance(message, RunSnapshot))
    assert isinstance(snapshot, RunSnapshot)
    return receiver, snapshot
