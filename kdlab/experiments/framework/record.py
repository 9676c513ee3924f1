"""The record of a run of an experiment: its events so far."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from kdlab.array_file import pack_npz, unpack_npz
from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.events import (
    Event,
    ExperimentFinished,
    ExperimentPlanned,
    JobStarted,
    JobValidated,
    PlanAdvanced,
    PreviewReady,
    Progress,
)
from kdlab.experiments.framework.report_files import to_line
from kdlab.registry import InputError

__all__ = ["ExperimentRecord"]


@dataclass(slots=True, eq=False)
class ExperimentRecord:
    """A run's events, as a page shows them; `watched` is of the current job, the last one in `begun`.

    `settings`: the experiment's, with which the run was started.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: ExperimentPlanned | None = None
    begun: list[JobStarted] = field(default_factory=list)
    watched: list[JobValidated] = field(default_factory=list)
    done: float = 0.0
    progress: Progress | None = None
    preview: PreviewReady | None = None
    result: Result | None = None

    def append(self, event: Event) -> None:
        """Record one event."""
        self.progress = None
        match event:
            case Progress():
                self.progress = event
            case ExperimentPlanned():
                # The start, or a restart: a run that is resumed has a plan of its own.
                self.planned, self.begun, self.watched, self.done = event, [], [], 0.0
            case JobStarted():
                self.begun.append(event)
                if not event.kept:  # the curve of the previous job stays until there is another
                    self.watched = []
            case JobValidated():
                self.watched.append(event)
            case PlanAdvanced(seconds):
                self.done = seconds
            case PreviewReady():
                self.preview = event
            case ExperimentFinished(report, arrays):
                self.result = Result(report, arrays)

    def files(self) -> dict[str, bytes]:
        """Return the progress of the run and, once it is finished, its report and arrays; {} before it has a plan."""
        if self.planned is None:
            return {}
        progress = {
            "planned": asdict(self.planned), "begun": [asdict(event) for event in self.begun],
            "watched": [asdict(event) for event in self.watched], "done": self.done,
        }  # fmt: skip
        contents = {"course.json": json.dumps(progress).encode()}
        if self.preview:
            contents["noted.npz"] = pack_npz(self.preview.arrays)
        if self.result:
            contents["report.json"] = f"{to_line(self.result.report)}\n".encode()
            contents["arrays.npz"] = pack_npz(self.result.arrays)
        return contents

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """Return the record that `files` wrote; raises InputError when it is damaged."""
        record = cls()
        if not files:
            return record
        try:
            progress = json.loads(files["course.json"])
            planned = progress["planned"]
            record.planned = ExperimentPlanned(
                tuple((str(label), float(seconds)) for label, seconds in planned["pieces"]), float(planned["seconds"])
            )
            record.begun = [JobStarted(**event) for event in progress["begun"]]
            record.watched = [JobValidated(**event) for event in progress["watched"]]
            record.done = float(progress["done"])
            if "noted.npz" in files:
                record.preview = PreviewReady(unpack_npz(files["noted.npz"]))
            if "report.json" in files:
                record.result = Result(json.loads(files["report.json"]), unpack_npz(files["arrays.npz"]))
        except Exception as error:  # zip, zlib, NumPy, JSON: any exception may mean a corrupt file
            raise InputError("What is kept of this run is damaged: delete it, and run the experiment anew.") from error
        return record

    def summary(self) -> dict[str, Any]:
        """Return its progress or, once it is finished, its claims with their verdicts."""
        if self.result:
            claims = self.result.report["claims"]
            return {
                "seconds": self.result.report["seconds"],
                "claims": [{key: claim[key] for key in ("text", "measured", "verdict")} for claim in claims],
            }
        job_count = len(self.planned.pieces) if self.planned else 0
        return {"pieces": job_count, "begun": len(self.begun)}
