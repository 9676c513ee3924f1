"""A run that is queued or going on, or has ended while somebody still looks at it."""

import copy
import logging
import pkgutil
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from kdlab.runs.protocol import Attached, Files, Hearing, Job, Record
from kdlab.runs.worker import ENDS, Happened, Status

if TYPE_CHECKING:
    from kdlab.runs.store import Row

__all__ = ["LiveRun", "discreet"]

Receive = Callable[[Hearing], None]


# Ends whose message is meant for people; and what looks like a file's place.
PLAIN = ("InputError", "UnknownNameError", "Diverged", "WorkerDied", "PoolLost", "BrokenDownloadError")
log = logging.getLogger("kdlab")
PATH = re.compile(r"(?<![\w:/])(?:/[\w.@+-]+)+/?")


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who looks at a run; `mine`: it is the one whose run it is."""

    receive: Receive
    mine: bool


@dataclass(slots=True, eq=False)
class LiveRun:
    """What a desk knows of a run; `stopped_because`: why the desk itself ends it, if it does.

    `goes_on`: from a checkpoint. `saving`: a file to keep is on its way. `noted`: the store knows its state.
    `stop_asked`: when it was told to stop. `working` and `held`: seconds that it trained and that it was paused, up to
    `since`.
    """

    run: str
    job: Job
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
    def of(cls, run: str, job: Job, visitor: str) -> "LiveRun":
        """Return a run that has just been asked for."""
        return cls(run, job, visitor, pkgutil.resolve_name(job.record)())

    @classmethod
    def kept_as(cls, row: "Row", files: Files | None) -> "LiveRun":
        """Return a run that has ended, as the store has it; raises InputError when its files are damaged."""
        records = entry_points(group="kdlab.records")
        entry = records[row.kind if row.kind in records.names else "experiment"]
        job = Job(row.kind, "", (), entry.value, object, row.label, row.page, about=row.about)
        record = entry.load().of(files) if files else entry.load()()
        status = Status(row.state, "Kept", row.message)
        return cls(row.run, job, row.visitor, record, status=status, kept=True, working=row.seconds or 0.0)

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status.state in ENDS

    def watch(self, key: int, receive: Receive, visitor: str) -> None:
        """Tell `receive` what happened so far, and from now on all that happens."""
        self.watchers[key] = Watcher(receive, visitor == self.visitor)
        self.introduce(self.watchers[key])
        receive(self.status)

    def introduce(self, watcher: "Watcher") -> None:
        """Tell a watcher what happened so far."""
        # A copy, because what is appended here is appended there too; but of the images, which stay as they are.
        opened = getattr(self.record, "opened", None)
        record = copy.deepcopy(self.record, {id(opened): opened} if opened else {})
        watcher.receive(Attached(self.run, record, self.job.kind, self.job.about, watcher.mine))

    def tell(self, message: Hearing) -> None:
        """Record a message and pass it on to all who watch."""
        if isinstance(message, Happened):
            self.record.append(message.event)
        elif isinstance(message, Status):
            self.count()
            self.status = message
        for watcher in list(self.watchers.values()):
            try:
                watcher.receive(message)
            except Exception:  # a page that is gone is no trouble for the others
                log.exception("a page could not be told")

    def count(self) -> None:
        """Add the time since the last call to what the run has used."""
        now = time.monotonic()
        if self.status.state == "running":
            self.working += now - self.since
        elif self.status.state == "paused":
            self.held += now - self.since
        self.since = now

    def facts(self) -> dict[str, Any]:
        """Return what the store notes of it besides its state."""
        self.count()
        return {"summary": self.record.summary(), "seconds": round(self.working, 1)}


def discreet(end: Status) -> Status:
    """Return what visitors may read of a run's end: no path of this machine, and of an unforeseen failure nothing."""
    if end.state == "failed" and end.kind not in PLAIN:
        return Status(
            "failed", "Trouble", "The run failed for a reason that the server's log tells: try another choice."
        )
    return Status(end.state, end.kind, PATH.sub("…", end.message))
