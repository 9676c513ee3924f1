"""The test set is looked at once, after all training and choosing, and nothing that is trained or chosen depends on it.

The same checks catch experiments that were made to peek.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_experiments import NAMES, SEEDS, Outcome, conduct, outcome

from kdlab.datasets import load
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.experiment import Experiment, SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig
from kdlab.experiments.framework.report import ReportRow, ReportSummary
from kdlab.metrics.classification import count_errors
from kdlab.registry import EXPERIMENTS, Entry


def check_order(outcome: Outcome) -> None:
    """The forecast and the training of each seed come first, looks at the test images last."""
    looks = outcome.log.count("look")
    assert looks > 0
    assert outcome.log == ["trained"] * 2 * SEEDS + ["look"] * looks


def check_independence(one: Outcome, other: Outcome) -> None:
    """Weights and choices are the same whatever the test set is, of which the rows nevertheless tell."""
    assert one.pieces
    assert one.pieces.keys() == other.pieces.keys()
    for name, weights in one.pieces.items():
        assert weights.keys() == other.pieces[name].keys()
        assert all(torch.equal(value, other.pieces[name][key]) for key, value in weights.items())
    assert one.chosen == other.chosen
    assert one.report["rows"] != other.report["rows"]


@pytest.mark.process
@pytest.mark.parametrize("name", NAMES)
def test_the_test_set_is_sealed_until_all_is_trained_and_chosen(name: str, tmp_path: Path) -> None:
    one = outcome(name)
    other = conduct(name, tmp_path / "other", dataset="sealed:changed", other="sealed:changed")
    check_order(one)
    check_order(other)
    check_independence(one, other)
    assert one.report["notes"][0] == "The test set is sealed."  # what there is to mind of the data


# --- experiments that peek --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Peeking(Experiment):
    """Looks at the test set where it should not: to learn, to choose, or not at all."""

    peek: str = "never"

    def train(self, study: Any, seed: int) -> Generator[Event, None, TrainedSeed]:
        test, validation = load(self.dataset).test, study.data.validation
        split = test if self.peek == "to learn" else None
        pupils = [NetworkSpec("mlp:4x1", seed), NetworkSpec("mlp:8x1", seed)]
        found = yield from study.train(f"seed {seed}", pupils, TrainConfig(epochs=1, learning_rate=1e-2), split=split)
        asked = test if self.peek == "to choose" else validation
        errors = [count_errors(study.logits(one, asked), asked.labels.cpu().numpy()) for one in found]
        return TrainedSeed({"network": found[int(np.argmin(errors))]}, {"errors": min(errors)})

    def summarize(self, exams: Sequence[SeedResult]) -> ReportSummary:
        return ReportSummary([ReportRow("network", [float(exam.wrong("network").sum()) for exam in exams])], [])


@pytest.mark.parametrize(
    ("peek", "looked", "dependent"),
    [("never", False, False), ("to choose", True, True), ("to learn", True, True)],
)
def test_an_experiment_that_peeks_is_caught(
    peek: str, looked: bool, dependent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXPERIMENTS._entries, "peeking", Entry("peeking", "Peeking", "for tests", Peeking))
    one = conduct("peeking", tmp_path / "one", peek=peek)
    other = conduct("peeking", tmp_path / "other", peek=peek, dataset="sealed:changed")
    for caught, check in ((looked, lambda: check_order(one)), (dependent, lambda: check_independence(one, other))):
        if caught:
            with pytest.raises(AssertionError):
                check()
        else:
            check()


@dataclass(frozen=True, kw_only=True)
class Asking(Peeking):
    """Asks the study for the test images, which it has not."""

    def train(self, study: Any, seed: int) -> Generator[Event, None, TrainedSeed]:
        finished = yield from super().train(study, seed)
        assert (len(study.data.test), study.data.test.images.numel()) == (0, 0)
        return finished


def test_a_study_has_no_test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPERIMENTS._entries, "asking", Entry("asking", "Asking", "for tests", Asking))
    check_order(conduct("asking", tmp_path))


def test_an_experiment_that_is_stopped_has_not_looked(tmp_path: Path) -> None:
    stopped = conduct("ensemble", tmp_path, pieces=2)
    assert len(stopped.pieces) == 2
    assert stopped.log == ["trained"] * SEEDS  # of the forecast
