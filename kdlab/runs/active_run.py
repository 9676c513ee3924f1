"""A run that is queued or active, or that has ended but still has watchers."""

import copy
import logging
import pkgutil
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from kdlab.runs.protocol import Files, Record, RunMessage, RunRequest, RunSnapshot
from kdlab.runs.worker import ENDS, Happened, Status

if TYPE_CHECKING:
    from kdlab.runs.run_info import RunInfo

__all__ = ["ActiveRun", "redact"]

Receive = Callable[[RunMessage], None]

# Kinds of failures whose messages are written for people.
USER_FACING_ERRORS = ("InputError", "UnknownNameError", "Diverged", "WorkerDied", "PoolLost", "BrokenDownloadError")
log = logging.getLogger("kdlab")
# A path in a message.
PATH = re.compile(r"(?<![\w:/])(?:/[\w.@+-]+)+/?")


@dataclass(frozen=True, slots=True)
class Watcher:
    """A subscriber to a run; `mine`: the subscriber owns the run."""

    receive: Receive
    mine: bool


@dataclass(slots=True, eq=False)
class ActiveRun:
    """The desk's state of a run; `stopped_because`: the reason why the desk itself stops it, or "".

    `goes_on`: it resumes from a checkpoint. `saving`: files wait to be written. `noted`: the store has its state.
    `stop_asked`: time of the stop command, or 0. `working` and `held`: seconds of training and of pauses until `since`.
    """

    run: str
    job: RunRequest
    visitor: str
    record: Record
    goes_on: bool = False
    paused: bool = False
    saving: bool = False
    noted: bool = True
    stop_asked: float = 0.0
    status: Status = field(default_factory=lambda: Status("queued"))
    watchers: dict[int, "Watcher"] = field(default_factory=dict)
    kept: bool = False
    stopped_because: str = ""
    working: float = 0.0
    held: float = 0.0
    since: float = 0.0

    @classmethod
    def of(cls, run: str, job: RunRequest, visitor: str) -> "ActiveRun":
        """Return a new run."""
        return cls(run, job, visitor, pkgutil.resolve_name(job.record)())

    @classmethod
    def kept_as(cls, row: "RunInfo", files: Files | None) -> "ActiveRun":
        """Return an ended run from the store; raises InputError when its files are damaged."""
        records = entry_points(group="kdlab.records")
        entry = records[row.kind if row.kind in records.names else "experiment"]
        job = RunRequest(row.kind, "", (), entry.value, object, row.label, row.page, about=row.about)
        record = entry.load().of(files) if files else entry.load()()
        status = Status(row.state, "Kept", row.message)
        return cls(row.run, job, row.visitor, record, status=status, kept=True, working=row.seconds or 0.0)

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.status.state in ENDS

    def watch(self, key: int, receive: Receive, visitor: str) -> None:
        """Subscribe `receive`: send the record so far, then every message."""
        self.watchers[key] = Watcher(receive, visitor == self.visitor)
        self.introduce(self.watchers[key])
        receive(self.status)

    def introduce(self, watcher: "Watcher") -> None:
        """Send a watcher the record so far."""
        # Copied, because both sides append to it; the opening event, with all images, never changes and is shared.
        opened = getattr(self.record, "opened", None)
        record = copy.deepcopy(self.record, {id(opened): opened} if opened else {})
        watcher.receive(RunSnapshot(self.run, record, self.job.kind, self.job.about, watcher.mine))

    def tell(self, message: RunMessage) -> None:
        """Record a message and send it to all watchers."""
        if isinstance(message, Happened):
            self.record.append(message.event)
        elif isinstance(message, Status):
            self.count()
            self.status = message
        for watcher in list(self.watchers.values()):
            try:
                watcher.receive(message)
            except Exception:  # a closed page must not affect the others
                log.exception("a page could not be told")

    def count(self) -> None:
        """Add the time since the last call to the seconds of training or of pauses."""
        timestamp = time.monotonic()
        if self.status.state == "running":
            self.working += timestamp - self.since
        elif self.status.state == "paused":
            self.held += timestamp - self.since
        self.since = timestamp

    def facts(self) -> dict[str, Any]:
        """Return the fields that the store records besides the state."""
        self.count()
        return {"summary": self.record.summary(), "seconds": round(self.working, 1)}


def redact(end: Status) -> Status:
    """Return the end of a run for visitors, without paths of this machine and details of unexpected failures."""
    if end.state == "failed" and end.kind not in USER_FACING_ERRORS:
        return Status(
            "failed", "Trouble", "The run failed for a reason that the server's log tells: try another choice."
        )
    return Status(end.state, end.kind, PATH.sub("…", end.message))
