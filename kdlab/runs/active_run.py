"""A run that is queued or active, or that has ended but still has subscribers."""

import copy
import logging
import pkgutil
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from kdlab.runs.protocol import (
    ENDS,
    USER_FACING_ERRORS,
    Command,
    EventBatch,
    Execution,
    Files,
    Record,
    RunMessage,
    RunRequest,
    RunSnapshot,
    Status,
)
from kdlab.runs.run_info import RunInfo

__all__ = ["ActiveRun", "Receive", "redact"]

Receive = Callable[[RunMessage], None]

log = logging.getLogger("kdlab")
# A path in a message.
PATH = re.compile(r"(?<![\w:/])(?:/[\w.@+-]+)+/?")


class EarlyCommands:
    """Keeps the commands to a run that is about to start, in place of its execution."""

    def __init__(self) -> None:
        self.commands: list[tuple[Command, Mapping[str, float] | None]] = []

    def send_command(self, command: Command, values: Mapping[str, float] | None = None) -> None:
        """Keep a command."""
        self.commands.append((command, values))

    def kill(self) -> None:
        """Do nothing, because there is nothing to kill yet."""


@dataclass(slots=True, eq=False)
class ActiveRun:
    """The scheduler's state of a run; `run` is its id.

    `resumes`: it begins from its checkpoint.
    `finishing`: its last files are being written, and no message counts any more. `state_saved`, `result_saved`: the
    store has its state, its result. `stop_reason`: why the scheduler itself stops it, or "". `stop_requested_at`: time
    of the stop command, or 0. `working` and `paused_seconds`: seconds of training and of pauses until `counted_at`.
    """

    run: str
    request: RunRequest
    visitor: str
    record: Record
    resumes: bool = False
    paused: bool = False
    execution: "Execution | EarlyCommands" = field(default_factory=lambda: EarlyCommands())
    finishing: bool = False
    state_saved: bool = True
    result_saved: bool = False
    stop_requested_at: float = 0.0
    stop_reason: str = ""
    status: Status = field(default_factory=lambda: Status("queued"))
    subscribers: dict[int, Receive] = field(default_factory=dict)
    working: float = 0.0
    paused_seconds: float = 0.0
    counted_at: float = 0.0

    @classmethod
    def create(cls, run: str, request: RunRequest, visitor: str) -> "ActiveRun":
        """Return a new run."""
        return cls(run, request, visitor, pkgutil.resolve_name(request.record)())

    @classmethod
    def restore(cls, info: RunInfo, files: Files | None) -> "ActiveRun":
        """Return an ended run from the store; raises InputError when its files are damaged."""
        records = entry_points(group="kdlab.records")
        entry = records[info.kind if info.kind in records.names else "experiment"]
        request = RunRequest(info.kind, "", (), entry.value, object, info.label, info.page, config=info.config)
        record = entry.load().of(files) if files else entry.load()()
        status = Status(info.state, "Kept", info.message)
        working = info.seconds or 0.0
        return cls(info.run, request, info.visitor, record, result_saved=True, status=status, working=working)

    @property
    def ended(self) -> bool:
        """Whether the run has ended and its subscribers know."""
        return self.status.state in ENDS

    def subscribe(self, key: int, receive: Receive, visitor: str) -> None:
        """Add a subscriber: send it the record so far and the state, then every message."""
        # Copied, because both sides append to it; the opening event, with all images, never changes and is shared.
        opened = getattr(self.record, "opened", None)
        record = copy.deepcopy(self.record, {id(opened): opened} if opened else {})
        receive(RunSnapshot(self.run, record, self.request.kind, self.request.config, visitor == self.visitor))
        receive(self.status)
        self.subscribers[key] = receive

    def set_execution(self, execution: Execution) -> None:
        """Record what executes the run, and send it the commands that came before."""
        early, self.execution = self.execution, execution
        if isinstance(early, EarlyCommands):
            for command, values in early.commands:
                execution.send_command(command, values)

    def publish(self, message: RunMessage) -> None:
        """Record a message and send it to all subscribers."""
        if isinstance(message, EventBatch):
            for event in message.events:
                self.record.append(event)
        elif isinstance(message, Status):
            self.count_time()
            self.status, self.state_saved = message, False
        for receive in list(self.subscribers.values()):
            try:
                receive(message)
            except Exception:  # a closed page must not affect the others
                log.exception("a subscriber could not be sent a message")

    def count_time(self) -> None:
        """Add the time since the last call to the seconds of training or of pauses."""
        timestamp = time.monotonic()
        if self.status.state == "running":
            self.working += timestamp - self.counted_at
        elif self.status.state == "paused":
            self.paused_seconds += timestamp - self.counted_at
        self.counted_at = timestamp

    def stored_fields(self, status: Status | None = None) -> dict[str, Any]:
        """Return the fields that the store keeps of the run's state, or of another `status` that it is about to get."""
        self.count_time()
        status = status or self.status
        seconds = round(self.working, 1)
        return {"state": status.state, "message": status.message, "summary": self.record.summary(), "seconds": seconds}


def redact(end: Status) -> Status:
    """Return the end of a run for visitors, without paths of this machine and details of unexpected failures."""
    if end.state == "failed" and end.kind not in USER_FACING_ERRORS:
        return Status(
            "failed", "Trouble", "The run failed for a reason that the server's log tells: try another choice."
        )
    return Status(end.state, end.kind, PATH.sub("…", end.message))
