"""A run as a worker executes it: within limits, with checkpoints, and with the finished run's files at the end."""

import math
from collections.abc import Iterator, Mapping

from kdlab.distillation.distill import distill_events
from kdlab.distillation.run_folder import contents
from kdlab.io import WeightsFile
from kdlab.live_params import LiveParams
from kdlab.train.device import training_context
from kdlab.train.events import Event, Saved
from kdlab.train.spec import Spec

__all__ = ["run_distill_job"]


def run_distill_job(
    spec: Spec,
    limits: Mapping[str, float] | None = None,
    teacher: WeightsFile | None = None,
    seconds: float = 10.0,
    checkpoint: Mapping[str, bytes] | None = None,
    live: LiveParams | None = None,
) -> Iterator[Event]:
    """Yield the events of a run, including checkpoints, and at the end the files that `run_folder.save` writes.

    `limits`: "parameters", the largest number in one network; `teacher`: the weights of a trained teacher;
    `seconds` between two checkpoints; `checkpoint`: files of a checkpoint to resume from. Knobs set in `live` take
    effect at the next step. Raises InputError, Diverged.
    """
    all_limits = {"parameters": math.inf, **(limits or {})}
    spec = spec.replace()  # checks its names again: it comes from a process that may have other entries
    # Around all events, so that settings are not restored between them: a worker does nothing else.
    with training_context():
        result = yield from distill_events(
            spec,
            live=live,
            teacher=teacher,
            every=seconds,
            checkpoint=checkpoint,
            max_parameters=all_limits["parameters"],
        )
    yield Saved(contents(result), final=True)
