"""Three per cent of the training set: hard labels overfit, soft targets carry over what the teacher saw (table 5)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kdlab.experiments.framework.charts import lines, series, validation_curves
from kdlab.experiments.framework.claims import Fewer
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig, TrainedNetwork
from kdlab.experiments.framework.literature import PAPER
from kdlab.experiments.framework.model_selection import numbers
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.experiments.framework.teachers import PERCEPTRON, perceptron_teacher
from kdlab.metrics.classification import count_errors
from kdlab.registry import EXPERIMENTS, InputError, knob_field, quote

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["ThreePercent"]

VARIANTS = ("hard", "stopped", "soft")
# The paper's table 5, per cent of the speech frames right in training and in the test.
REPORTED: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "hard": ({}, {}), "stopped": ({PAPER: 67.3}, {PAPER: 44.5}), "soft": ({PAPER: 65.4}, {PAPER: 57.0}),
}  # fmt: skip


@EXPERIMENTS.add(
    "three-percent",
    label="3 % of the training set",
    help="a small transfer set: hard labels, hard labels with early stopping, and soft targets; from 1 % to 100 %",
)
@dataclass(frozen=True, kw_only=True)
class ThreePercent(Experiment):
    """Soft targets tell a student most of what the whole training set would, on a small part of it.

    The teacher has seen all training images. Two students with the same start see the same few of them in the same
    batches, for as many steps as on all: one with their labels, one with the teacher's answers.
    """

    teacher: str = PERCEPTRON
    student: str = "mlp:800x2"
    shares: str = "1,3,10,30,100"
    share: float = knob_field("share", "Share", 3.0, 0.1, 100.0, "per cent of the training images", kind=float)
    temperature: float = knob_field("temperature", "Temperature", 8.0, 0.5, 50.0, "of the distilled", kind=float)
    teacher_epochs: int = knob_field("teacher_epochs", "Teacher epochs", 120, 1, 10_000, "of the perceptron")
    steps: int = knob_field("steps", "Steps", 2_500, 1, 10_000_000, "of each student, whatever the share", scale="log")

    title: ClassVar = "Few, missing or no labels"
    question: ClassVar = (
        "What can a student learn from soft targets when examples, a whole class or all labels are missing?"
    )
    quick: ClassVar = {
        "seeds": 1, "teacher": "mlp:400x2:dropout=0.2:max_norm=3", "student": "mlp:200x2", "shares": "3,30",
        "teacher_epochs": 8, "steps": 1_500,
    }  # fmt: skip

    def _shares(self) -> list[float]:
        shares = sorted({*numbers(self.shares, "shares"), self.share})
        if not 0 < shares[0] <= shares[-1] <= 100:
            raise InputError(
                f"The shares must be per cents above 0 and up to 100, such as 1,3,10, not {quote(self.shares)}."
            )
        return shares

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the teacher, once, and two students on each share."""
        from kdlab.train.batches import transfer_set

        teacher = yield from perceptron_teacher(study, self.teacher, self.teacher_epochs)
        knobs = {"temperature": self.temperature, "soft_weight": 1.0, "hard_weight": 0.0}
        specs = [
            NetworkSpec(self.student, seed, name="hard labels"),
            NetworkSpec(self.student, seed, "hinton", knobs, "soft targets"),
        ]  # fmt: skip
        networks: dict[str, TrainedNetwork] = {}
        chosen, train = {}, study.data.train
        for share in self._shares():
            size = max(1, round(len(train) * share / 100))
            few = transfer_set(train, size, seed)
            size_of_batch = min(128, size)
            # A look at the validation images every hundred steps or so, however few images there are.
            passes = max(1, 100 * size_of_batch // size)
            epochs = max(1, round(self.steps / (size * passes // size_of_batch)))
            config = TrainConfig(epochs=epochs, seed=seed, batch_size=size_of_batch, early_stopping=True)
            hard, soft = yield from study.train(
                f"{share:g} %, seed {seed}", specs, config, teacher=teacher, examples=few.repeat(passes)
            )
            students = {"hard": hard, "stopped": hard.stopped_early, "soft": soft}
            networks |= {f"{variant} {share:g}": network for variant, network in students.items()}
            if share == self.share:
                subset = train.take(few)
                labels = subset.labels.cpu().numpy()
                chosen = {
                    f"{variant}: training accuracy": 1
                    - count_errors(study.logits(network, subset), labels) / len(labels)
                    for variant, network in students.items()
                }
        return TrainedSeed({"teacher": teacher, **networks}, chosen)

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return accuracy on training and test images at the one share, and test errors by share."""
        shares = self._shares()
        wrong = {name: np.stack([result.wrong(name) for result in results]) for name in results[0].logits}
        suffix = f" {self.share:g}"
        called = {
            "hard": f"hard labels, {self.share:g} %", "stopped": f"hard labels, {self.share:g} %, early stopping",
            "soft": f"soft targets, {self.share:g} %",
        }  # fmt: skip
        rows = [ReportRow("teacher, all training images", wrong["teacher"].sum(1)[:1], decimals=0)]
        rows += [ReportRow(label, wrong[variant + suffix].sum(1)) for variant, label in called.items()]
        for variant, label in called.items():
            training, test = REPORTED[variant] if self.share == 3 else ({}, {})
            rows.append(
                ReportRow(f"{label}: test accuracy", 100 * (1 - wrong[variant + suffix].mean(1)), "%", test, decimals=2)
            )
            values = [100 * result.chosen[f"{variant}: training accuracy"] for result in results]
            rows.append(ReportRow(f"{label}: training accuracy", values, "%", training, decimals=2))
        if 100 in shares:
            rows.append(ReportRow("hard labels, 100 %, as many steps", wrong["hard 100"].sum(1)))
        hard, stopped, soft = (wrong[variant + suffix] for variant in VARIANTS)
        claims = [
            Fewer(
                text=f"On {self.share:g} % of the training set soft targets make fewer errors than hard labels.",
                of=f"soft{suffix}",
                than=f"hard{suffix}",
                measured=f"{soft.sum(1).mean():.1f} errors against {hard.sum(1).mean():.1f}",
            ),
            Fewer(
                text="They do so against hard labels with early stopping as well.",
                of=f"soft{suffix}",
                than=f"stopped{suffix}",
                measured=f"{soft.sum(1).mean():.1f} errors against {stopped.sum(1).mean():.1f}",
            ),
            Fewer(
                text="Early stopping helps the student with hard labels.",
                of=f"stopped{suffix}",
                than=f"hard{suffix}",
                measured=f"{(hard - stopped).sum(1).mean():.1f} fewer errors",
            ),
        ]
        roles = {"hard": ("hard labels", "baseline"), "soft": ("soft targets", "student")}
        drawn: list[dict[str, Any]] = [
            series(
                label,
                role,
                shares,
                [[wrong[f"{variant} {share:g}"][seed].sum() for share in shares] for seed in range(len(results))],
            )
            for variant, (label, role) in roles.items()
        ]
        by_share = lines("Test errors by transfer set", "per cent of the training set", "test errors", drawn, log=True)
        curves = validation_curves(results, {variant + suffix: line for variant, line in roles.items()}, "nats")
        notes = [
            "The paper's numbers are of speech frames, where the whole training set gives 58.9 %: compare the pattern."
        ]
        return ReportSummary(rows, claims, wrong, [by_share, curves], notes=notes)
