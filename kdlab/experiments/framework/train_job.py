"""Training of one job: turns the events of the training loop into an experiment's, and returns weights and record."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from torch import nn

from kdlab.experiments.framework.data_cache import ViewAndLogitCache
from kdlab.experiments.framework.events import Event, JobValidated, PlanAdvanced
from kdlab.experiments.framework.jobs import TrainJob
from kdlab.experiments.framework.weights_cache import Weights
from kdlab.metrics.classification import count_errors, cross_entropy
from kdlab.train.batches import Source
from kdlab.train.clock import WorkClock
from kdlab.train.early_stopping import BestWeights
from kdlab.train.events import Phase, Probe, Step
from kdlab.train.group import Learner
from kdlab.train.loop import train
from kdlab.train.spec import Spec

__all__ = ["Outcome", "run"]

PROGRESS_INTERVAL = 0.1  # seconds between two progress events
# The weights of each network at the end, then at its best epoch if the config asks for it; and a record in plain data.
Outcome = tuple[Weights, dict[str, Any]]


def run(
    job: TrainJob, modules: Sequence[nn.Module], data_cache: ViewAndLogitCache, done: float, cost: float
) -> Generator[Event, None, Outcome]:
    """Train the modules of a job and return the outcome; it starts `done` seconds into the plan and takes `cost`."""
    config = job.config
    fields = asdict(config)
    fields.pop("early_stopping")
    spec = Spec(batch_seed=config.seed, **fields)
    names = [f"{index}" for index in range(len(modules))]
    sources: list[Source | None] = [
        Source(
            override.data.train,
            override.examples,
            data_cache.views(override.data.train, config.augmentation),
            override.data.validation,
        )
        for override in job.overrides
    ]
    sources = sources or [None] * len(names)
    learners = [
        Learner(name, module, network_spec.seed, **network_spec.loss_args(), source=source)
        for name, module, network_spec, source in zip(names, modules, job.specs, sources, strict=True)
    ]
    teacher_logits = data_cache.teacher_logits(job)
    known_at_start = teacher_logits.cached_count if teacher_logits else 0
    best_weights = BestWeights() if config.early_stopping else None
    curves: list[dict[str, list[float]]] = [{"errors": [], "nats": []} for _ in names]
    truths = {
        name: (source.eval_split if source and source.eval_split else job.validation).labels.cpu().numpy()
        for name, source in zip(names, sources, strict=True)
    }
    clock, shown = WorkClock(), time.perf_counter()
    try:
        with closing(
            train(
                "student", job.label, learners, job.split, job.examples,
                data_cache.views(job.split, config.augmentation), spec,
                epochs=config.epochs, teacher_logits=teacher_logits, eval_split=job.validation,
                best_weights=best_weights,
            )
        ) as events:  # fmt: skip
            for event in events:
                with clock.stopped():  # what follows is no training, nor are pauses
                    match event:
                        case Phase(steps=steps, steps_per_epoch=per_epoch):
                            pass
                        case Probe() as probe:
                            errors = {}
                            for name, network_spec, curve in zip(names, job.specs, curves, strict=True):
                                curve["errors"].append(count_errors(probe.logits[name], truths[name]))
                                curve["nats"].append(cross_entropy(probe.logits[name], truths[name]))
                                errors[network_spec.label] = int(curve["errors"][-1])
                            yield JobValidated(
                                job.label, probe.step // per_epoch, config.epochs, errors, len(job.validation)
                            )
                        case Step() if time.perf_counter() - shown > PROGRESS_INTERVAL:
                            shown = time.perf_counter()
                            yield PlanAdvanced(done + cost * event.step / steps)
        seconds = clock.seconds()
    finally:  # saved even when the training was not finished
        if teacher_logits and teacher_logits.cached_count > known_at_start:
            data_cache.save_teacher_logits(job, teacher_logits)
    weights = [module.state_dict() for module in modules]
    best = [config.epochs] * len(names)
    if best_weights is not None:
        weights += [best_weights.weights(name) for name in names]
        best = [best_weights.steps[name] // per_epoch for name in names]
    networks = [{"curve": curve, "best_epoch": epoch} for curve, epoch in zip(curves, best, strict=True)]
    return weights, {"label": job.label, "seconds": round(seconds, 3), "networks": networks}
