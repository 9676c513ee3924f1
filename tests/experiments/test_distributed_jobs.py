"""Every experiment, piece by piece as workers would train them: each with its own needs alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_experiments import NAMES, Outcome, conduct, kind_of, noting, outcome, smallest

from kdlab.datasets import load
from kdlab.experiments.framework.distributed_jobs import Scout, train_ready_job
from kdlab.experiments.framework.events import JobStarted, JobValidated
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.registry import InputError
from kdlab.runs.protocol import RunContext
from kdlab.train import group
from kdlab.train.device import training_context

pytestmark = pytest.mark.process


def train_apart(name: str, folder: Path, **changes: Any) -> list[list[str]]:
    """Train all pieces of an experiment, each on its own; return the labels of those that could be at once."""
    folder.mkdir()
    rounds = []
    with noting(kind_of(name)), training_context():
        experiment = kind_of(name).of_size(True, **smallest(name, **changes))
        scout = Scout(load(experiment.dataset), WeightsCache(folder))
        while tasks := scout.find_ready(experiment):
            rounds.append([task.label for task in tasks.values()])
            for piece, task in reversed(tasks.items()):
                needs = {
                    f"{need}.safetensors": (folder / f"{need}.safetensors").read_bytes() for need in task.dependencies
                }
                *_, saved = train_ready_job(
                    RunContext(checkpoint=needs), experiment, task.seed, piece, task.replays, torch.get_num_threads()
                )
                assert saved.final  # type: ignore[union-attr]
                for file, content in saved.files.items():  # type: ignore[union-attr]
                    (folder / file).write_bytes(content)
    return rounds


def check_pieces(whole: Outcome, name: str, folder: Path, **changes: Any) -> list[list[str]]:
    """Check that an experiment in pieces is as it is as a whole; return the labels of those that could be at once."""
    rounds = train_apart(name, folder, **changes)
    again = conduct(name, folder, **changes)
    assert all(event.kept for event in again.every(JobStarted)), "something was not trained apart"
    assert again.numbers == whole.numbers
    labels = [label for one in rounds for label in one]
    assert len(labels) == len(set(labels)), "something was trained twice"
    assert max(map(len, rounds)) >= 2, "nothing could be trained at once"
    return rounds


@pytest.mark.parametrize("name", [name for name in NAMES if name != "specialists"])
def test_an_experiment_in_pieces_is_the_same(name: str, tmp_path: Path) -> None:
    check_pieces(outcome(name), name, tmp_path / "apart")


def test_specialists_do_not_wait_for_one_another(tmp_path: Path) -> None:
    changes = {"network": "cnn:width=2", "seeds": 1}  # it has by far the most pieces
    whole = conduct("specialists", tmp_path / "whole", **changes)
    rounds = check_pieces(whole, "specialists", tmp_path / "apart", **changes)
    assert [label for label in rounds[1] if label.startswith("specialist ") and label.endswith("seed 0")] == [
        f"specialist {at} of 3, seed 0" for at in (1, 2, 3)
    ]


def test_another_piece_than_was_asked_for_is_refused() -> None:
    experiment = kind_of("early-stopping").of_size(True, dataset="digits", teacher="mlp:4x1", student="mlp:4x1")
    with pytest.raises(InputError, match="other pieces"):
        list(train_ready_job(RunContext(), experiment, 0, "nothing", (), 1))


def test_threads_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    experiment = kind_of("early-stopping").of_size(True, dataset="digits", teacher="mlp:1200x2", student="mlp:4x1")
    (piece,) = Scout(load("digits"), WeightsCache(tmp_path)).find_ready(experiment)
    trained_on, adam = set(), group.adam

    def step(*arguments: Any, **options: Any) -> None:
        trained_on.add(torch.get_num_threads())
        adam(*arguments, **options)

    monkeypatch.setattr(group, "adam", step)
    events = train_ready_job(RunContext(), experiment, 0, piece, (), before + 1)
    watched = (event for event in events if isinstance(event, JobValidated))
    next(watched)
    next(watched)  # before the first epoch, and after it
    assert trained_on == {before + 1}  # which the training chose, as it is a large network
    assert torch.get_num_threads() == before
    events.close()
    assert torch.get_num_threads() == before
