"""MNIST as in the paper's section 3, and as one would do it today."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kdlab.experiments.framework.charts import validation_curves
from kdlab.experiments.framework.claims import Fewer, Keeps, Rare
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig
from kdlab.experiments.framework.literature import BLOG, FOFFANO, PAPER, SIMARD, on_mnist
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.experiments.framework.teachers import (
    EXPERT,
    PERCEPTRON,
    VIEWS,
    convolutional_teachers,
    on_views,
    perceptron_teacher,
)
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["Mnist"]

PAPERS_STUDENT = 74


@EXPERIMENTS.add(
    "mnist",
    label="The paper's MNIST",
    help="a large regularised teacher and a smaller student, on hard labels or distilled: the paper's way and today's",
)
@dataclass(frozen=True, kw_only=True)
class Mnist(Experiment):
    """A student that never saw a moved digit learns from a teacher's soft targets what moving does not change.

    The paper's way: a perceptron with dropout, max-norm and moved inputs teaches a smaller one on the images as they
    are, with soft targets alone at a high temperature. Today's way: small convolutional networks teach the same student
    on affine views of the images, each view with the teachers' answer to that very view, for longer.
    """

    teacher: str = PERCEPTRON
    student: str = "mlp:800x2"
    network: str = EXPERT
    augmentation: str = VIEWS
    seeds: int = knob_field("seeds", "Seeds", 5, 1, 100, "students of either way; the teachers are shared")
    temperature: float = knob_field("temperature", "T, paper's way", 20.0, 0.5, 50.0, "the paper's", kind=float)
    teacher_epochs: int = knob_field("teacher_epochs", "Teacher epochs", 120, 1, 10_000, "of the perceptron")
    epochs: int = knob_field("epochs", "Epochs", 50, 1, 10_000, "of the students, the paper's way")
    teachers: int = knob_field("teachers", "CNN teachers", 3, 1, 20, "that answer together, today's way")
    cnn_epochs: int = knob_field("cnn_epochs", "CNN epochs", 10, 1, 10_000, "of each of these")
    low_temperature: float = knob_field("low_temperature", "T, today's way", 4.0, 0.5, 50.0, "today's", kind=float)
    long_epochs: int = knob_field("long_epochs", "Long epochs", 60, 1, 10_000, "of the student, today's way")

    title: ClassVar = "The paper's MNIST result"
    question: ClassVar = "How much of a large network's skill on handwritten digits does a smaller one take over?"
    quick: ClassVar = {
        "seeds": 1, "teacher": "mlp:400x2:dropout=0.2:max_norm=3", "student": "mlp:200x2", "network": "cnn:width=8",
        "augmentation": "affine:views=4:degrees=12:scale=0.12:pixels=2",
        "teacher_epochs": 8, "epochs": 8, "teachers": 1, "cnn_epochs": 2, "long_epochs": 8,
    }  # fmt: skip

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train both teachers, once, and the students of a seed."""
        teacher = yield from perceptron_teacher(study, self.teacher, self.teacher_epochs)
        soft = {"soft_weight": 1.0, "hard_weight": 0.0}
        student, hard = yield from study.train(
            f"paper's way, seed {seed}",
            [
                NetworkSpec(self.student, seed, "hinton", {"temperature": self.temperature, **soft}, "distilled"),
                NetworkSpec(self.student, seed, name="hard labels"),
            ],
            TrainConfig(epochs=self.epochs, seed=seed, batch_size=128, learning_rate=3e-3), teacher=teacher,
        )  # fmt: skip
        experts, _ = yield from convolutional_teachers(
            study, self.network, self.teachers, self.cnn_epochs, self.augmentation
        )
        modern, views = yield from study.train(
            f"today's way, seed {seed}",
            [
                NetworkSpec(self.student, seed, "hinton", {"temperature": self.low_temperature, **soft}, "distilled"),
                NetworkSpec(self.student, seed, name="hard labels"),
            ],
            on_views(self.long_epochs, seed, self.augmentation), teacher=experts,
        )  # fmt: skip
        networks = {"teacher": teacher, "hard": hard, "student": student, "experts": experts}
        epochs = {
            "best epoch on views, distilled": modern.stopped_early.epoch,
            "best epoch on views, hard labels": views.stopped_early.epoch,
        }
        return TrainedSeed(
            networks | {"hard on views": views.stopped_early, "student on views": modern.stopped_early}, epochs
        )

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return the paper's three numbers for either way."""
        wrong = {name: np.stack([result.wrong(name) for result in results]) for name in results[0].logits}
        errors = {name: values.sum(1) for name, values in wrong.items()}
        teacher, hard, student = (errors[name] for name in ("teacher", "hard", "student"))
        gap = (hard - teacher).mean()
        closed = f"{100 * (hard - student).mean() / gap:.0f} % closed" if gap > 0 else "there is no gap"
        wins = int((student < hard).sum())
        seeds = f"{wins} of {len(results)} seeds"
        modern, views = errors["student on views"], errors["hard on views"]
        rows = [
            ReportRow(
                "paper's way: teacher",
                teacher[:1],
                reference=on_mnist(self.dataset, {PAPER: 67, BLOG: 101, FOFFANO: 64}),
                decimals=0,
            ),
            ReportRow(
                "paper's way: student, hard labels", hard, reference=on_mnist(self.dataset, {PAPER: 146, BLOG: 196})
            ),
            ReportRow(
                "paper's way: student, distilled",
                student,
                reference=on_mnist(self.dataset, {PAPER: PAPERS_STUDENT, BLOG: 137}),
            ),
            ReportRow("today's way: teachers together", errors["experts"][:1], decimals=0),
            ReportRow(
                "today's way: student, hard labels, same views", views, reference=on_mnist(self.dataset, {SIMARD: 70})
            ),
            ReportRow("today's way: student, distilled", modern, reference=on_mnist(self.dataset, {FOFFANO: 67})),
        ]
        claims = [
            Fewer(
                text="The paper's way: the distilled student makes fewer errors than the one with hard labels.",
                of="student",
                than="hard",
                measured=f"{(hard - student).mean():.1f} fewer, on {seeds}",
            ),
            Keeps(
                text="It closes at least 80 % of the gap to its teacher.",
                baseline="hard",
                best="teacher",
                kept="student",
                share=0.8,
                measured=closed,
            ),
            Fewer(
                text="Today's way: the distilled student makes fewer errors than one with hard labels on the same "
                "views.",
                of="student on views",
                than="hard on views",
                measured=f"{(views - modern).mean():.1f} fewer",
            ),
        ]
        if self.dataset == "mnist":
            claims.append(
                Rare(
                    text="Today's way makes fewer errors than the paper's student (74).",
                    of="student on views",
                    below=PAPERS_STUDENT / len(results[0].labels),
                    measured=f"{modern.mean():.1f} on average",
                )
            )
        shown = {
            "hard": ("paper's way, hard labels", "baseline"), "student": ("paper's way, distilled", "student"),
            "hard on views": ("today's way, hard labels", "baseline"),
            "student on views": ("today's way, distilled", "student"),
        }  # fmt: skip
        notes = [
            "The settings of both ways grew out of trials on this data set, of which test errors were seen too.",
        ]
        return ReportSummary(rows, claims, wrong, [validation_curves(results, shown)], notes=notes)
