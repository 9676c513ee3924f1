"""The one vocabulary of runs: requests, commands, messages, and the interfaces of executors and records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from kdlab.live_params import LiveParams
from kdlab.runs.limits import Limits

__all__ = [
    "CLOSED",
    "ENDS",
    "USER_FACING_ERRORS",
    "Command",
    "EventBatch",
    "Execution",
    "Executor",
    "Files",
    "Record",
    "RunContext",
    "RunMessage",
    "RunRequest",
    "RunSnapshot",
    "RunWarning",
    "State",
    "Status",
    "WorkerMessage",
]

State = Literal["idle", "queued", "starting", "running", "paused", "stopped", "done", "failed", "interrupted"]
ENDS = ("stopped", "done", "failed", "interrupted")
# What a visitor may do to a run; "set_params" alone has values. To step is to run one more unit and then to pause.
Command = Literal["pause", "resume", "step", "stop", "set_params"]
CLOSED = "kdlab is being closed: open it again, and start the run then."
# Kinds of failures whose messages are written for people.
USER_FACING_ERRORS = ("InputError", "UnknownNameError", "Diverged", "WorkerDied", "PoolLost", "BrokenDownloadError")
# Contents of files by name.
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Something to run: `target`, a generator function as "module:name", which a worker calls.

    The call is `target(context, *arguments)` with a `RunContext`. An event with `files` and `final` is saved, not
    recorded. `record`: the class, as "module:name", that records the events. `step_type`: the type of event that counts
    as one step. `page`: the stem of the notebook that shows such a run. `limits_input`: what `Limits.check` checks
    before the run is queued. `config`: the spec or settings as plain JSON.
    """

    kind: str
    target: str
    arguments: tuple[Any, ...]
    record: str
    step_type: type
    label: str
    page: str
    limits_input: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a target gets besides its arguments: parameters that change meanwhile, limits, files to resume from."""

    params: LiveParams = field(default_factory=LiveParams)
    limits: Limits = field(default_factory=Limits)
    checkpoint: Files | None = None


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of a run, in their order: many steps come together."""

    events: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The run has a new state; for a failure, `kind` is the exception's class and `message` its text."""

    state: State
    kind: str = ""
    message: str = ""


WorkerMessage = EventBatch | Status


@dataclass(frozen=True, slots=True, eq=False)
class RunSnapshot:
    """The first message to a subscriber: the run's id, its record so far and its settings.

    `mine`: whether this subscriber's visitor may pause, stop and delete it.
    """

    run: str
    record: Any
    kind: str
    config: Mapping[str, Any]
    mine: bool


@dataclass(frozen=True, slots=True)
class RunWarning:
    """A warning about a run, which continues."""

    text: str


# A message to a subscriber.
RunMessage = WorkerMessage | RunSnapshot | RunWarning


class Record(Protocol):
    """The record of a run."""

    def append(self, event: Any) -> None:
        """Add one event."""

    def files(self) -> dict[str, bytes]:
        """Return it as contents of files by name; {} while there is nothing to save."""

    @classmethod
    def of(cls, files: Files) -> "Record":
        """Return the record from the files of `files`; raises InputError when they are damaged."""

    def summary(self) -> dict[str, Any]:
        """Return the summary for a list of runs: numbers and strings in plain JSON."""


class Execution(Protocol):
    """One run where it is executed, the source of its events: a worker process, a task of a cluster, or a page."""

    def send_command(self, command: Command, values: Mapping[str, float] | None = None) -> None:
        """Send a command without waiting for its effect; commands after the end are ignored."""

    def kill(self) -> None:
        """End what executes the run, for one that does not stop; the run ends as failed."""


class Executor(Protocol):
    """Starts executions, at most `slots` at once."""

    @property
    def slots(self) -> int:
        """How many runs it can execute at once."""

    def start(
        self,
        request: RunRequest,
        limits: Limits,
        checkpoint: Files | None,
        paused: bool,
        receive: Callable[[WorkerMessage], None],
    ) -> Execution:
        """Begin a run without waiting for it.

        `receive` gets its messages in order, on another thread, up to a status of `ENDS`; it may block, and the run
        waits then.
        """

    def close(self) -> None:
        """End all executions and their processes."""
