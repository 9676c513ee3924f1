"""Jobs for a desk, the interface of its engines, and the messages to pages."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kdlab.live_params import LiveParams
from kdlab.runs.worker import Message

__all__ = ["Attached", "Engine", "Files", "Hearing", "Job", "Notice", "Record", "begin"]

# Contents of files by name.
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Job:
    """Something to run: `target`, a generator function as "module:name", is called with `arguments` by a worker.

    `record`: the class, as "module:name", that records the events. `unit`: the type of event that counts as one step.
    `page`: the stem of the notebook that shows such a run. `asks`: values that limits check, such as the data set and
    the epochs. `about`: the spec or settings as plain JSON.
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


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """The first message to a page about a run: its id, the record so far and the settings.

    `mine`: whether this page's visitor may pause, stop and delete it.
    """

    run: str
    record: Any
    kind: str
    about: Mapping[str, Any]
    mine: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning about a run, which continues."""

    text: str


# A message to a page about its run.
Hearing = Message | Attached | Notice


class Engine(Protocol):
    """Runs jobs in separate processes, at most `slots` at once."""

    @property
    def slots(self) -> int:
        """How many runs it can execute at once."""

    def start(
        self, run: str, job: Job, paused: bool, checkpoint: Files | None, receive: Callable[[Message], None]
    ) -> None:
        """Begin a run; `receive` gets its messages, on any thread, up to a final state.

        The target is called with the job's arguments and `live=`, and with `checkpoint=` where it resumes from one.
        """

    def tell(self, run: str, command: str, value: Any = None) -> None:
        """Send a command of `kdlab.runs.worker` to a run: pause, resume, step, stop, or turn with values."""

    def kill(self, run: str) -> None:
        """Kill the process of a run that does not stop; the run ends as one whose worker died."""

    def close(self) -> None:
        """End all runs and their processes."""


def begin(target: str, arguments: tuple[Any, ...], checkpoint: Files | None, *, live: LiveParams) -> Any:
    """Return the target's generator, from the start or from a checkpoint."""
    function = pkgutil.resolve_name(target)
    return function(*arguments, live=live, **({"checkpoint": checkpoint} if checkpoint else {}))
