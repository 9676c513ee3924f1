"""What the list of runs tells of one run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdlab.runs.worker import State

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """A run that is kept; this stands apart from the store, so that pages can hold one without a database's library.

    `about` and `summary`: plain JSON. `created`, `ended`: seconds since 1970, UTC; `ended` None while it goes on.
    `seconds`: how long it ran. `resumable`: a checkpoint is kept.
    """

    run: str
    visitor: str
    kind: str
    label: str
    page: str
    about: Mapping[str, Any]
    state: State
    message: str
    summary: Mapping[str, Any]
    created: float
    ended: float | None
    seconds: float | None
    resumable: bool
