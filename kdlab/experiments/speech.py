"""Speech in miniature: frames of spoken digits in place of the paper's acoustic model (its tables 1 and 5)."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.charts import validation_curves
from kdlab.experiments.framework.claims import Claim, Fewer, Keeps
from kdlab.experiments.framework.ensembles import combine, committee
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Exam, Experiment, Finished
from kdlab.experiments.framework.groups import draw_recordings, wrong_recordings
from kdlab.experiments.framework.jobs import Course, Pupil, Trained
from kdlab.experiments.framework.literature import PAPER
from kdlab.experiments.framework.model_selection import best_of, numbers
from kdlab.experiments.framework.report import Row, Summary
from kdlab.metrics.classification import count_errors
from kdlab.registry import EXPERIMENTS, knob_field

if TYPE_CHECKING:
    from kdlab.datasets import Split
    from kdlab.experiments.framework.trainer import Study

__all__ = ["Speech"]

Values = Mapping[str, NDArray[np.float64]]

# On all recordings, where it falls to 0 (2e-3 and 8e-3 did worse on validation), and on the few, where it stays.
LEARNING_RATE, SMALL_LEARNING_RATE = 4e-3, 2e-3
LOOK = 100  # steps between two looks at the validation recordings while a small set is learnt from

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

    quick: ClassVar = {"network": "mlp:64x2", "epochs": 10, "steps": 1_000, "seeds": 1}

    def train(self, study: "Study", seed: int) -> Generator[Event, None, Finished]:
        """Train the networks and their students on all recordings and on a few; choose temperatures on others."""
        train, validation, first = study.data.train, study.data.validation, seed * 1000
        course = Course(epochs=self.epochs, seed=seed, learning_rate=LEARNING_RATE)
        pupils = [Pupil(self.network, first + at, name=f"network {at + 1}") for at in range(self.members)]
        members = yield from study.learn(f"{self.members} networks, seed {seed}", pupils, course)
        temperatures, ensemble = numbers(self.temperatures, "temperatures"), committee(members)
        pupils = [
            Pupil(
                self.network, first + 999, "hinton",
                {"temperature": one, "soft_weight": 1.0, "hard_weight": self.hard_weight}, f"T = {one:g}",
            )
            for one in temperatures
        ]  # fmt: skip
        students = yield from study.learn(f"distilled, seed {seed}", pupils, course, guide=ensemble)
        best = best_of([study.logits(one) for one in students], validation)

        few = draw_recordings(train, self.share, seed, study.data.classes)
        batch = min(course.batch_size, len(few))
        passes = max(1, LOOK * batch // len(few))
        course = Course(
            epochs=max(1, round(self.steps / (len(few) * passes // batch))), seed=seed,
            learning_rate=SMALL_LEARNING_RATE, schedule="constant", early_stopping=True,
        )  # fmt: skip
        hard, *soft = yield from study.learn(
            f"{self.share:g} %, seed {seed}", [Pupil(self.network, first + 999, name="hard labels"), *pupils], course,
            guide=ensemble, examples=few.repeat(passes),
        )  # fmt: skip
        best_soft = best_of([study.logits(one) for one in soft], validation)

        seen = train.take(few)
        small = {"hard": hard, "stopped": hard.stopped_early, "soft": soft[best_soft]}

        def accuracy(networks: "Sequence[Trained]", split: "Split") -> float:
            labels = split.labels.cpu().numpy()
            return 1 - float(np.mean([count_errors(study.logits(one, split), labels) for one in networks])) / len(split)

        return Finished(
            {"members": members, "student": students[best], **small},
            {
                "temperature": temperatures[best], f"temperature, {self.share:g} %": temperatures[best_soft],
                "stopped after steps": hard.stopped_early.epoch * (len(few) * passes // batch),
                "members: training accuracy": accuracy(members, train),
                **{f"{name}: training accuracy": accuracy([network], seen) for name, network in small.items()},
            },
        )  # fmt: skip

    def sum_up(self, exams: Sequence[Exam]) -> Summary:
        """Return both tables, and claims whose noise is that between recordings."""
        labels, groups = exams[0].labels, exams[0].groups
        wrong: dict[str, list[NDArray[np.bool_]]] = {}  # frames by network; then whole recordings
        missed: dict[str, list[NDArray[np.float64]]] = {}
        for exam in exams:
            networks = {name: own if own.ndim == 3 else own[None] for name, own in exam.logits.items()}
            for name, power in (("geometric", 0.0), ("arithmetic", 1.0)):
                networks[name] = combine(networks["members"], power)[None]
            for name, own in networks.items():
                wrong.setdefault(name, []).append(own.argmax(-1) != labels)
                missed.setdefault(name, []).append(np.stack([wrong_recordings(one, labels, groups) for one in own]))
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
        rows, claims = self._rows(exams, right, whole, unit), self._claims(right, whole, unit)
        return Summary(rows, claims, outcomes, self._charts(exams, unit), notes=notes)

    def _rows(self, exams: Sequence[Exam], right: Values, whole: Values, unit: str) -> list[Row]:
        rows = []
        for name, (label, accuracy, _) in TABLE_1.items():
            rows.append(Row(f"{label}: test frames right", right[name].tolist(), "%", _paper(accuracy), place=2))
        for name, (label, _, errors) in TABLE_1.items() if unit == "recordings" else ():
            missed = (100 * whole[name].mean(1)).tolist()
            rows.append(Row(f"{label}: recordings wrong", missed, "%", _paper(errors), place=2))
        rows.append(Row("share of the ensemble's gain kept (frames)", [_kept(right)], "%", {PAPER: 86.4}))
        for name, (label, training, test) in TABLE_5.items():
            called = label.format(share=self.share, unit=unit)
            trained = [100 * exam.chosen[f"{name}: training accuracy"] for exam in exams]
            rows.append(Row(f"{called}: training frames right", trained, "%", _paper(training), place=2))
            rows.append(Row(f"{called}: test frames right", right[name].tolist(), "%", _paper(test), place=2))
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

        share, few = _kept(right), f"{self.share:g} % of the {unit}"
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

    def _charts(self, exams: Sequence[Exam], unit: str) -> list[dict[str, Any]]:
        """Validation curves of the small set; an epoch there is several passes through it."""
        shown = {"hard": ("hard labels", "baseline"), "soft": ("soft targets", "student")}
        titles = {"errors": "Validation frames wrong", "nats": "Cross-entropy on validation frames"}
        return [
            {
                **validation_curves(exams, shown, what), "title": f"{title}, {self.share:g} % of the {unit}",
                "x": f"about every {LOOK} steps", "y": "wrong validation frames" if what == "errors" else "nats",
            }
            for what, title in titles.items()
        ]  # fmt: skip


def _paper(value: float | None) -> dict[str, float]:
    return {} if value is None else {PAPER: value}


def _kept(right: Values) -> float:
    """The share, in per cent, of the ensemble's gain over one network that the distilled one has; NaN of no gain."""
    gain = float((right["geometric"] - right["members"]).mean())
    return 100 * float((right["student"] - right["members"]).mean()) / gain if gain > 0 else math.nan
