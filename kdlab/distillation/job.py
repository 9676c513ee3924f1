"""A run as a worker executes it: within limits, with checkpoints, and with the finished run's files at the end."""

import math
from collections.abc import Generator

from kdlab.distillation.distill import distill_events
from kdlab.distillation.run_folder import contents
from kdlab.io import WeightsFile
from kdlab.runs.protocol import RunContext
from kdlab.train.device import training_context
from kdlab.train.events import Event, Saved
from kdlab.train.spec import Spec

__all__ = ["run_distill_job"]


def run_distill_job(
    context: RunContext, spec: Spec, teacher: WeightsFile | None = None, seconds: float = 10.0
) -> Generator[Event, None, None]:
    """Yield the events of a run, including checkpoints, and at the end the files that `run_folder.save` writes.

    `teacher`: the weights of a trained teacher; `seconds` between two checkpoints. Raises InputError, Diverged.
    """
    spec = spec.replace()  # checks its names again: it comes from a process that may have other entries
    context.limits.check(spec.limits_input() | {"upload_bytes": teacher.size if teacher else 0})
    # Around all events, so that settings are not restored between them: a worker does nothing else.
    with training_context():
        result = yield from distill_events(
            spec,
            live=context.params,
            teacher=teacher,
            every=seconds,
            checkpoint=context.checkpoint,
            max_parameters=context.limits.parameters or math.inf,
        )
    yield Saved(contents(result), final=True)
