"""Training one piece: the loop's events become an experiment's, and the outcome something to keep."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from torch import nn

from kdlab.experiments.framework.data_cache import Materials
from kdlab.experiments.framework.events import Advanced, Event, Watched
from kdlab.experiments.framework.jobs import Piece
from kdlab.experiments.framework.weights_cache import Weights
from kdlab.metrics.classification import count_errors, cross_entropy
from kdlab.train.batches import Source
from kdlab.train.early_stopping import Selection
from kdlab.train.events import Phase, Probe, Step
from kdlab.train.group import Learner
from kdlab.train.loop import LiveKnobs, train
from kdlab.train.spec import Spec

__all__ = ["Outcome", "give"]

INTERVAL = 0.1  # seconds between two signs of life
# The weights of each network at the end, then at its best epoch where that was asked for; and a record in plain data.
Outcome = tuple[Weights, dict[str, Any]]


def give(
    piece: Piece, modules: Sequence[nn.Module], materials: Materials, done: float, cost: float
) -> Generator[Event, None, Outcome]:
    """Train the modules of a piece and return the outcome; `done` planned seconds lie behind it, it costs `cost`."""
    course = piece.course
    fields = asdict(course)
    fields.pop("early_stopping")
    spec = Spec(batch_seed=course.seed, **fields)
    live = LiveKnobs(spec)
    names = [f"{at}" for at in range(len(modules))]
    sources: list[Source | None] = [
        Source(one.data.train, one.examples, materials.views(one.data.train, course.augmentation), one.data.validation)
        for one in piece.subjects
    ]
    sources = sources or [None] * len(names)
    learners = [
        Learner(name, module, pupil.seed, **pupil.way(), own=source)
        for name, module, pupil, source in zip(names, modules, piece.pupils, sources, strict=True)
    ]
    answers = materials.answers(piece)
    known = answers.known if answers else 0
    selection = Selection() if course.early_stopping else None
    curves: list[dict[str, list[float]]] = [{"errors": [], "nats": []} for _ in names]
    truths = {
        name: (source.watch if source and source.watch else piece.validation).labels.cpu().numpy()
        for name, source in zip(names, sources, strict=True)
    }
    began = shown = time.perf_counter()
    try:
        with closing(
            train(
                "student", piece.label, learners, piece.split, piece.examples,
                materials.views(piece.split, course.augmentation), spec,
                epochs=course.epochs, live=live, answers=answers, watch=piece.validation, selection=selection,
            )
        ) as events:  # fmt: skip
            for event in events:
                match event:
                    case Phase(steps=steps, steps_per_epoch=per_epoch):
                        pass
                    case Probe() as probe:
                        found = {}
                        for name, pupil, curve in zip(names, piece.pupils, curves, strict=True):
                            curve["errors"].append(count_errors(probe.logits[name], truths[name]))
                            curve["nats"].append(cross_entropy(probe.logits[name], truths[name]))
                            found[pupil.label] = int(curve["errors"][-1])
                        yield Watched(piece.label, probe.step // per_epoch, course.epochs, found, len(piece.validation))
                    case Step() if time.perf_counter() - shown > INTERVAL:
                        shown = time.perf_counter()
                        yield Advanced(done + cost * event.step / steps)
        seconds = time.perf_counter() - began - live.waited  # without what a pause took
    finally:  # worth keeping even when the training was not finished
        if answers and answers.known > known:
            materials.keep_answers(piece, answers)
    weights = [module.state_dict() for module in modules]
    best = [course.epochs] * len(names)
    if selection is not None:
        weights += [selection.weights(name) for name in names]
        best = [selection.steps[name] // per_epoch for name in names]
    about = [{"curve": curve, "best_epoch": epoch} for curve, epoch in zip(curves, best, strict=True)]
    return weights, {"label": piece.label, "seconds": round(seconds, 3), "networks": about}
