"""One entry of the list of runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdlab.runs.protocol import State

__all__ = ["RunInfo"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A stored run.

    `config` and `summary`: plain JSON. `created`, `ended`: seconds since 1970, UTC; `ended` is None for an active run.
    `seconds`: its training time. `resumable`: a checkpoint exists.
    """

    run: str
    visitor: str
    kind: str
    label: str
    page: str
    config: Mapping[str, Any]
    state: State
    message: str
    summary: Mapping[str, Any]
    created: float
    ended: float | None
    seconds: float | None
    resumable: bool
