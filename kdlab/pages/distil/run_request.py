"""Requests for runs of the page "Distil", from its choices and a teacher's file."""

from kdlab.distillation.request import distill_request
from kdlab.registry import InputError
from kdlab.runs.client import shown_limits
from kdlab.runs.protocol import RunRequest, RunSnapshot
from kdlab.train.spec import Spec
from kdlab.widgets.weights import WeightsField

__all__ = ["TeacherFile"]

MAX_BYTES = 8_000_000  # of a file, where the operator names no limit
FILE_MISSING = "This run's teacher came from a file: choose the file again, or let it go to train one."


class TeacherFile(WeightsField):
    """The field for a teacher's file, and the requests for runs with it."""

    def __init__(self) -> None:
        super().__init__(shown_limits().upload_bytes or MAX_BYTES)

    def request(self, spec: Spec) -> RunRequest:
        """Return a new run of `spec`, with the teacher of the file; raises InputError where that is missing."""
        if self.digest and self.weights is None:
            raise InputError(FILE_MISSING)
        return self._request(spec.replace(teacher_weights=self.digest))

    def resume_request(self, snapshot: RunSnapshot) -> RunRequest:
        """Return the request that resumes a run; its checkpoint holds a teacher that came from a file."""
        return self._request(Spec(**snapshot.config))

    def _request(self, spec: Spec) -> RunRequest:
        is_its_file = spec.teacher_weights and spec.teacher_weights == self.digest
        return distill_request(spec, self.weights if is_its_file else None)
