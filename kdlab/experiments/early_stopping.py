"""Trained on for long: whether a student with hard labels needs early stopping, and a distilled one does not."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kdlab.experiments.framework.charts import validation_curves
from kdlab.experiments.framework.claims import Above, Fewer
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig
from kdlab.experiments.framework.literature import BLOG, on_mnist
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.experiments.framework.teachers import PERCEPTRON, perceptron_teacher
from kdlab.metrics.classification import cross_entropies
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["EarlyStopping"]


@EXPERIMENTS.add(
    "early-stopping",
    label="Without early stopping",
    help="students trained on and on: whether hard labels make the predictions worse, and soft targets do not",
)
@dataclass(frozen=True, kw_only=True)
class EarlyStopping(Experiment):
    """Soft targets regularise: a student that has them can be trained for as long as one likes.

    Two students with the same start and the same batches, one with hard labels and one distilled, learn at a constant
    rate for long. Each is examined as it stood at its best epoch, by validation errors, and as it ended.
    """

    teacher: str = PERCEPTRON
    student: str = "mlp:800x2"
    temperature: float = knob_field("temperature", "Temperature", 20.0, 0.5, 50.0, "of the distilled", kind=float)
    teacher_epochs: int = knob_field("teacher_epochs", "Teacher epochs", 120, 1, 10_000, "of the perceptron")
    epochs: int = knob_field("epochs", "Epochs", 40, 2, 10_000, "of the students")

    title: ClassVar = "The paper's MNIST result"
    quick: ClassVar = {
        "seeds": 1, "teacher": "mlp:400x2:dropout=0.2:max_norm=3", "student": "mlp:200x2", "teacher_epochs": 8,
        "epochs": 25,
    }  # fmt: skip

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the teacher, once, and the two students of a seed."""
        teacher = yield from perceptron_teacher(study, self.teacher, self.teacher_epochs)
        knobs = {"temperature": self.temperature, "soft_weight": 1.0, "hard_weight": 0.0}
        config = TrainConfig(epochs=self.epochs, seed=seed, batch_size=128, schedule="constant", early_stopping=True)
        specs = [
            NetworkSpec(self.student, seed, name="hard labels"),
            NetworkSpec(self.student, seed, "hinton", knobs, "distilled"),
        ]  # fmt: skip
        hard, soft = yield from study.train(f"students, seed {seed}", specs, config, teacher=teacher)
        networks = {
            "hard": hard,
            "hard, stopped": hard.stopped_early,
            "soft": soft,
            "soft, stopped": soft.stopped_early,
        }
        best = {"hard labels": hard.stopped_early.epoch, "distilled": soft.stopped_early.epoch}
        return TrainedSeed(networks, {f"best epoch, {name}": epoch for name, epoch in best.items()})

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return errors and cross-entropy of both students at their best epoch and at the end."""
        labels = results[0].labels
        wrong = {name: np.stack([result.wrong(name) for result in results]) for name in results[0].logits}
        nats = {
            name: np.stack([cross_entropies(result.logits[name], labels) for result in results])
            for name in results[0].logits
        }
        called = {
            "hard, stopped": "hard labels, at the best epoch", "hard": "hard labels, at the end",
            "soft, stopped": "distilled, at the best epoch", "soft": "distilled, at the end",
        }  # fmt: skip
        reported = on_mnist(self.dataset, {"hard": 196, "soft": 137})
        rows = [
            ReportRow(label, wrong[name].sum(1), reference={BLOG: reported[name]} if name in reported else {})
            for name, label in called.items()
        ]
        rows += [
            ReportRow(f"{label}: cross-entropy", nats[name].mean(1), "nats", decimals=4)
            for name, label in called.items()
        ]
        worse = {name: (nats[name] - nats[f"{name}, stopped"]) for name in ("hard", "soft")}
        more = {name: (wrong[name] - wrong[f"{name}, stopped"]) for name in ("hard", "soft")}
        claims = [
            Above(
                text="Trained on, the student with hard labels gets worse: its cross-entropy grows after its best "
                "epoch.",
                of="growth hard",
                bound=0.0,
                measured=f"{worse['hard'].mean():+.4f} nats, {more['hard'].sum(1).mean():+.1f} errors",
            ),
            Fewer(
                text="The distilled student suffers less from being trained on: its cross-entropy grows by less.",
                of="growth soft",
                than="growth hard",
                measured=f"{worse['soft'].mean():+.4f} nats, {more['soft'].sum(1).mean():+.1f} errors",
            ),
            Fewer(
                text="At the end, without early stopping, the distilled student makes fewer errors.",
                of="soft",
                than="hard",
                measured=f"{(wrong['hard'] - wrong['soft']).sum(1).mean():.1f} fewer",
            ),
            Fewer(
                text="It does so even against the student with hard labels at its best epoch.",
                of="soft",
                than="hard, stopped",
                measured=f"{(wrong['hard, stopped'] - wrong['soft']).sum(1).mean():.1f} fewer",
            ),
        ]
        outcomes = {**wrong, **{f"growth {name}": values for name, values in worse.items()}}
        shown = {"hard": ("hard labels", "baseline"), "soft": ("distilled", "student")}
        return ReportSummary(
            rows, claims, outcomes, [validation_curves(results, shown), validation_curves(results, shown, "nats")]
        )
