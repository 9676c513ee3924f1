"""Training for experiments: jobs whose networks are cached, on data without a test set."""

import math
import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset, Split
from kdlab.distillation.validate import check_network
from kdlab.experiments.framework.data_cache import ViewAndLogitCache
from kdlab.experiments.framework.events import Event, JobStarted, PlanAdvanced
from kdlab.experiments.framework.jobs import DataOverride, NetworkSpec, TrainConfig, TrainedNetwork, TrainJob
from kdlab.experiments.framework.train_job import run
from kdlab.experiments.framework.weights_cache import RECIPE, Weights, WeightsCache, digest
from kdlab.registry import AUGMENTATIONS, LOSSES, MODELS, InputError
from kdlab.train.device import choose_precision, count_operations
from kdlab.train.evaluate import predict
from kdlab.train.logit_reader import unwrap
from kdlab.train.loop import make_network
from kdlab.train.network_check import ready_to_train
from kdlab.train.spec import Spec

__all__ = ["Study", "without_test_set"]

LATENCY_ROUNDS = 101  # predictions; a latency is their median


class Study:
    """Trains the networks that an experiment asks for, job by job, and caches those that are finished.

    `data` has no test set: `without_test_set` removes it, so that no training and no choice can have seen it.
    `trained`: the jobs so far, and the seconds that each took to train, now or earlier; `shares_teacher`: whether seeds
    have a teacher in common. A network of `max_parameters` is the largest that is built.
    """

    def __init__(
        self,
        data: Dataset,
        weights_cache: WeightsCache,
        costs: Mapping[str, float] | None = None,
        max_parameters: float = math.inf,
    ) -> None:
        self.data = without_test_set(data)
        self.weights_cache = weights_cache
        self.done = 0.0
        self.trained: list[tuple[str, float]] = []
        self.shares_teacher = False
        self._finished: dict[str, list[TrainedNetwork]] = {}
        self._costs = costs or {}
        self._max_parameters = max_parameters
        self.data_cache = ViewAndLogitCache(weights_cache, len(data.classes), self.device)

    @property
    def device(self) -> torch.device:
        """The device of data and networks."""
        return self.data.train.labels.device

    def train(
        self, label: str, specs: Sequence[NetworkSpec], config: TrainConfig, *,
        teacher: TrainedNetwork | None = None, split: Split | None = None, examples: Tensor | None = None,
        overrides: Sequence[DataOverride] = (),
    ) -> Generator[Event, None, list[TrainedNetwork]]:  # fmt: skip
        """Train the networks of `specs`, or read them from the cache, and return them in order.

        `split`: the images to learn from (by default the training images), of which `examples`, int64, are used (by
        default all); or `overrides` with data and first weights, one for all networks or one for each. Raises
        InputError, Diverged.
        """
        job, modules = self._prepare(label, specs, config, teacher, split, examples, overrides)
        if job.name in self._finished:
            self.shares_teacher = True
            return self._finished[job.name]
        cached, cost = self._load(job), self._costs.get(job.name, 0.0)
        yield JobStarted(label, cached is not None)
        if cached is None:
            if not overrides:
                self._check_networks(job, modules)
            weights, record = yield from run(job, modules, self.data_cache, self.done, cost)
            self.weights_cache.write(job.name, weights, record | {"mark": job.cache_tag})
        else:
            weights, record = cached
        self.done += cost
        self.trained.append((label, record["seconds"]))
        yield PlanAdvanced(self.done)
        self._finished[job.name] = self._wrap(job, modules, weights, record)
        return self._finished[job.name]

    def _prepare(
        self, label: str, specs: Sequence[NetworkSpec], config: TrainConfig, teacher: TrainedNetwork | None,
        split: Split | None, examples: Tensor | None, overrides: Sequence[DataOverride],
    ) -> tuple[TrainJob, list[nn.Module]]:  # fmt: skip
        """The job with all defaults filled in, and its networks before training."""
        for spec in specs:
            spec.loss_args()  # raises InputError here, before any training
        cache_key: dict[str, Any] = {}
        if overrides:
            all_overrides = overrides if len(overrides) > 1 else list(overrides) * len(specs)
            modules = [deepcopy(override.initial) for override in all_overrides]
            data, examples, split = overrides[0].data, overrides[0].examples, overrides[0].data.train
            cache_key["override"] = (
                overrides[0].name if len(overrides) == 1 else [override.name for override in overrides]
            )
        else:
            data, split = self.data, self.data.train if split is None else split
            if self._max_parameters < math.inf:
                for name in {spec.network for spec in specs}:
                    check_network("network", name, data, self._max_parameters)
            modules = [make_network(spec.network, data, spec.seed, "student") for spec in specs]
            examples = torch.arange(len(split), device=self.device) if examples is None else examples.to(self.device)
            cache_key |= {
                "split": self.data_cache.fingerprint(split),
                "validation": self.data_cache.fingerprint(data.validation),
                "examples": digest(examples.tolist()),
                "classes": len(data.classes),
            }
        cache_key |= {
            "recipe": RECIPE,
            "networks": [asdict(spec) | {"name": ""} for spec in specs],
            "config": asdict(config),
            "teacher": teacher.name if teacher else None,
            "precision": [str(choose_precision(config.precision, module, self.device)) for module in modules],
            "versions": [version("kdlab"), str(torch.__version__), self.device.type],
        }
        if stamps := _stamps(specs, config):
            cache_key["stamps"] = stamps
        per_network = overrides if len(overrides) > 1 else ()
        tags = [override.cache_tag for override in overrides] + ([teacher.cache_tag] if teacher else [])
        tags = [tag for tag in tags if tag is not None]
        job = TrainJob(
            label, digest(cache_key), specs, config, teacher, split, examples, data.validation, per_network, tags
        )
        return job, modules

    def _check_networks(self, job: TrainJob, modules: Sequence[nn.Module]) -> None:
        """Raise InputError for networks that do not fit the data, before a long training."""
        spec = Spec(batch_size=job.config.batch_size, precision=job.config.precision)
        for name, module in {
            network_spec.network: module for network_spec, module in zip(job.specs, modules, strict=True)
        }.items():
            checked = ready_to_train(f"network {name}", module, self.data, spec, len(job.examples))
            if unwrap(checked) is not checked:
                raise InputError(f"The network {name} returns more than its logits: let it return them alone.")

    def _load(self, job: TrainJob) -> tuple[Weights, dict[str, Any]] | None:
        """The cached networks of a job with the same tag, or None."""
        cached = self.weights_cache.read(job.name)
        return cached if cached and cached[1].get("mark", job.cache_tag) == job.cache_tag else None

    def _wrap(
        self, job: TrainJob, modules: Sequence[nn.Module], weights: Weights, record: Mapping[str, Any]
    ) -> list[TrainedNetwork]:
        """The networks after training, each with its best state where there is one."""
        count, networks = len(modules), []
        for index, (module, summary) in enumerate(zip(modules, record["networks"], strict=True)):
            name, best = f"{job.name}/{index}", None
            if job.config.early_stopping:
                copy = deepcopy(module)
                copy.load_state_dict(weights[count + index])
                best = TrainedNetwork(copy.eval(), f"{name}/best", summary["curve"], summary["best_epoch"])
            module.load_state_dict(weights[index])
            networks.append(TrainedNetwork(module.eval(), name, summary["curve"], job.config.epochs, best))
        return networks

    def logits(self, network: TrainedNetwork, split: Split | None = None) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return the logits of the validation images, or of another split, float32 (examples, classes)."""
        logits: np.ndarray[Any, np.dtype[np.float32]]
        logits = predict(network.module, self.data.validation if split is None else split).cpu().numpy()
        return logits

    def latency(self, networks: Mapping[str, TrainedNetwork], batch: int) -> dict[str, float]:
        """Return the seconds that each network takes for `batch` images: medians of rounds on one thread."""
        inputs = self.data.validation.inputs(slice(batch))
        seconds: dict[str, list[float]] = {name: [] for name in networks}
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # not the number that the last training left behind
        try:
            for _ in range(LATENCY_ROUNDS):
                for name, network in networks.items():
                    began = time.perf_counter()
                    with torch.no_grad():
                        network.module(inputs)[0, 0].item()  # read, so that an accelerator has finished
                    seconds[name].append(time.perf_counter() - began)
        finally:
            torch.set_num_threads(threads)
        return {name: statistics.median(times) for name, times in seconds.items()}


def _stamps(specs: Sequence[NetworkSpec], config: TrainConfig) -> list[str]:
    """Stamps that distinguish a person's own entries from others of the same names, as in an earlier notebook."""
    names = [(AUGMENTATIONS, config.augmentation)]
    for spec in specs:
        names += [(MODELS, spec.network), (LOSSES, spec.loss)]
    entries = [registry.get(name.partition(":")[0]) for registry, name in names]
    return sorted({entry.stamp for entry in entries if entry and not entry.shipped})


def without_test_set(data: Dataset) -> Dataset:
    """Return the data with an empty test set."""
    empty = Split(data.validation.images[:0], data.validation.labels[:0])
    return replace(data, test=empty)


def sizes(networks: Sequence[TrainedNetwork], split: Split) -> dict[str, int]:
    """Return parameters, and multiply-adds for one answer to an image of `split`, of all networks together."""
    image = split.inputs(slice(1))
    return {
        "parameters": sum(p.numel() for network in networks for p in network.module.parameters()),
        "multiply_adds": sum(count_operations(network.module, image) // 2 for network in networks),
    }
