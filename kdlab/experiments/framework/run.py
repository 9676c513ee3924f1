"""Runs an experiment from its plan to its report: all training first, then one look at the test set."""

import math
import platform
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdlab.datasets import Dataset, load_events
from kdlab.experiments.framework.events import Concluded, Event, Planned
from kdlab.experiments.framework.experiment import Exam, Experiment, Finished
from kdlab.experiments.framework.jobs import Trained
from kdlab.experiments.framework.literature import SOURCES
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.plan import forecast
from kdlab.experiments.framework.trainer import Study, sizes
from kdlab.experiments.framework.verdicts import RULE
from kdlab.experiments.framework.weights_cache import Store
from kdlab.registry import EXPERIMENTS, quote
from kdlab.train.device import isolated, prepared
from kdlab.train.evaluate import predict
from kdlab.train.forward_check import check_finite
from kdlab.train.logit_reader import LOWEST

__all__ = ["reproduce_events"]

SHARED = "All seeds share their teacher: what another teacher would change is not in the intervals."
ONE_SEED = "One seed alone: what another seed would change is not in these verdicts."


@isolated
def reproduce_events(
    name: str, folder: Path | str, quick: bool = False, settings: Mapping[str, Any] | None = None,
    most_parameters: float = math.inf,
) -> Generator[Event, None, dict[str, Any]]:  # fmt: skip
    """Yield the events of the experiment called `name` and return its report; finished pieces are kept in `folder`.

    `settings`: changes to the full or quick experiment's own. A network of `most_parameters` is the largest that is
    trained. Raises InputError, Diverged.
    """
    entry, _ = EXPERIMENTS.find(name)
    kind: type[Experiment] = entry.build  # type: ignore[assignment]
    experiment = kind.of_size(quick, **(settings or {}))
    with prepared() as place:
        threads = torch.get_num_threads()
        data = (yield from load_events(experiment.dataset)).to(place)
        store = Store(folder)
        plan = forecast(experiment, data, store, most_parameters)
        yield Planned(plan.pieces, plan.seconds)
        study = Study(data, store, plan.costs, most_parameters)
        finished: list[Finished] = []
        for seed in range(experiment.seeds):
            one = yield from experiment.train(study, seed)
            finished.append(one)
        # All is trained and chosen: only now is the test set looked at, and only once.
        exams = examine(finished, data)
        summary = experiment.sum_up(exams)
        device = "cpu" if place.type == "cpu" else torch.cuda.get_device_name(place)
    notes = [ONE_SEED] if experiment.seeds == 1 else [SHARED] if study.shares_teacher else []
    outcomes = Outcomes(summary.outcomes, exams[0].labels, exams[0].groups)
    report: dict[str, Any] = {
        "experiment": name,
        "label": entry.label,
        "size": "quick" if quick else "full",
        "settings": asdict(experiment),
        "rows": [row.to_dict() for row in summary.rows],
        "claims": [claim.to_dict(outcomes) for claim in summary.claims],
        "rule": RULE,
        "charts": list(summary.charts),
        "notes": [*data.notes, *summary.notes, *notes],
        "sources": {key: SOURCES[key] for row in summary.rows for key in row.reference},
        "examples": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "chosen": [dict(one.chosen) for one in finished],
        "seconds": round(sum(seconds for _, seconds in study.trained), 3),
        "pieces": study.trained,
        "device": device,
        "machine": platform.machine(),
        "threads": threads,
        "versions": {"kdlab": version("kdlab"), "torch": str(torch.__version__), "python": platform.python_version()},
    }
    yield Concluded(report, {**summary.arrays, **outcomes.pack()})
    return report


def examine(finished: Sequence[Finished], data: Dataset) -> list[Exam]:
    """Return what the networks of each seed say of the test set; raises InputError for NaN."""
    test = data.test
    labels = test.labels.cpu().numpy()
    images = test.images.cpu().numpy()
    groups = None if test.groups is None else test.groups.cpu().numpy()
    said: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}

    def ask(role: str, network: Trained) -> "np.ndarray[Any, np.dtype[np.float32]]":
        if network.name not in said:  # a teacher that seeds share is asked once
            values = predict(network.module, test).clamp(min=LOWEST)
            check_finite(f"network {quote(role)}", values, data)
            said[network.name] = values.cpu().numpy()
        return said[network.name]

    exams = []
    for seed, one in enumerate(finished):
        networks = {name: [own] if isinstance(own, Trained) else list(own) for name, own in one.networks.items()}
        logits = {name: np.stack([ask(name, member) for member in own]) for name, own in networks.items()}
        single = {name for name, own in one.networks.items() if isinstance(own, Trained)}
        exams.append(
            Exam(
                seed, labels, {name: own[0] if name in single else own for name, own in logits.items()},
                data.classes, groups, one.chosen, {name: own[0].curve for name, own in networks.items()},
                {name: sizes(own, test) for name, own in networks.items()}, one.noted, images,
            )
        )  # fmt: skip
    return exams
