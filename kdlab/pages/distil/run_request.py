"""Requests for runs of the page "Distil", from its choices and a teacher's file."""

from dataclasses import asdict

from kdlab.registry import AUGMENTATIONS, DATASETS, LOSSES, MODELS, TEACHER_VIEWS, InputError
from kdlab.runs import client
from kdlab.runs.protocol import RunRequest, RunSnapshot
from kdlab.train.events import Step
from kdlab.train.spec import Spec
from kdlab.widgets.weights import WeightsField

__all__ = ["TeacherFile"]

MAX_BYTES = 8_000_000  # of a file, where the operator names no limit
# The fields of a spec whose text is a name that a registry knows.
NAMES = {
    "dataset": DATASETS,
    "teacher": MODELS,
    "student": MODELS,
    "loss": LOSSES,
    "augmentation": AUGMENTATIONS,
    "teacher_augmentation": AUGMENTATIONS,
    "teaching": TEACHER_VIEWS,
}
FILE_MISSING = "This run's teacher came from a file: choose the file again, or let it go to train one."


class TeacherFile(WeightsField):
    """The field for a teacher's file, and the jobs with it; only a job asks the desk, as a page opens before it."""

    def __init__(self) -> None:
        super().__init__(lambda: client.the_server().limits().upload_bytes or MAX_BYTES)

    def job(self, spec: Spec) -> RunRequest:
        """Return a new run of `spec`, with the teacher of the file; raises InputError where that is missing."""
        if self.digest and self.weights is None:
            raise InputError(FILE_MISSING)
        return self._job(spec.replace(teacher_weights=self.digest))

    def resume_job(self, attached: RunSnapshot) -> RunRequest:
        """Return the job that resumes a run; its checkpoint holds a teacher that came from a file."""
        return self._job(Spec(**attached.about))

    def _job(self, spec: Spec) -> RunRequest:
        for field, registry in NAMES.items():
            registry.check_worker(getattr(spec, field))
        asks = {"dataset": spec.dataset, "epochs": spec.epochs}
        if not spec.teacher_weights:
            asks["teacher_epochs"] = spec.teacher_epochs
        weights = self.weights if spec.teacher_weights and spec.teacher_weights == self.digest else None
        max_parameters = client.the_server().limits().parameters
        bounds = {"parameters": max_parameters} if max_parameters else None
        return RunRequest(
            "distil", "kdlab.distillation.job:run_distill_job", (spec, bounds, weights),
            "kdlab.train.history:History", Step, spec.label, "distil", asks, asdict(spec),
        )  # fmt: skip
