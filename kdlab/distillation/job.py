"""A run as a desk's worker does it: within bounds, with checkpoints, and with the finished run's files at the end."""

import math
from collections.abc import Generator, Mapping

from kdlab.distillation.distill import distill_events
from kdlab.distillation.run_folder import contents
from kdlab.io import Weights
from kdlab.train.device import prepared
from kdlab.train.events import Event, Saved
from kdlab.train.spec import Spec

__all__ = ["keep"]


def keep(
    spec: Spec,
    bounds: Mapping[str, float] | None = None,
    teacher: Weights | None = None,
    seconds: float = 10.0,
    checkpoint: Mapping[str, bytes] | None = None,
) -> Generator[Event, Mapping[str, float] | None, None]:
    """Yield the events of a run, checkpoints among them, and at last the files that `checkpoints.save` writes.

    `bounds`: "parameters", the most of one network; `teacher`: the weights of one's own, which is not trained;
    `seconds` between two checkpoints; `checkpoint`: the files of one to go on from. Knobs sent in take effect at the
    next step. Raises InputError, Diverged.
    """
    most = {"parameters": math.inf, **(bounds or {})}
    spec = spec.replace()  # which looks its names up: it comes from a process that may have others
    with prepared():  # between events too, so that none pays for giving settings back: a worker does nothing else
        run = yield from distill_events(
            spec, teacher=teacher, every=seconds, checkpoint=checkpoint, most_parameters=most["parameters"]
        )
    yield Saved(contents(run), final=True)
