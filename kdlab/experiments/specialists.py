"""Specialists for what a generalist confuses, and their way back into one network (the paper's section 5)."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.ensembles import logit_ensemble
from kdlab.experiments.framework.events import Event, PreviewReady
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import DataOverride, NetworkSpec, TrainConfig, TrainedNetwork
from kdlab.experiments.framework.model_selection import best_of
from kdlab.experiments.framework.report import ReportSummary, Rescored
from kdlab.experiments.specialists_model import MAX_N, predict_by_n, specialist_ensemble
from kdlab.experiments.specialists_report import page_arrays, rescore_specialists, summarize_specialists
from kdlab.lazy import torch
from kdlab.registry import EXPERIMENTS, InputError, Knob, knob_field, quote
from kdlab.specialists.class_clusters import METHODS, SIMILARITIES, find_subsets, tree
from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.routing import route
from kdlab.specialists.subsets import Subset, check_subsets, membership, read_subsets, write_subsets

if TYPE_CHECKING:
    from kdlab.datasets import Split
    from kdlab.experiments.framework.trainer import Study

__all__ = ["SpecialistsExperiment"]

LEARNING_RATE = 4e-3
FINE_TUNING_RATE = 1e-3  # of what begins with the generalist's weights
TIMED_BATCH = 32  # images at once, when answers are timed


@EXPERIMENTS.add(
    "specialists",
    label="Specialists",
    help="a generalist, specialists for the classes that it confuses, their common answer, and one student of them all",
)
@dataclass(frozen=True, kw_only=True)
class SpecialistsExperiment(Experiment):
    """Small experts for what a network confuses: do they help, and can one network learn it back?

    A generalist learns all classes. Those that it confuses, by its own predictions, go to specialists: copies of it
    that learn to tell a few classes apart, with all others in a dustbin. Asked for an image are those that know one of
    the generalist's first n classes, and the answer is the distribution that is nearest to what all of them say.

    Then the step that the paper leaves open: generalist and specialists are distilled into one network of the
    generalist's size, beside others for which as many images were learnt from in all: the generalist trained longer, a
    student of the generalist alone, one of a plain ensemble of as many networks, and one of the generalist trained on.
    """

    dataset: str = "cifar10"
    network: str = "cnn:width=16"
    augmentation: str = "flip"
    subsets: str = ""
    similarity: str = "correlation"
    clustering: str = "k-means"
    seeds: int = knob_field("seeds", "Seeds", 5, 1, 100, "how often all is repeated")
    count: int = knob_field("count", "Specialists", 4, 1, 100, "to be found where no subsets are named")
    size: int = knob_field("size", "Classes each", 3, 0, 10_000, "of those found; 0: as clustered, without overlap")
    epochs: int = knob_field("epochs", "Epochs", 15, 1, 10_000, "of the generalist, over all images")
    specialist_epochs: int = knob_field(
        "specialist_epochs", "Specialist epochs", 5, 1, 10_000, "of each, over as many images as there are"
    )
    student_epochs: int = knob_field("student_epochs", "Student epochs", 15, 1, 10_000, "of the distilled network")
    temperature: float = knob_field("temperature", "Temperature", 2.0, 0.5, 50.0, "of the students", kind=float)

    title: ClassVar = "Specialists"
    question: ClassVar = "Can small experts for the classes that are confused help a network that knows them all?"
    quick: ClassVar = {
        "seeds": 1, "dataset": "digits", "network": "mlp:32x1", "augmentation": "none", "epochs": 60,
        "specialist_epochs": 15, "student_epochs": 60,
    }  # fmt: skip
    sliders: ClassVar = (
        Knob("n", "n", 1, 0, MAX_N, "first classes of the generalist whose specialists are asked", kind=int),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for value, choices, setting in (
            (self.similarity, SIMILARITIES, "similarity"), (self.clustering, METHODS, "clustering"),
        ):  # fmt: skip
            if value not in choices:
                raise InputError(f"There is no {setting} {quote(value)}; known: {', '.join(choices)}.")

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the generalist, its specialists, and what they are compared with; choose n on validation images."""
        from kdlab.experiments.framework.trainer import sizes
        from kdlab.experiments.framework.weights_cache import digest

        data, labels = study.data, study.data.train.labels.cpu().numpy()
        text = self.subsets.strip()
        # In their own order, as pages count them.
        named = [tuple(sorted(subset)) for subset in read_subsets(text, data.classes)] if text else None
        if named:
            check_subsets(named, data.classes, labels)
        elif missing := [name for index, name in enumerate(data.classes) if not (labels == index).any()]:
            raise InputError(
                f"There is no training image of {missing[0]!r}, which a specialist might be found for: add images, or "
                f"name the specialists' classes (subsets)."
            )
        spec = NetworkSpec(self.network, 1000 * seed)
        (generalist,) = yield from study.train(f"generalist, seed {seed}", [spec], self._config(self.epochs, seed))
        logits = study.logits(generalist)
        similarity = SIMILARITIES[self.similarity](logits, data.validation.labels.cpu().numpy())
        subsets = named or find_subsets(similarity, self.count, self.size, self.clustering)
        order, joints = tree(similarity)
        extras = {
            "classes": np.array(data.classes), "similarity": similarity.astype(np.float32), "order": order,
            "tree": joints, "members": membership(subsets, len(data.classes)),
        }  # fmt: skip
        if seed == 0:
            yield PreviewReady(extras)
        specialists = yield from self._specialists(study, seed, generalist, subsets, named is None)
        specialist_logits = [study.logits(specialist) for specialist in specialists]
        n, direction = _best_routing(logits, specialist_logits, subsets, data.validation)
        name = digest(
            ["consulted", generalist.name, *(specialist.name for specialist in specialists), "n by validation"]
        )
        together = specialist_ensemble(generalist, specialists, subsets, n, direction, name)
        rivals = yield from self._rivals(study, seed, generalist, len(subsets))
        students = yield from self._students(study, seed, generalist, together, rivals, len(subsets))
        timed = {"0": generalist} | {
            str(first): specialist_ensemble(generalist, specialists, subsets, first, direction, "timed")
            for first in sorted({1, 2, n})
        }
        images = min(TIMED_BATCH, len(data.validation))
        latency = {first: seconds / images for first, seconds in study.latency(timed, images).items()}
        special = {f"specialist {index}": specialist for index, specialist in enumerate(specialists)}
        chosen = {"subsets": write_subsets(subsets, data.classes), "n": n, "direction": direction, "latency": latency}
        if seed == 0:  # the page shows it, and combines it anew as people move n, on validation images
            split, networks = data.validation, {"generalist": generalist, **special}
            result = SeedResult(
                seed, split.labels.cpu().numpy(),
                dict(zip(networks, [logits, *specialist_logits], strict=True)), data.classes,
                chosen=chosen, sizes={name: sizes([network], split) for name, network in networks.items()},
                extras=extras, images=split.images.cpu().numpy(),
            )  # fmt: skip
            extras = page_arrays(result, predict_by_n(result))
        return TrainedSeed({"generalist": generalist, **special, **rivals, **students}, chosen, extras)

    def _config(self, epochs: float, seed: int, rate: float = LEARNING_RATE) -> TrainConfig:
        return TrainConfig(
            epochs=max(1, round(epochs)), seed=seed, batch_size=128, learning_rate=rate, augmentation=self.augmentation
        )

    def _specialists(
        self,
        study: "Study",
        seed: int,
        generalist: TrainedNetwork,
        subsets: Sequence[Subset],
        found_by_clustering: bool,
    ) -> Generator[Event, None, list[TrainedNetwork]]:
        """Each begins with the generalist's weights and ends with its dustbin corrected.

        Perceptrons train side by side, which where they are narrow is faster: `tests/benchmarks/specialists.py`.
        """
        from kdlab.experiments.framework.weights_cache import digest
        from kdlab.specialists.model import Specialist, balanced_sample, dustbin_bias, relabelled
        from kdlab.train.stacked_mlp import mlp_signature

        labels, overrides = study.data.train.labels, []
        for index, subset in enumerate(subsets):
            # Clusters are not known when the run is planned, but the method that finds them is.
            origin = (
                [self.similarity, self.clustering, len(subsets), self.size, index]
                if found_by_clustering
                else list(subset)
            )
            overrides.append(
                DataOverride(
                    digest(["specialist", generalist.name, origin]), relabelled(study.data, subset),
                    Specialist(generalist.module, subset, len(study.data.classes)),
                    balanced_sample(labels, subset, seed), [int(label) for label in subset],
                )
            )  # fmt: skip
        specs = [
            NetworkSpec(self.network, 1000 * seed, name=f"specialist {index + 1}") for index in range(len(overrides))
        ]
        config = self._config(self.specialist_epochs, seed, FINE_TUNING_RATE)
        if mlp_signature(generalist.module):
            trained = yield from study.train(f"specialists, seed {seed}", specs, config, overrides=overrides)
        else:
            trained = []
            for spec, override in zip(specs, overrides, strict=True):
                label = f"{spec.name} of {len(subsets)}, seed {seed}"
                trained += yield from study.train(label, [spec], config, overrides=[override])
        corrected = []
        for network, subset, override in zip(trained, subsets, overrides, strict=True):
            assert isinstance(network.module, Specialist)
            corrected_module = network.module.with_dustbin_bias(dustbin_bias(labels, subset, override.examples))
            corrected.append(TrainedNetwork(corrected_module, digest(["corrected", network.name]), network.curve))
        return corrected

    def _rivals(
        self, study: "Study", seed: int, generalist: TrainedNetwork, count: int
    ) -> Generator[Event, None, dict[str, TrainedNetwork]]:
        """Networks for comparison, trained on as many images as the specialists, or as specialists and student."""
        from kdlab.experiments.framework.weights_cache import digest

        specialist_epochs = count * self.specialist_epochs
        everything = torch.arange(len(study.data.train), device=study.device)
        override = DataOverride(digest(["trained on", generalist.name]), study.data, generalist.module, everything)
        (trained_on,) = yield from study.train(
            f"generalist trained on, seed {seed}", [NetworkSpec(self.network, 1000 * seed)],
            self._config(specialist_epochs, seed, FINE_TUNING_RATE), overrides=[override],
        )  # fmt: skip
        (longer,) = yield from study.train(
            f"generalist trained longer, seed {seed}", [NetworkSpec(self.network, 1000 * seed)],
            self._config(self.epochs + specialist_epochs + self.student_epochs, seed),
        )  # fmt: skip
        specs = [
            NetworkSpec(self.network, 1000 * seed + index, name=f"network {index}") for index in range(1, count + 2)
        ]
        members = yield from study.train(
            f"plain ensemble, seed {seed}", specs, self._config((self.epochs + specialist_epochs) / len(specs), seed)
        )
        return {"trained on": trained_on, "longer": longer, "ensemble": logit_ensemble(members)}

    def _students(
        self, study: "Study", seed: int, generalist: TrainedNetwork, together: TrainedNetwork,
        rivals: Mapping[str, TrainedNetwork], count: int,
    ) -> Generator[Event, None, dict[str, TrainedNetwork]]:  # fmt: skip
        """Students of each teacher, from the same first weights; that of the generalist alone learns for longer."""
        students, specialist_epochs = {}, count * self.specialist_epochs
        for name, teacher, epochs in (
            ("student", together, self.student_epochs),
            ("student of generalist", generalist, self.student_epochs + specialist_epochs),
            ("student of trained on", rivals["trained on"], self.student_epochs),
            ("student of ensemble", rivals["ensemble"], self.student_epochs),
        ):
            spec = NetworkSpec(self.network, 1000 * seed + 999, "hinton", {"temperature": self.temperature})
            (students[name],) = yield from study.train(
                f"{name}, seed {seed}", [spec], self._config(epochs, seed), teacher=teacher
            )
        return students

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return errors, costs, the gain by how many specialists know the true class, and the way back's verdicts."""
        return summarize_specialists(results, self._budgets(results))

    def _budgets(self, results: Sequence[SeedResult]) -> str:
        """Say for how many epochs each was trained."""
        count = sum(name.startswith("specialist ") for name in results[0].logits)
        first, second, last = self.epochs, count * self.specialist_epochs, self.student_epochs
        each = self._config((first + second) / (count + 1), 0).epochs
        return (
            f"Epochs, over as many images as there are: generalist {first}, {count} specialists {second} together, "
            f"their student {last}; (a) {first + second + last}; (b) {first} and {second + last}; "
            f"(c) {count + 1} times {each} and {last}; (d) {first + second} and {last}. "
            f"What the teachers' answers cost comes on top."
        )

    @classmethod
    def choices(cls, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Return the directions of the divergence."""
        return list(DIRECTIONS.values())

    @classmethod
    def rescore(cls, arrays: Mapping[str, NDArray[Any]], choice: str, values: Mapping[str, float]) -> Rescored:
        """Return errors, cost and confusions where n stands."""
        return rescore_specialists(arrays, list(DIRECTIONS.values()).index(choice), int(values["n"]))


def _best_routing(
    generalist: NDArray[np.float32], specialists: Sequence[NDArray[np.float32]], subsets: Sequence[Subset],
    validation: "Split",
) -> tuple[int, str]:  # fmt: skip
    """The n and the direction with the fewest errors on validation images."""
    choices = [(n, direction) for n in range(1, min(MAX_N, generalist.shape[1]) + 1) for direction in DIRECTIONS]
    log_probabilities = [
        combine(generalist, specialists, subsets, route(generalist, subsets, n), direction).astype(np.float32)
        for n, direction in choices
    ]
    return choices[best_of(log_probabilities, validation)]
