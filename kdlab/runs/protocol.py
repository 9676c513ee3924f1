"""What a desk is asked to run, who runs it, and what a page hears when it finds a run again."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kdlab.runs.worker import Message

__all__ = ["Attached", "Engine", "Files", "Hearing", "Job", "Notice", "Record", "begin"]

# Contents of files by name.
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Job:
    """Something to run: `target`, a generator function as "module:name", is called with `arguments` by a worker.

    `record`: the class, as "module:name", that takes in the events. `unit`: the type of event that is one step.
    `page`: the notebook's stem that shows such a run. `asks`: what limits look at, such as the data set and the epochs.
    `about`: the spec or settings as plain JSON.
    """

    kind: str
    target: str
    arguments: tuple[Any, ...]
    record: str
    unit: type
    label: str
    page: str
    asks: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


class Record(Protocol):
    """What happened in a run so far."""

    def append(self, event: Any) -> None:
        """Take in one event."""

    def files(self) -> dict[str, bytes]:
        """Return it as contents of files by name; {} while there is nothing to keep."""

    @classmethod
    def of(cls, files: Files) -> "Record":
        """Return the record that `files` wrote; raises InputError when they are damaged."""

    def summary(self) -> dict[str, Any]:
        """Return what a list of runs shows: numbers and strings in plain JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """A page has found a run, or begun one: its id, what happened so far and what was asked for.

    `mine`: whether this page's visitor may pause, stop and delete it.
    """

    run: str
    record: Any
    kind: str
    about: Mapping[str, Any]
    mine: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a page must say of its run, which goes on all the same."""

    text: str


# What a page hears of its run.
Hearing = Message | Attached | Notice


class Engine(Protocol):
    """Runs jobs in processes of their own; `slots` at once."""

    @property
    def slots(self) -> int:
        """How many runs it takes at once."""

    def start(
        self, run: str, job: Job, paused: bool, checkpoint: Files | None, receive: Callable[[Message], None]
    ) -> None:
        """Begin a run; `receive` gets its messages, from whatever thread, up to one whose state is an end.

        The target is called with the job's arguments, and with `checkpoint=` where there is one to go on from.
        """

    def tell(self, run: str, command: str, value: Any = None) -> None:
        """Send a command of `kdlab.runs.worker` to a run: pause, resume, step, stop, or turn with values."""

    def kill(self, run: str) -> None:
        """End the process that a run is in, because it does not stop; the run ends as one whose worker died."""

    def close(self) -> None:
        """End all runs and their processes."""


def begin(target: str, arguments: tuple[Any, ...], checkpoint: Files | None) -> Any:
    """Return the generator that a worker runs: the target's, from the start or from a checkpoint."""
    function = pkgutil.resolve_name(target)
    return function(*arguments, checkpoint=checkpoint) if checkpoint else function(*arguments)
