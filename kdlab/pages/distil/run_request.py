"""What the page "Distil" asks of a desk: runs, made of its choices and of a teacher's file."""

from dataclasses import asdict

from kdlab.registry import AUGMENTATIONS, DATASETS, MODELS, OBJECTIVES, TEACHINGS, InputError
from kdlab.runs import session
from kdlab.runs.protocol import Attached, Job
from kdlab.train.events import Step
from kdlab.train.spec import Spec
from kdlab.widgets.weights import WeightsField

__all__ = ["TeacherFile"]

MOST_BYTES = 8_000_000  # of a file, where the operator names no limit
# The fields of a spec whose text is a name that a registry knows.
NAMES = {
    "dataset": DATASETS,
    "teacher": MODELS,
    "student": MODELS,
    "objective": OBJECTIVES,
    "augmentation": AUGMENTATIONS,
    "teacher_augmentation": AUGMENTATIONS,
    "teaching": TEACHINGS,
}
AGAIN = "This run's teacher came from a file: choose the file again, or let it go to train one."


class TeacherFile(WeightsField):
    """The field for a teacher's file, and the jobs with it; the desk is asked only then, as a page opens before it."""

    def __init__(self) -> None:
        super().__init__(lambda: session.the_desk().limits().upload_bytes or MOST_BYTES)

    def job(self, spec: Spec) -> Job:
        """Return a new run of `spec`, with the teacher of the file; raises InputError where that is missing."""
        if self.digest and self.weights is None:
            raise InputError(AGAIN)
        return self._job(spec.replace(teacher_weights=self.digest))

    def again(self, found: Attached) -> Job:
        """Return the job to go on with a run, whose checkpoint holds a teacher that came from a file."""
        return self._job(Spec(**found.about))

    def _job(self, spec: Spec) -> Job:
        for field, registry in NAMES.items():
            registry.check_worker(getattr(spec, field))
        asks = {"dataset": spec.dataset, "epochs": spec.epochs}
        if not spec.teacher_weights:
            asks["teacher_epochs"] = spec.teacher_epochs
        weights = self.weights if spec.teacher_weights and spec.teacher_weights == self.digest else None
        most = session.the_desk().limits().parameters
        return Job(
            "distil", "kdlab.distillation.job:keep", (spec, {"parameters": most} if most else None, weights),
            "kdlab.train.history:History", Step, spec.label, "distil", asks, asdict(spec),
        )  # fmt: skip
