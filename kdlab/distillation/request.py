"""Requests for runs of distillation, for pages and the command line: without torch."""

from dataclasses import asdict

from kdlab.io import WeightsFile
from kdlab.registry import AUGMENTATIONS, DATASETS, LOSSES, MODELS, TEACHER_VIEWS
from kdlab.runs.protocol import RunRequest
from kdlab.train.events import Step
from kdlab.train.spec import Spec

__all__ = ["distill_request"]

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


def distill_request(spec: Spec, teacher: WeightsFile | None = None) -> RunRequest:
    """Return the request for a run of `spec`; `teacher`: the weights of its teacher, if they come from a file.

    Raises InputError for a name that a worker does not know.
    """
    for field, registry in NAMES.items():
        registry.check_worker(getattr(spec, field))
    return RunRequest(
        kind="distil",
        target="kdlab.distillation.job:run_distill_job",
        arguments=(spec, teacher),
        record="kdlab.train.history:History",
        step_type=Step,
        label=spec.label,
        page="distil",
        limits_input=spec.limits_input() | {"upload_bytes": teacher.size if teacher else 0},
        config=asdict(spec),
    )
