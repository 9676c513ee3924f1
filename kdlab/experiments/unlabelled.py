"""Transfer sets without labels: the teacher's own kind of images, another data set, and noise."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kdlab.experiments.framework.claims import All, Fewer
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.experiments.framework.teachers import JITTER, PERCEPTRON, perceptron_teacher
from kdlab.lazy import torch
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.datasets import Split
    from kdlab.experiments.framework.trainer import Study

__all__ = ["Unlabelled"]


@EXPERIMENTS.add(
    "unlabelled",
    label="Without labels",
    help="images whose labels nobody knows, images of another data set, and noise as transfer sets",
)
@dataclass(frozen=True, kw_only=True)
class Unlabelled(Experiment):
    """A transfer set needs no labels, and it need not even come from the same place.

    First, few labels: a teacher learns from a small part with labels, a student from its answers to all images, none
    of whose labels it sees. Then, other images: students of a teacher that saw everything learn from its answers to
    another data set, to smooth noise and to plain noise.
    """

    teacher: str = PERCEPTRON
    student: str = "mlp:800x2"
    other: str = "digits"
    share: float = knob_field("share", "Labelled share", 3.0, 0.1, 100.0, "per cent of the images", kind=float)
    temperature: float = knob_field("temperature", "Temperature", 8.0, 0.5, 50.0, "of the students", kind=float)
    teacher_epochs: int = knob_field("teacher_epochs", "Teacher epochs", 120, 1, 10_000, "of the perceptron")
    epochs: int = knob_field("epochs", "Epochs", 8, 1, 10_000, "of as many images as the data set has")

    title: ClassVar = "Few, missing or no labels"
    quick: ClassVar = {
        "seeds": 1, "teacher": "mlp:400x2:dropout=0.2:max_norm=3", "student": "mlp:200x2", "teacher_epochs": 8,
        "epochs": 6,
    }  # fmt: skip

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train two teachers, one of all labels (once) and one of few, and a student on each transfer set."""
        from kdlab.experiments.framework.transfer_sets import noise, resized, smooth_noise
        from kdlab.train.batches import transfer_set

        teacher = yield from perceptron_teacher(study, self.teacher, self.teacher_epochs)
        train = study.data.train
        knobs = {"temperature": self.temperature, "soft_weight": 1.0, "hard_weight": 0.0}
        spec = NetworkSpec(self.student, seed, "hinton", knobs)
        config = TrainConfig(epochs=self.epochs, seed=seed, augmentation=JITTER)

        few = transfer_set(train, max(1, round(len(train) * self.share / 100)), seed)
        # As many steps on few images as on all.
        repeated = few.repeat(max(1, len(train) // len(few)))
        (novice,) = yield from study.train(
            f"teacher with few labels, seed {seed}", [NetworkSpec(self.teacher, seed)], config, examples=repeated
        )
        (hard,) = yield from study.train(
            f"student with few labels, seed {seed}", [NetworkSpec(self.student, seed)], config, examples=repeated
        )
        (fewer,) = yield from study.train(
            f"its student, the same few images, seed {seed}", [spec], config, teacher=novice, examples=repeated
        )
        (taught,) = yield from study.train(f"all images, no labels, seed {seed}", [spec], config, teacher=novice)

        (same_images,) = yield from study.train(f"the same images, seed {seed}", [spec], config, teacher=teacher)
        networks = {
            "teacher": teacher,
            "novice": novice,
            "hard": hard,
            "fewer": fewer,
            "taught": taught,
            "own": same_images,
        }
        generator = torch.Generator().manual_seed(seed)
        others: dict[str, Split] = {
            "other": resized(self.other, study.data.shape, study.device),
            "smooth": smooth_noise(len(train), study.data.shape, generator).to(study.device),
            "noise": noise(len(train), study.data.shape, generator).to(study.device),
        }
        for name, split in others.items():
            repeated = torch.arange(len(split)).repeat(max(1, len(train) // len(split)))
            (networks[name],) = yield from study.train(
                f"{name}, seed {seed}", [spec], config, teacher=teacher, split=split, examples=repeated
            )
        return TrainedSeed(networks)

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return test errors by transfer set."""
        wrong = {name: np.stack([result.wrong(name) for result in results]) for name in results[0].logits}
        called = {
            "novice": f"teacher with {self.share:g} % of the labels",
            "hard": f"student with {self.share:g} % of the labels",
            "fewer": "its student, the same few images",
            "taught": "its student, all images without labels", "teacher": "teacher with all labels",
            "own": "student, the same images without labels", "other": f"student, images of {self.other}",
            "smooth": "student, smooth noise", "noise": "student, plain noise",
        }  # fmt: skip
        rows = [
            ReportRow(
                label, wrong[name].sum(1)[: 1 if name == "teacher" else None], decimals=0 if name == "teacher" else 1
            )
            for name, label in called.items()
        ]
        labels = results[0].labels
        # What always gives the commonest class of the test needs to know nothing of images.
        wrong["constant"] = np.broadcast_to(labels != np.bincount(labels).argmax(), wrong["own"].shape)
        constant = 100 * wrong["constant"].mean()
        strangers = {"other": self.other, "smooth": "smooth noise", "noise": "plain noise"}
        claims = [
            Fewer(
                text="Images without labels help: with them, the student of a teacher with few labels makes fewer "
                "errors.",
                of="taught",
                than="fewer",
                measured=f"{wrong['taught'].sum(1).mean():.1f} against {wrong['fewer'].sum(1).mean():.1f}",
            ),
            Fewer(
                text="That student makes fewer errors than one trained on just those labels.",
                of="taught",
                than="hard",
                measured=f"{wrong['taught'].sum(1).mean():.1f} against {wrong['hard'].sum(1).mean():.1f}",
            ),
            *(
                Fewer(
                    text=f"A student taught on {where} alone knows something of images it never saw the like of: it "
                    f"makes fewer errors than the best constant answer.",
                    of=name,
                    than="constant",
                    measured=f"{100 * wrong[name].mean():.1f} % wrong, the constant answer {constant:.2f} %",
                )
                for name, where in strangers.items()
            ),
            All(
                text="None of the three takes the place of the images themselves: with each the student makes more "
                "errors.",
                parts=tuple(Fewer(text=where, of="own", than=name, measured="") for name, where in strangers.items()),
                measured=f"{' / '.join(f'{wrong[name].sum(1).mean():.1f}' for name in strangers)} against "
                f"{wrong['own'].sum(1).mean():.1f}",
            ),
        ]
        return ReportSummary(rows, claims, wrong)
