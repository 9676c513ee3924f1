"""At high temperature distillation is matching of logits: the same direction, and the same student."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.charts import lines, series
from kdlab.experiments.framework.claims import Above, Fewer, Within
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig
from kdlab.experiments.framework.model_selection import numbers
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.experiments.framework.teachers import PERCEPTRON, perceptron_teacher
from kdlab.metrics.softened import soften
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["HighTemperature", "alignment"]

TEMPERATURES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)


@EXPERIMENTS.add(
    "high-temperature",
    label="KL at T → ∞ and logit matching",
    help="the gradient of the soft targets turns into the difference of zero-meaned logits, and so does what is learnt",
)
@dataclass(frozen=True, kw_only=True)
class HighTemperature(Experiment):
    """For high temperatures, matching soft targets becomes matching logits (section 2.1, equation 4).

    The direction of the gradient in the logits is compared for temperatures up to 1,000, on validation images, between
    a student trained on labels and its teacher. Then students with the same start and the same batches are trained with
    the softened divergence at each temperature, and one on the squared distance of zero-meaned logits.
    """

    teacher: str = PERCEPTRON
    student: str = "mlp:300x2"
    temperatures: str = "1,4,20,50"
    teacher_epochs: int = knob_field("teacher_epochs", "Teacher epochs", 120, 1, 10_000, "of the perceptron")
    epochs: int = knob_field("epochs", "Epochs", 15, 1, 10_000, "of each student")

    title: ClassVar = "Small students and temperature"
    quick: ClassVar = {
        "seeds": 1, "teacher": "mlp:400x2:dropout=0.2:max_norm=3", "student": "mlp:100x2", "teacher_epochs": 8,
        "epochs": 5,
    }  # fmt: skip

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the teacher, once, a student on labels, and the students that are compared."""
        teacher = yield from perceptron_teacher(study, self.teacher, self.teacher_epochs)
        specs = [
            NetworkSpec(self.student, seed, name="labels"),
            NetworkSpec(self.student, seed, "logit-matching", {}, "logits"),
        ]
        specs += [
            NetworkSpec(
                self.student,
                seed,
                "hinton",
                {"temperature": temperature, "soft_weight": 1.0, "hard_weight": 0.0},
                f"T = {temperature:g}",
            )
            for temperature in sorted(numbers(self.temperatures, "temperatures"))
        ]
        config = TrainConfig(epochs=self.epochs, seed=seed, precision="float32")
        students = yield from study.train(f"students, seed {seed}", specs, config, teacher=teacher)
        z, v = study.logits(students[0]), study.logits(teacher)
        alike = [alignment(z, v, temperature) for temperature in TEMPERATURES]
        networks = {spec.label: student for spec, student in zip(specs, students, strict=True)}
        return TrainedSeed({"teacher": teacher, **networks}, {"cosines": alike})

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return how alike gradients and students are to those of logit matching."""
        names = [f"T = {temperature:g}" for temperature in sorted(numbers(self.temperatures, "temperatures"))]
        wrong = {name: np.stack([result.wrong(name) for result in results]) for name in results[0].logits}
        apart = {
            name: np.stack([_differs(result.logits[name], result.logits["logits"]) for result in results])
            for name in [*names, "labels"]
        }
        cosines = np.array([result.chosen["cosines"] for result in results])
        rows = [ReportRow("teacher", wrong["teacher"].sum(1)[:1], decimals=0)]
        rows += [ReportRow(f"distilled at {name}", wrong[name].sum(1)) for name in names]
        rows += [ReportRow("logit matching", wrong["logits"].sum(1)), ReportRow("labels alone", wrong["labels"].sum(1))]
        rows += [
            ReportRow(f"answers unlike logit matching's: {name}", apart[name].sum(1), "images")
            for name in [*names, "labels"]
        ]
        rows += [
            ReportRow(
                f"cosine of gradients, T = {temperature:g}",
                cosines[:, index].tolist(),
                "cosine",
                decimals=5,
                detail=0 < index < len(TEMPERATURES) - 1,
            )
            for index, temperature in enumerate(TEMPERATURES)
        ]
        lowest, highest = names[0], names[-1]
        claims = [
            Above(
                text="At T = 1,000 the gradient points where logit matching's does (cosine above 0.999).",
                of="cosine at T = 1,000",
                bound=0.999,
                measured=f"cosine {cosines[:, -1].mean():.6f}",
            ),
            Fewer(
                text=f"The student at {highest} answers more like logit matching's than the student at {lowest} does.",
                of=f"unlike logits: {highest}",
                than=f"unlike logits: {lowest}",
                measured=f"{apart[highest].sum(1).mean():.1f} other answers against {apart[lowest].sum(1).mean():.1f}",
            ),
            Within(
                text=f"The student at {highest} and the one of logit matching make as many errors, within a tenth.",
                first=highest,
                second="logits",
                share=0.1,
                measured=f"{wrong[highest].sum(1).mean():.1f} and {wrong['logits'].sum(1).mean():.1f}",
            ),
        ]
        unlike = {f"unlike logits: {name}": values for name, values in apart.items()}
        drawn = [series("cosine", "student", TEMPERATURES, cosines.tolist())]
        return ReportSummary(
            rows,
            claims,
            {**wrong, **unlike, "cosine at T = 1,000": cosines[:, -1]},
            [lines("Gradients: soft targets and logit matching", "temperature", "cosine", drawn, log=True)],
        )


def alignment(z: NDArray[np.float32], v: NDArray[np.float32], temperature: float) -> float:
    """Return the mean cosine between q − p and the difference of zero-meaned logits (section 2.1, equations 2 and 4).

    `z`, `v`: the student's and the teacher's logits (examples, classes).
    """
    first = soften(z, temperature) - soften(v, temperature)
    second = z.astype(np.float64) - v
    second -= second.mean(1, keepdims=True)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    dots = (first * second).sum(1)
    return float((dots[lengths > 0] / lengths[lengths > 0]).mean()) if (lengths > 0).any() else 1.0


def _differs(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    unlike: NDArray[np.float64] = (first.argmax(1) != second.argmax(1)).astype(np.float64)
    return unlike
