"""Can a perceptron do what a convolutional network does, and at what cost?"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kdlab.experiments.framework.charts import lines, series
from kdlab.experiments.framework.claims import Fewer
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec
from kdlab.experiments.framework.model_selection import whole_numbers
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.experiments.framework.teachers import EXPERT, VIEWS, convolutional_teachers, on_views
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["CnnToMlp"]


@EXPERIMENTS.add(
    "cnn-to-mlp",
    label="From a CNN into an MLP",
    help="perceptrons of several widths, distilled or on labels: errors, parameters, multiply-adds and latency",
)
@dataclass(frozen=True, kw_only=True)
class CnnToMlp(Experiment):
    """A perceptron has no idea of what a picture is; does a teacher that has one give it away?

    Perceptrons of several widths learn from convolutional networks on affine views, beside others that have the labels
    of the same views. Their errors stand beside what an answer costs. (On CIFAR-10 Urban et al. 2016 found that such
    perceptrons stay under 75 %; MNIST is kinder.)
    """

    network: str = EXPERT
    augmentation: str = VIEWS
    widths: str = "100,300,800"
    teachers: int = knob_field("teachers", "CNN teachers", 3, 1, 20, "that answer together")
    cnn_epochs: int = knob_field("cnn_epochs", "CNN epochs", 10, 1, 10_000, "of each of these")
    temperature: float = knob_field("temperature", "Temperature", 4.0, 0.5, 50.0, "of the distilled", kind=float)
    epochs: int = knob_field("epochs", "Epochs", 60, 1, 10_000, "of the perceptrons")

    title: ClassVar = "From a convolutional network to a plain one"
    question: ClassVar = "Can a network that knows nothing of pictures learn from one that is made for them?"
    quick: ClassVar = {
        "seeds": 1, "network": "cnn:width=8", "augmentation": "affine:views=4:degrees=12:scale=0.12:pixels=2",
        "widths": "30,100", "teachers": 1, "cnn_epochs": 2, "epochs": 8,
    }  # fmt: skip

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the teachers, once, and two perceptrons of each width; time their answers side by side."""
        experts, cnn = yield from convolutional_teachers(
            study, self.network, self.teachers, self.cnn_epochs, self.augmentation
        )
        knobs = {"temperature": self.temperature, "soft_weight": 1.0, "hard_weight": 0.0}
        networks = {"cnn": cnn, "experts": experts}
        for width in whole_numbers(self.widths, "widths"):
            name = f"mlp:{width}x2"
            soft, hard = yield from study.train(
                f"{width} units, seed {seed}",
                [NetworkSpec(name, seed, "hinton", knobs, "distilled"), NetworkSpec(name, seed, name="hard labels")],
                on_views(self.epochs, seed, self.augmentation), teacher=experts,
            )  # fmt: skip
            networks |= {f"soft {width}": soft.stopped_early, f"hard {width}": hard.stopped_early}
        timed = {name: network for name, network in networks.items() if name == "cnn" or name.startswith("soft")}
        latency = {str(batch): study.latency(timed, batch) for batch in (1, 256)}
        return TrainedSeed(networks, {"latency": latency})

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return errors and costs by width."""
        widths, sizes = whole_numbers(self.widths, "widths"), results[0].sizes
        wrong = {name: np.stack([result.wrong(name) for result in results]) for name in results[0].logits}
        rows = [
            ReportRow("one CNN", wrong["cnn"].sum(1)[:1], decimals=0),
            ReportRow("CNN teachers together", wrong["experts"].sum(1)[:1], decimals=0),
        ]
        for width in widths:
            rows.append(ReportRow(f"MLP of {width} units, distilled", wrong[f"soft {width}"].sum(1)))
            rows.append(ReportRow(f"MLP of {width} units, hard labels, same views", wrong[f"hard {width}"].sum(1)))
        called = {"cnn": "one CNN"} | {f"soft {width}": f"MLP of {width} units" for width in widths}
        for key, label in called.items():
            rows.append(ReportRow(f"{label}: parameters", [sizes[key]["parameters"] / 1e3], "thousand"))
            rows.append(
                ReportRow(f"{label}: multiply-adds", [sizes[key]["multiply_adds"] / 1e6], "million", decimals=3)
            )
        for batch in ("1", "256"):
            for key, label in called.items():
                ratios = [
                    result.chosen["latency"][batch][key] / result.chosen["latency"][batch]["cnn"] for result in results
                ]
                if key != "cnn":
                    name = f"{label}: time for an answer, {batch} at once, one thread"
                    rows.append(ReportRow(name, ratios, "times the CNN's", decimals=2, detail=batch == "256"))
        wide = max(widths)
        ratio = sizes["cnn"]["multiply_adds"] / sizes[f"soft {wide}"]["multiply_adds"]
        claims = [
            Fewer(
                text=f"The MLP of {width} units makes fewer errors distilled than with hard labels on the same views.",
                of=f"soft {width}",
                than=f"hard {width}",
                measured=f"{wrong[f'soft {width}'].sum(1).mean():.1f} errors against "
                f"{wrong[f'hard {width}'].sum(1).mean():.1f}",
            )
            for width in widths
        ]
        if ratio > 1:
            claims.append(
                Fewer(
                    text=f"The MLP of {wide} units makes no more errors than one CNN, at fewer multiply-adds.",
                    of=f"soft {wide}",
                    than="cnn",
                    measured=f"{wrong[f'soft {wide}'].sum(1).mean():.1f} errors against "
                    f"{wrong['cnn'].sum(1).mean():.0f}, with {1 / ratio:.2f} of its multiply-adds",
                )
            )
        x = [sizes[f"soft {width}"]["multiply_adds"] / 1e6 for width in widths]
        drawn = [
            series(label, role, x, np.stack([wrong[f"{kind} {width}"].sum(1) for width in widths], 1).tolist())
            for kind, label, role in (("hard", "MLP, hard labels", "baseline"), ("soft", "MLP, distilled", "student"))
        ]
        alone = [sizes["cnn"]["multiply_adds"] / 1e6], [[float(wrong["cnn"].sum(1)[0])]]
        drawn.append(series("one CNN", "teacher", *alone))
        return ReportSummary(
            rows,
            claims,
            wrong,
            [lines("Errors by computation", "million multiply-adds", "test errors", drawn, log=True)],
        )
