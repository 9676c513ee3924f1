"""Speech in miniature: frames of spoken digits in place of the paper's acoustic model (its tables 1 and 5)."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.charts import validation_curves
from kdlab.experiments.framework.claims import Claim, Fewer, Keeps
from kdlab.experiments.framework.ensembles import log_power_mean, logit_ensemble
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.groups import draw_recordings, wrong_recordings
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig, TrainedNetwork
from kdlab.experiments.framework.literature import PAPER
from kdlab.experiments.framework.model_selection import best_of, numbers
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.metrics.classification import count_errors
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.datasets import Split
    from kdlab.experiments.framework.trainer import Study

__all__ = ["Speech"]

Values = Mapping[str, NDArray[np.float64]]

# On all recordings, where it falls to 0 (2e-3 and 8e-3 did worse on validation), and on the few, where it stays.
LEARNING_RATE, SMALL_LEARNING_RATE = 4e-3, 2e-3
STEPS_PER_VALIDATION = 100  # steps between two looks at the validation recordings while a small set is learnt from

# What to call a network, and what the paper reports of it: frames right, words wrong; frames right in training.
TABLE_1 = {
    "members": ("baseline, one network (mean)", 58.9, 10.9),
    "geometric": ("ensemble, geometric mean", 61.1, 10.7),
    "arithmetic": ("ensemble, arithmetic mean", None, None),
    "student": ("distilled single network", 60.8, 10.7),
}
TABLE_5 = {
    "members": ("baseline, all {unit}", 63.4, 58.9),
    "stopped": ("baseline, {share:g} %, early stopping", 67.3, 44.5),
    "hard": ("baseline, {share:g} %, no early stopping", None, None),
    "soft": ("soft targets, {share:g} %, no early stopping", 65.4, 57.0),
}
RECORDINGS_NOTE = (
    "Frames of one recording resemble each other, so the noise of every claim is that between recordings; its mean is "
    "that of all frames."
)
NOTES = (
    "The paper's numbers are of another corpus and another task (2,000 hours of voice search, 14,000 states of a "
    "hidden Markov model as classes, word errors of a recogniser): compare the pattern, not the numbers.",
)
SPEAKERS_NOTE = "Training, validation and test recordings are of the same six speakers."


@EXPERIMENTS.add(
    "speech",
    label="Speech in miniature",
    help="frames of spoken digits: an ensemble into one network, and soft targets on 3 % of the recordings",
)
@dataclass(frozen=True, kw_only=True)
class Speech(Experiment):
    """Both of the paper's speech tables: an ensemble distilled into one network, and soft targets as regularisers.

    A network names the digit that is being spoken from a quarter of a second of sound. First ten networks learn from
    all recordings, and one is distilled from them. Then two learn from 3 % of the recordings, at a constant rate and
    for long: one from labels, examined at its best epoch and at its end, one from the ensemble's answers.
    """

    dataset: str = "spoken-digits"
    network: str = "mlp:128x2"
    temperatures: str = "1,2,5,10"
    seeds: int = knob_field("seeds", "Seeds", 5, 1, 100, "how often all is repeated")
    members: int = knob_field("members", "Networks", 10, 2, 100, "in the ensemble")
    epochs: int = knob_field("epochs", "Epochs", 20, 1, 10_000, "on all recordings")
    steps: int = knob_field("steps", "Steps", 2_000, 1, 10_000_000, "on the few recordings", scale="log")
    share: float = knob_field("share", "Share", 3.0, 0.1, 50.0, "per cent of the training recordings", kind=float)
    hard_weight: float = knob_field("hard_weight", "Hard weight", 0.5, 0.0, 1.0, "pull towards the labels", kind=float)

    title: ClassVar = "Speech"
    question: ClassVar = "Does what holds for pictures hold for sounds of speech?"
    quick: ClassVar = {"network": "mlp:64x2", "epochs": 10, "steps": 1_000, "seeds": 1}

    def train(self, study: "Study", seed: int) -> Generator[Event, None, TrainedSeed]:
        """Train the networks and their students on all recordings and on a few; choose temperatures on others."""
        train, validation, first = study.data.train, study.data.validation, seed * 1000
        config = TrainConfig(epochs=self.epochs, seed=seed, learning_rate=LEARNING_RATE)
        specs = [NetworkSpec(self.network, first + index, name=f"network {index + 1}") for index in range(self.members)]
        members = yield from study.train(f"{self.members} networks, seed {seed}", specs, config)
        temperatures, ensemble = numbers(self.temperatures, "temperatures"), logit_ensemble(members)
        specs = [
            NetworkSpec(
                self.network, first + 999, "hinton",
                {"temperature": temperature, "soft_weight": 1.0, "hard_weight": self.hard_weight},
                f"T = {temperature:g}",
            )
            for temperature in temperatures
        ]  # fmt: skip
        students = yield from study.train(f"distilled, seed {seed}", specs, config, teacher=ensemble)
        best = best_of([study.logits(student) for student in students], validation)

        few = draw_recordings(train, self.share, seed, study.data.classes)
        batch = min(config.batch_size, len(few))
        passes = max(1, STEPS_PER_VALIDATION * batch // len(few))
        config = TrainConfig(
            epochs=max(1, round(self.steps / (len(few) * passes // batch))), seed=seed,
            learning_rate=SMALL_LEARNING_RATE, schedule="constant", early_stopping=True,
        )  # fmt: skip
        hard, *soft = yield from study.train(
            f"{self.share:g} %, seed {seed}", [NetworkSpec(self.network, first + 999, name="hard labels"), *specs],
            config, teacher=ensemble, examples=few.repeat(passes),
        )  # fmt: skip
        best_soft = best_of([study.logits(student) for student in soft], validation)

        few_split = train.take(few)
        small = {"hard": hard, "stopped": hard.stopped_early, "soft": soft[best_soft]}

        def accuracy(networks: "Sequence[TrainedNetwork]", split: "Split") -> float:
            labels = split.labels.cpu().numpy()
            return 1 - float(
                np.mean([count_errors(study.logits(network, split), labels) for network in networks])
            ) / len(split)

        return TrainedSeed(
            {"members": members, "student": students[best], **small},
            {
                "temperature": temperatures[best], f"temperature, {self.share:g} %": temperatures[best_soft],
                "stopped after steps": hard.stopped_early.epoch * (len(few) * passes // batch),
                "members: training accuracy": accuracy(members, train),
                **{f"{name}: training accuracy": accuracy([network], few_split) for name, network in small.items()},
            },
        )  # fmt: skip

    def summarize(self, results: Sequence[SeedResult]) -> ReportSummary:
        """Return both tables, and claims whose noise is that between recordings."""
        labels, groups = results[0].labels, results[0].groups
        wrong: dict[str, list[NDArray[np.bool_]]] = {}  # frames by network; then whole recordings
        missed: dict[str, list[NDArray[np.float64]]] = {}
        for result in results:
            networks = {name: logits if logits.ndim == 3 else logits[None] for name, logits in result.logits.items()}
            for name, power in (("geometric", 0.0), ("arithmetic", 1.0)):
                networks[name] = log_power_mean(networks["members"], power)[None]
            for name, logits in networks.items():
                wrong.setdefault(name, []).append(logits.argmax(-1) != labels)
                missed.setdefault(name, []).append(
                    np.stack([wrong_recordings(frame_logits, labels, groups) for frame_logits in logits])
                )
        frames = {name: np.stack(values) for name, values in wrong.items()}
        recordings = {name: np.stack(values) for name, values in missed.items()}
        right = {name: 100 * (1 - values.mean((1, 2))) for name, values in frames.items()}
        whole = {name: values.mean(1) for name, values in recordings.items()}
        outcomes: dict[str, NDArray[Any]] = dict(frames)
        unit, notes = "frames", [*NOTES]
        if groups is not None:  # otherwise frames stand alone, and there are no recordings to speak of
            outcomes |= {f"recordings: {name}": values for name, values in recordings.items()}
            unit, notes = "recordings", [*NOTES, RECORDINGS_NOTE]
        notes += [SPEAKERS_NOTE] if self.dataset == "spoken-digits" else []
        rows, claims = self._rows(results, right, whole, unit), self._claims(right, whole, unit)
        return ReportSummary(rows, claims, outcomes, self._charts(results, unit), notes=notes)

    def _rows(self, results: Sequence[SeedResult], right: Values, whole: Values, unit: str) -> list[ReportRow]:
        rows = []
        for name, (label, accuracy, _) in TABLE_1.items():
            rows.append(
                ReportRow(f"{label}: test frames right", right[name].tolist(), "%", _paper(accuracy), decimals=2)
            )
        for name, (label, _, errors) in TABLE_1.items() if unit == "recordings" else ():
            missed = (100 * whole[name].mean(1)).tolist()
            rows.append(ReportRow(f"{label}: recordings wrong", missed, "%", _paper(errors), decimals=2))
        rows.append(ReportRow("share of the ensemble's gain kept (frames)", [_gain_kept(right)], "%", {PAPER: 86.4}))
        for name, (label, training, test) in TABLE_5.items():
            called = label.format(share=self.share, unit=unit)
            trained = [100 * result.chosen[f"{name}: training accuracy"] for result in results]
            rows.append(ReportRow(f"{called}: training frames right", trained, "%", _paper(training), decimals=2))
            rows.append(ReportRow(f"{called}: test frames right", right[name].tolist(), "%", _paper(test), decimals=2))
        return rows

    def _claims(self, right: Values, whole: Values, unit: str) -> list[Claim]:
        def against(better: str, worse: str) -> str:
            return f"{right[better].mean():.2f} % of the test frames right against {right[worse].mean():.2f} %"

        def missed(better: str, worse: str) -> str:
            return f"{100 * whole[better].mean():.2f} % of them wrong against {100 * whole[worse].mean():.2f} %"

        def frames(text: str, better: str, worse: str) -> Claim:
            return Fewer(text=text, of=better, than=worse, measured=against(better, worse))

        def recordings(text: str, better: str, worse: str) -> Claim:
            names = (f"recordings: {name}" for name in (better, worse))
            return Fewer(text=text, of=next(names), than=next(names), measured=missed(better, worse))

        share, few = _gain_kept(right), f"{self.share:g} % of the {unit}"
        of_recordings = [
            recordings("The ensemble has fewer whole recordings wrong than its networks do.", "geometric", "members"),
            recordings("So has the distilled network.", "student", "members"),
        ]
        return [
            frames("The ensemble has more frames right than its networks do.", "geometric", "members"),
            frames(
                "One network distilled from the ensemble has more frames right than one trained on labels.",
                "student",
                "members",
            ),
            Keeps(
                text="It keeps at least 80 % of the ensemble's gain.",
                baseline="members",
                best="geometric",
                kept="student",
                share=0.8,
                measured="no gain" if math.isnan(share) else f"{share:.0f} % kept",
            ),
            *(of_recordings if unit == "recordings" else ()),
            frames(f"On {few} soft targets beat hard labels, both without early stopping.", "soft", "hard"),
            frames("They do so against hard labels with early stopping as well.", "soft", "stopped"),
            frames(f"Hard labels on {few} need early stopping: more frames are right with it.", "stopped", "hard"),
        ]

    def _charts(self, results: Sequence[SeedResult], unit: str) -> list[dict[str, Any]]:
        """Validation curves of the small set; an epoch there is several passes through it."""
        shown = {"hard": ("hard labels", "baseline"), "soft": ("soft targets", "student")}
        titles = {"errors": "Validation frames wrong", "nats": "Cross-entropy on validation frames"}
        return [
            {
                **validation_curves(results, shown, metric), "title": f"{title}, {self.share:g} % of the {unit}",
                "x": f"about every {STEPS_PER_VALIDATION} steps",
                "y": "wrong validation frames" if metric == "errors" else "nats",
            }
            for metric, title in titles.items()
        ]  # fmt: skip


def _paper(value: float | None) -> dict[str, float]:
    return {} if value is None else {PAPER: value}


def _gain_kept(right: Values) -> float:
    """The share, in per cent, of the ensemble's gain over one network that the distilled one has; NaN of no gain."""
    gain = float((right["geometric"] - right["members"]).mean())
    return 100 * float((right["student"] - right["members"]).mean()) / gain if gain > 0 else math.nan
