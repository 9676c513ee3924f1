"""An experiment as a worker executes it, within limits."""

import math
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment
from kdlab.experiments.framework.run import reproduce_events
from kdlab.registry import EXPERIMENTS
from kdlab.runs.protocol import RunContext

__all__ = ["run_experiment_job"]


def run_experiment_job(
    context: RunContext, name: str, folder: Path, quick: bool, settings: Mapping[str, Any]
) -> Generator[Event, None, None]:
    """Yield the events of `reproduce_events`; raises InputError, Diverged."""
    kind: type[Experiment] = EXPERIMENTS.find(name)[0].build  # type: ignore[assignment]
    context.limits.check(kind.of_size(quick, **settings).limits_input(quick))
    yield from reproduce_events(name, folder, quick, settings, context.limits.parameters or math.inf)
