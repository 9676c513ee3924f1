"""Specialists for what a generalist confuses, and their way back into one network (the paper's section 5)."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.ensembles import committee
from kdlab.experiments.framework.events import Event, Noted
from kdlab.experiments.framework.experiment import Exam, Experiment, Finished
from kdlab.experiments.framework.jobs import Course, Pupil, Subject, Trained
from kdlab.experiments.framework.model_selection import best_of
from kdlab.experiments.framework.report import Rescored, Summary
from kdlab.experiments.specialists_model import MOST, consultation, consulted
from kdlab.experiments.specialists_report import sum_up
from kdlab.experiments.specialists_rescore import kept, rescore
from kdlab.registry import EXPERIMENTS, InputError, Knob, knob_field, quote
from kdlab.specialists.class_clusters import METHODS, SIMILARITIES, find_subsets, tree
from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.routing import route
from kdlab.specialists.subsets import Subset, check_subsets, membership, read_subsets, write_subsets

if TYPE_CHECKING:
    from kdlab.datasets import Split
    from kdlab.experiments.framework.trainer import Study

__all__ = ["Specialists"]

RATE = 4e-3
LATER_RATE = 1e-3  # of what begins with the generalist's weights
TIMED = 32  # images at once, when answers are timed


@EXPERIMENTS.add(
    "specialists",
    label="Specialists",
    help="a generalist, specialists for the classes that it confuses, their common answer, and one student of them all",
)
@dataclass(frozen=True, kw_only=True)
class Specialists(Experiment):
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

    quick: ClassVar = {
        "seeds": 1, "dataset": "digits", "network": "mlp:32x1", "augmentation": "none", "epochs": 60,
        "specialist_epochs": 15, "student_epochs": 60,
    }  # fmt: skip
    sliders: ClassVar = (
        Knob("n", "n", 1, 0, MOST, "first classes of the generalist whose specialists are asked", kind=int),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for value, known, what in (
            (self.similarity, SIMILARITIES, "similarity"), (self.clustering, METHODS, "clustering"),
        ):  # fmt: skip
            if value not in known:
                raise InputError(f"There is no {what} {quote(value)}; known: {', '.join(known)}.")

    def train(self, study: "Study", seed: int) -> Generator[Event, None, Finished]:
        """Train the generalist, its specialists, and what they are compared with; choose n on validation images."""
        from kdlab.experiments.framework.trainer import sizes
        from kdlab.experiments.framework.weights_cache import digest

        data, labels = study.data, study.data.train.labels.cpu().numpy()
        text = self.subsets.strip()
        # In their own order, as pages count them.
        named = [tuple(sorted(one)) for one in read_subsets(text, data.classes)] if text else None
        if named:
            check_subsets(named, data.classes, labels)
        elif missing := [name for at, name in enumerate(data.classes) if not (labels == at).any()]:
            raise InputError(
                f"There is no training image of {missing[0]!r}, which a specialist might be found for: add images, or "
                f"name the specialists' classes (subsets)."
            )
        pupil = Pupil(self.network, 1000 * seed)
        (generalist,) = yield from study.learn(f"generalist, seed {seed}", [pupil], self._course(self.epochs, seed))
        said = study.logits(generalist)
        alike = SIMILARITIES[self.similarity](said, data.validation.labels.cpu().numpy())
        subsets = named or find_subsets(alike, self.count, self.size, self.clustering)
        order, joints = tree(alike)
        noted = {
            "classes": np.array(data.classes), "similarity": alike.astype(np.float32), "order": order, "tree": joints,
            "members": membership(subsets, len(data.classes)),
        }  # fmt: skip
        if seed == 0:
            yield Noted(noted)
        specialists = yield from self._specialists(study, seed, generalist, subsets, named is None)
        answers = [study.logits(one) for one in specialists]
        n, direction = _best_way(said, answers, subsets, data.validation)
        name = digest(["consulted", generalist.name, *(one.name for one in specialists), "n by validation"])
        together = consultation(generalist, specialists, subsets, n, direction, name)
        rivals = yield from self._rivals(study, seed, generalist, len(subsets))
        students = yield from self._students(study, seed, generalist, together, rivals, len(subsets))
        timed = {"0": generalist} | {
            str(first): consultation(generalist, specialists, subsets, first, direction, "timed")
            for first in sorted({1, 2, n})
        }
        images = min(TIMED, len(data.validation))
        latency = {first: seconds / images for first, seconds in study.latency(timed, images).items()}
        special = {f"specialist {at}": one for at, one in enumerate(specialists)}
        chosen = {"subsets": write_subsets(subsets, data.classes), "n": n, "direction": direction, "latency": latency}
        if seed == 0:  # which the page shows, and asks anew as people move n, on validation images
            split, asked = data.validation, {"generalist": generalist, **special}
            exam = Exam(
                seed, split.labels.cpu().numpy(), dict(zip(asked, [said, *answers], strict=True)), data.classes,
                chosen=chosen, sizes={name: sizes([network], split) for name, network in asked.items()}, noted=noted,
                images=split.images.cpu().numpy(),
            )  # fmt: skip
            noted = kept(exam, consulted(exam))
        return Finished({"generalist": generalist, **special, **rivals, **students}, chosen, noted)

    def _course(self, epochs: float, seed: int, rate: float = RATE) -> Course:
        return Course(
            epochs=max(1, round(epochs)), seed=seed, batch_size=128, learning_rate=rate, augmentation=self.augmentation
        )

    def _specialists(
        self, study: "Study", seed: int, generalist: Trained, subsets: Sequence[Subset], found: bool
    ) -> Generator[Event, None, list[Trained]]:
        """Each begins with the generalist's weights and ends with its dustbin corrected.

        Perceptrons train side by side, which where they are narrow is faster: `tests/benchmarks/specialists.py`.
        """
        from kdlab.experiments.framework.weights_cache import digest
        from kdlab.specialists.model import Specialist, correction, half_special, relabelled
        from kdlab.train.stacked_mlp import plan

        labels, subjects = study.data.train.labels, []
        for at, subset in enumerate(subsets):
            # Found ones are not known when the run is planned, but how they are found is.
            how = [self.similarity, self.clustering, len(subsets), self.size, at] if found else list(subset)
            subjects.append(
                Subject(
                    digest(["specialist", generalist.name, how]), relabelled(study.data, subset),
                    Specialist(generalist.module, subset, len(study.data.classes)), half_special(labels, subset, seed),
                    [int(one) for one in subset],
                )
            )  # fmt: skip
        pupils = [Pupil(self.network, 1000 * seed, name=f"specialist {at + 1}") for at in range(len(subjects))]
        course = self._course(self.specialist_epochs, seed, LATER_RATE)
        if plan(generalist.module):
            trained = yield from study.learn(f"specialists, seed {seed}", pupils, course, subjects=subjects)
        else:
            trained = []
            for pupil, subject in zip(pupils, subjects, strict=True):
                label = f"{pupil.name} of {len(subsets)}, seed {seed}"
                trained += yield from study.learn(label, [pupil], course, subjects=[subject])
        corrected = []
        for one, subset, subject in zip(trained, subsets, subjects, strict=True):
            assert isinstance(one.module, Specialist)
            right = one.module.raised(correction(labels, subset, subject.examples))
            corrected.append(Trained(right, digest(["corrected", one.name]), one.curve))
        return corrected

    def _rivals(
        self, study: "Study", seed: int, generalist: Trained, count: int
    ) -> Generator[Event, None, dict[str, Trained]]:
        """What else could be trained on as many images as specialists, or as specialists and student, were."""
        import torch

        from kdlab.experiments.framework.weights_cache import digest

        later = count * self.specialist_epochs
        everything = torch.arange(len(study.data.train), device=study.place)
        subject = Subject(digest(["trained on", generalist.name]), study.data, generalist.module, everything)
        (trained_on,) = yield from study.learn(
            f"generalist trained on, seed {seed}", [Pupil(self.network, 1000 * seed)],
            self._course(later, seed, LATER_RATE), subjects=[subject],
        )  # fmt: skip
        (longer,) = yield from study.learn(
            f"generalist trained longer, seed {seed}", [Pupil(self.network, 1000 * seed)],
            self._course(self.epochs + later + self.student_epochs, seed),
        )  # fmt: skip
        pupils = [Pupil(self.network, 1000 * seed + at, name=f"network {at}") for at in range(1, count + 2)]
        members = yield from study.learn(
            f"plain ensemble, seed {seed}", pupils, self._course((self.epochs + later) / len(pupils), seed)
        )
        return {"trained on": trained_on, "longer": longer, "ensemble": committee(members)}

    def _students(
        self, study: "Study", seed: int, generalist: Trained, together: Trained, rivals: Mapping[str, Trained],
        count: int,
    ) -> Generator[Event, None, dict[str, Trained]]:  # fmt: skip
        """Students of each teacher, from the same first weights; that of the generalist alone learns for longer."""
        students, later = {}, count * self.specialist_epochs
        for name, guide, epochs in (
            ("student", together, self.student_epochs),
            ("student of generalist", generalist, self.student_epochs + later),
            ("student of trained on", rivals["trained on"], self.student_epochs),
            ("student of ensemble", rivals["ensemble"], self.student_epochs),
        ):
            pupil = Pupil(self.network, 1000 * seed + 999, "hinton", {"temperature": self.temperature})
            (students[name],) = yield from study.learn(
                f"{name}, seed {seed}", [pupil], self._course(epochs, seed), guide=guide
            )
        return students

    def sum_up(self, exams: Sequence[Exam]) -> Summary:
        """Return errors, costs, the gain by how many specialists know the true class, and the way back's verdicts."""
        return sum_up(exams, self._budgets(exams))

    def _budgets(self, exams: Sequence[Exam]) -> str:
        """Say for how many epochs each was trained."""
        count = sum(name.startswith("specialist ") for name in exams[0].logits)
        first, last, later = self.epochs, self.student_epochs, count * self.specialist_epochs
        each = self._course((first + later) / (count + 1), 0).epochs
        return (
            f"Epochs, over as many images as there are: generalist {first}, {count} specialists {later} together, "
            f"their student {last}; (a) {first + later + last}; (b) {first} and {later + last}; (c) {count + 1} times "
            f"{each} and {last}; (d) {first + later} and {last}. What the teachers' answers cost comes on top."
        )

    @classmethod
    def choices(cls, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Return the directions of the divergence."""
        return list(DIRECTIONS.values())

    @classmethod
    def rescore(cls, arrays: Mapping[str, NDArray[Any]], choice: str, values: Mapping[str, float]) -> Rescored:
        """Return errors, cost and confusions where n stands."""
        return rescore(arrays, list(DIRECTIONS.values()).index(choice), int(values["n"]))


def _best_way(
    generalist: NDArray[np.float32], specialists: Sequence[NDArray[np.float32]], subsets: Sequence[Subset],
    validation: "Split",
) -> tuple[int, str]:  # fmt: skip
    """The n and the direction with the fewest errors on validation images."""
    ways = [(n, direction) for n in range(1, min(MOST, generalist.shape[1]) + 1) for direction in DIRECTIONS]
    answers = [
        combine(generalist, specialists, subsets, route(generalist, subsets, n), direction).astype(np.float32)
        for n, direction in ways
    ]
    return ways[best_of(answers, validation)]
