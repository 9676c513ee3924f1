"""Which temperature suits which width: the paper's remark on 300 and on 30 units, as a map."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kdlab.experiments.framework.claims import All, Claim, Fewer, Within
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig, TrainedNetwork
from kdlab.experiments.framework.model_selection import numbers, whole_numbers
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.experiments.framework.teachers import PERCEPTRON, perceptron_teacher
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["WidthTemperature"]


@EXPERIMENTS.add(
    "width-temperature",
    label="Width × temperature",
    help="errors over width and temperature; the paper: any T above 8 suits 300 units, T = 2.5 to 4 suits 30",
)
@dataclass(frozen=True, kw_only=True)
class WidthTemperature(Experiment):
    """A wide student can follow its teacher at any high temperature; a narrow one should not try to learn everything.

    Students with two hidden layers of each width are distilled at each temperature, with soft targets alone; those of
    one width and seed share start and batches.
    """

    teacher: str = PERCEPTRON
    widths: str = "30,100,300,800"
    temperatures: str = "1,2.5,4,8,20,40"
    teacher_epochs: int = knob_field("teacher_epochs", "Teacher epochs", 120, 1, 10_000, "of the perceptron")
    epochs: int = knob_field("epochs", "Epochs", 15, 1, 10_000, "of each student")

    title: ClassVar = "Small students and temperature"
    question: ClassVar = "Which temperature suits a student, and does it depend on the student's size?"
    quick: ClassVar = {
        "seeds": 1, "teacher": "mlp:400x2:dropout=0.2:max_norm=3", "teacher_epochs": 8, "widths": "30,100",
        "epochs": 5,
    }  # fmt: skip

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the teacher, once, and a row of the map at a time."""
        teacher = yield from perceptron_teacher(study, self.teacher, self.teacher_epochs)
        temperatures = numbers(self.temperatures, "temperatures")
        networks: dict[str, TrainedNetwork] = {}
        for width in whole_numbers(self.widths, "widths"):
            specs = [
                NetworkSpec(
                    f"mlp:{width}x2", seed, "hinton",
                    {"temperature": temperature, "soft_weight": 1.0, "hard_weight": 0.0}, f"T = {temperature:g}",
                )
                for temperature in temperatures
            ]  # fmt: skip
            config = TrainConfig(epochs=self.epochs, seed=seed)
            students = yield from study.train(f"{width} units, seed {seed}", specs, config, teacher=teacher)
            networks |= {
                f"{width} {temperature:g}": student for temperature, student in zip(temperatures, students, strict=True)
            }
        return TrainedSeed({"teacher": teacher, **networks})

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return the map of test errors and what the paper says of its rows."""
        widths, temperatures = whole_numbers(self.widths, "widths"), numbers(self.temperatures, "temperatures")
        wrong = {name: np.stack([result.wrong(name) for result in results]) for name in results[0].logits}
        rows = [ReportRow("teacher", wrong["teacher"].sum(1)[:1], decimals=0)]
        rows += [
            ReportRow(f"{width} units, T = {temperature:g}", wrong[f"{width} {temperature:g}"].sum(1), detail=True)
            for width in widths
            for temperature in temperatures
        ]
        claims: list[Claim] = []
        outcomes = dict(wrong)
        low, high = (
            [temperature for temperature in temperatures if 2.5 <= temperature <= 4],
            [temperature for temperature in temperatures if temperature > 8],
        )
        narrow = min(widths)
        if low and high:
            few, many = (
                np.mean([wrong[f"{narrow} {temperature:g}"] for temperature in some], 0) for some in (low, high)
            )
            rows[1:1] = [
                ReportRow(f"{narrow} units, mean of T from 2.5 to 4", few.sum(1)),
                ReportRow(f"{narrow} units, mean of T above 8", many.sum(1)),
            ]
            outcomes |= {"T from 2.5 to 4": few, "T above 8": many}
            claims.append(
                Fewer(
                    text=f"With {narrow} units, temperatures from 2.5 to 4 make fewer errors than those above 8.",
                    of="T from 2.5 to 4",
                    than="T above 8",
                    measured=f"{few.sum(1).mean():.1f} against {many.sum(1).mean():.1f}",
                )
            )
        for width in widths:
            if width >= 300 and len(high) > 1:
                rows.append(
                    ReportRow(
                        f"{width} units, mean of T above 8",
                        np.mean([wrong[f"{width} {temperature:g}"].sum(1) for temperature in high], 0),
                    )
                )
                names = [f"{width} {temperature:g}" for temperature in high]
                errors = [wrong[name].sum(1).mean() for name in names]
                pairs = combinations(names, 2)
                claims.append(
                    All(
                        text=f"With {width} units, all temperatures above 8 are alike: they differ by less than a "
                        f"tenth.",
                        parts=tuple(Within(text="", first=a, second=b, share=0.1, measured="") for a, b in pairs),
                        measured=f"from {min(errors):.1f} to {max(errors):.1f} errors",
                    )
                )
        chart = {
            "kind": "map", "title": "Mean test errors", "x": "temperature", "y": "units a layer",
            "x_values": temperatures, "y_values": widths,
            "z": [
                [float(wrong[f"{width} {temperature:g}"].sum(1).mean()) for temperature in temperatures]
                for width in widths
            ],
        }  # fmt: skip
        return ReportSummary(rows, claims, outcomes, [chart])
