"""What happened in a run of an experiment so far."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from typing import Any, Self

import numpy as np

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.events import Advanced, Began, Concluded, Event, Noted, Planned, Progress, Watched
from kdlab.experiments.framework.report_files import to_line
from kdlab.registry import InputError

__all__ = ["Live"]


@dataclass(slots=True, eq=False)
class Live:
    """A run's events, kept as a page shows them; `watched` is of the piece at work, the last one in `begun`.

    `settings`: the experiment's, with which the run was started.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: Planned | None = None
    begun: list[Began] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    done: float = 0.0
    progress: Progress | None = None
    noted: Noted | None = None
    result: Result | None = None

    def append(self, event: Event) -> None:
        """Take in one event."""
        self.progress = None
        match event:
            case Progress():
                self.progress = event
            case Planned():
                # The beginning, or a beginning anew: a run that goes on has a plan of its own.
                self.planned, self.begun, self.watched, self.done = event, [], [], 0.0
            case Began():
                self.begun.append(event)
                if not event.kept:  # the curve of the piece before stays until there is another
                    self.watched = []
            case Watched():
                self.watched.append(event)
            case Advanced(seconds):
                self.done = seconds
            case Noted():
                self.noted = event
            case Concluded(report, arrays):
                self.result = Result(report, arrays)

    def files(self) -> dict[str, bytes]:
        """Return the course of the run and, once it concluded, its report and arrays; {} before it has a plan."""
        if self.planned is None:
            return {}
        course = {
            "planned": asdict(self.planned), "begun": [asdict(one) for one in self.begun],
            "watched": [asdict(one) for one in self.watched], "done": self.done,
        }  # fmt: skip
        kept = {"course.json": json.dumps(course).encode()}
        if self.noted:
            kept["noted.npz"] = _packed(self.noted.arrays)
        if self.result:
            kept["report.json"] = f"{to_line(self.result.report)}\n".encode()
            kept["arrays.npz"] = _packed(self.result.arrays)
        return kept

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """Return what `files` wrote; raises InputError when it is damaged."""
        live = cls()
        if not files:
            return live
        try:
            course = json.loads(files["course.json"])
            planned = course["planned"]
            live.planned = Planned(
                tuple((str(label), float(seconds)) for label, seconds in planned["pieces"]), float(planned["seconds"])
            )
            live.begun = [Began(**one) for one in course["begun"]]
            live.watched = [Watched(**one) for one in course["watched"]]
            live.done = float(course["done"])
            if "noted.npz" in files:
                live.noted = Noted(_unpacked(files["noted.npz"]))
            if "report.json" in files:
                live.result = Result(json.loads(files["report.json"]), _unpacked(files["arrays.npz"]))
        except Exception as error:  # zip, zlib, NumPy, JSON: what damage may raise has no end
            raise InputError("What is kept of this run is damaged: delete it, and run the experiment anew.") from error
        return live

    def summary(self) -> dict[str, Any]:
        """Return how far it came or, once it concluded, its claims with their verdicts."""
        if self.result:
            claims = self.result.report["claims"]
            return {
                "seconds": self.result.report["seconds"],
                "claims": [{key: one[key] for key in ("text", "measured", "verdict")} for one in claims],
            }
        pieces = len(self.planned.pieces) if self.planned else 0
        return {"pieces": pieces, "begun": len(self.begun)}


def _packed(arrays: Mapping[str, Any]) -> bytes:
    content = BytesIO()
    np.savez_compressed(content, allow_pickle=False, **dict(arrays))
    return content.getvalue()


def _unpacked(content: bytes) -> dict[str, Any]:
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
