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
from kdlab.experiments.framework.events import Event, ExperimentFinished, ExperimentPlanned
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import TrainedNetwork
from kdlab.experiments.framework.literature import SOURCES
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.plan import forecast
from kdlab.experiments.framework.trainer import Study, sizes
from kdlab.experiments.framework.verdicts import RULE
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.live_params import LiveParams
from kdlab.registry import EXPERIMENTS, quote
from kdlab.train.device import isolated, training_context
from kdlab.train.evaluate import predict
from kdlab.train.forward_check import check_finite
from kdlab.train.logit_reader import LOWEST

__all__ = ["reproduce_events"]

SHARED = "All seeds share their teacher: what another teacher would change is not in the intervals."
ONE_SEED = "One seed alone: what another seed would change is not in these verdicts."


@isolated
def reproduce_events(
    name: str, folder: Path | str, quick: bool = False, settings: Mapping[str, Any] | None = None,
    max_parameters: float = math.inf, live: LiveParams | None = None,
) -> Generator[Event, None, dict[str, Any]]:  # fmt: skip
    """Yield the events of the experiment called `name` and return its report; finished jobs are cached in `folder`.

    `settings`: changes to the full or quick experiment's own. A network of `max_parameters` is the largest that is
    trained; `live` is not used: nothing of an experiment changes while it runs. Raises InputError, Diverged.
    """
    entry, _ = EXPERIMENTS.find(name)
    kind: type[Experiment] = entry.build  # type: ignore[assignment]
    experiment = kind.of_size(quick, **(settings or {}))
    with training_context() as device:
        threads = torch.get_num_threads()
        data = (yield from load_events(experiment.dataset)).to(device)
        weights_cache = WeightsCache(folder)
        plan = forecast(experiment, data, weights_cache, max_parameters)
        yield ExperimentPlanned(plan.jobs, plan.seconds)
        study = Study(data, weights_cache, plan.costs, max_parameters)
        trained_seeds: list[TrainedSeed] = []
        for seed in range(experiment.seeds):
            trained_seed = yield from experiment.train(study, seed)
            trained_seeds.append(trained_seed)
        # Training and choices are complete: only now is the test set read, and only once.
        results = evaluate_on_test(trained_seeds, data)
        summary = experiment.summarize(results)
        device_name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
    notes = [ONE_SEED] if experiment.seeds == 1 else [SHARED] if study.shares_teacher else []
    outcomes = Outcomes(summary.outcomes, results[0].labels, results[0].groups)
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
        "chosen": [dict(trained_seed.chosen) for trained_seed in trained_seeds],
        "seconds": round(sum(seconds for _, seconds in study.trained), 3),
        "pieces": study.trained,
        "device": device_name,
        "machine": platform.machine(),
        "threads": threads,
        "versions": {"kdlab": version("kdlab"), "torch": str(torch.__version__), "python": platform.python_version()},
    }
    yield ExperimentFinished(report, {**summary.arrays, **outcomes.pack()})
    return report


def evaluate_on_test(trained_seeds: Sequence[TrainedSeed], data: Dataset) -> list[SeedResult]:
    """Return the results of each seed's networks on the test set; raises InputError for NaN."""
    test = data.test
    labels = test.labels.cpu().numpy()
    images = test.images.cpu().numpy()
    groups = None if test.groups is None else test.groups.cpu().numpy()
    logits_by_network: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}

    def test_logits(role: str, network: TrainedNetwork) -> "np.ndarray[Any, np.dtype[np.float32]]":
        if network.name not in logits_by_network:  # a teacher that seeds share is evaluated once
            values = predict(network.module, test).clamp(min=LOWEST)
            check_finite(f"network {quote(role)}", values, data)
            logits_by_network[network.name] = values.cpu().numpy()
        return logits_by_network[network.name]

    results = []
    for seed, trained_seed in enumerate(trained_seeds):
        networks = {
            name: [group] if isinstance(group, TrainedNetwork) else list(group)
            for name, group in trained_seed.networks.items()
        }
        logits = {name: np.stack([test_logits(name, member) for member in group]) for name, group in networks.items()}
        single = {name for name, group in trained_seed.networks.items() if isinstance(group, TrainedNetwork)}
        results.append(
            SeedResult(
                seed, labels, {name: group[0] if name in single else group for name, group in logits.items()},
                data.classes, groups, trained_seed.chosen, {name: group[0].curve for name, group in networks.items()},
                {name: sizes(group, test) for name, group in networks.items()}, trained_seed.extras, images,
            )
        )  # fmt: skip
    return results
