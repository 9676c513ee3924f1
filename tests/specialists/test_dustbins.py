"""Specialists begin as the generalist, learn half special and half random images, and are corrected for it."""

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdlab.datasets import Dataset, load
from kdlab.experiments.framework.events import JobStarted, JobValidated
from kdlab.experiments.framework.jobs import DataOverride, NetworkSpec, TrainConfig, TrainedNetwork
from kdlab.experiments.framework.trainer import Study
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.experiments.specialists import SpecialistsExperiment
from kdlab.experiments.specialists_model import specialist_ensemble
from kdlab.registry import InputError
from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.model import DUSTBIN, Specialist, balanced_sample, dustbin_bias, relabelled
from kdlab.specialists.routing import route
from kdlab.train.evaluate import predict
from kdlab.train.loop import make_network

SUBSET = (8, 3, 5)


def finish(running: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value


def noted(running: Generator[Any, None, Any], events: list[Any]) -> Generator[Any, None, Any]:
    while True:
        try:
            events.append(next(running))
        except StopIteration as end:
            return end.value
        yield events[-1]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load("digits")


@pytest.fixture(scope="module")
def generalist(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> TrainedNetwork:
    study = Study(data, WeightsCache(tmp_path_factory.mktemp("generalist")))
    (found,) = finish(
        study.train("generalist", [NetworkSpec("mlp:32x1", 0)], TrainConfig(epochs=10, learning_rate=4e-3))
    )
    assert isinstance(found, TrainedNetwork)
    return found


@pytest.mark.parametrize("network", ["mlp:16x2", "cnn:width=4", "resnet18", "mobilenet_v3_small"])
def test_a_specialist_begins_with_all_that_the_generalist_says(data: Dataset, network: str) -> None:
    general = make_network(network, data, 0, "student").eval()
    special = Specialist(general, SUBSET, 10).eval()
    some = data.validation.take(torch.arange(8))
    p, own = predict(general, some).softmax(1), predict(special, some).softmax(1)
    assert own.shape == (8, 4)
    torch.testing.assert_close(own[:, :3], p[:, list(SUBSET)])
    torch.testing.assert_close(own[:, 3], 1 - p[:, list(SUBSET)].sum(1))
    # Raised is the dustbin's logit, and nothing else; neither the specialist nor the generalist changes with it.
    raised = predict(special.with_dustbin_bias(1.5), some)
    torch.testing.assert_close(raised, predict(special, some) + torch.tensor([0.0, 0.0, 0.0, 1.5]))
    torch.testing.assert_close(predict(general, some).softmax(1), p)
    assert all(a is not b for a, b in zip(general.parameters(), special.parameters(), strict=True))


def test_a_specialist_sees_its_classes_and_a_dustbin(data: Dataset) -> None:
    seen = relabelled(data, SUBSET)
    assert seen.classes == ("8", "3", "5", DUSTBIN)
    assert len(seen.test) == 0
    for own, whole in ((seen.train, data.train), (seen.validation, data.validation)):
        assert own.images is whole.images
        for label, name in zip(own.labels.tolist(), whole.labels.tolist(), strict=True):
            assert label == (SUBSET.index(name) if name in SUBSET else 3)


@pytest.mark.parametrize("subset", [(8,), SUBSET, (0, 1, 2, 3, 4, 5, 6, 7)])
def test_half_of_what_it_sees_is_special(data: Dataset, subset: tuple[int, ...]) -> None:
    labels = data.train.labels
    shown = balanced_sample(labels, subset, 0)
    special = torch.isin(labels[shown], torch.tensor(subset))
    assert len(shown) == len(labels)
    assert special.sum() == len(labels) // 2
    counts = torch.bincount(shown, minlength=len(labels))
    for part in (torch.isin(labels, torch.tensor(subset)), ~torch.isin(labels, torch.tensor(subset))):
        assert counts[part].max() - counts[part].min() <= 1
    assert torch.equal(shown, balanced_sample(labels, subset, 0))
    assert not torch.equal(shown, balanced_sample(labels, subset, 1))


def test_without_images_of_its_classes_there_is_nothing_to_learn(data: Dataset) -> None:
    with pytest.raises(InputError, match="training images"):
        balanced_sample(data.train.labels.clamp(max=6), (8,), 0)


@pytest.mark.parametrize(("subsets", "told"), [("", "There is no training image of 'ten'"), ("ten, 1", "Specialist 1")])
def test_a_class_without_data_is_refused_before_anything_is_trained(
    data: Dataset, subsets: str, told: str, tmp_path: Path
) -> None:
    study = Study(replace(data, classes=(*data.classes, "ten")), WeightsCache(tmp_path))
    with pytest.raises(InputError, match=told):
        next(SpecialistsExperiment(dataset="digits", network="mlp:8x1", subsets=subsets).train(study, 0))
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_of_another_subset_is_trained_anew(
    data: Dataset, generalist: TrainedNetwork, tmp_path: Path
) -> None:
    """A found specialist is named by how it was found: once other classes are found, its weights are no use."""
    kept = []
    for subset in (SUBSET, SUBSET, (1, 7, 4)):
        start = Specialist(generalist.module, subset, 10)
        shown = balanced_sample(data.train.labels, subset, 0)
        subject = DataOverride("found", relabelled(data, subset), start, shown, list(subset))
        events: list[Any] = []
        running = Study(data, WeightsCache(tmp_path)).train(
            "one", [NetworkSpec("mlp:32x1", 0)], TrainConfig(epochs=1), overrides=[subject]
        )
        finish(noted(running, events))
        kept += [event.kept for event in events if isinstance(event, JobStarted)]
    assert kept == [False, True, False]


def test_the_correction_gives_the_posterior_of_the_data_as_they_are() -> None:
    """Three classes on a line: what is right for the specialist's mixture becomes right for the natural one."""
    natural, centres = torch.tensor([0.15, 0.05, 0.8]).double(), torch.tensor([0.0, 1.0, 2.0]).double()
    labels = torch.multinomial(natural, 100_000, replacement=True, generator=torch.Generator().manual_seed(0))
    shown = balanced_sample(labels, (0, 1), 0)
    x = torch.linspace(-2, 4, 50)[:, None].double()
    likelihood = -((x - centres) ** 2) / 2

    def posterior(chosen: torch.Tensor) -> torch.Tensor:
        """Its logits: class 0, class 1, dustbin."""
        return likelihood + torch.bincount(chosen, minlength=3).double().log()

    learnt = posterior(labels[shown])
    learnt[:, 2] += dustbin_bias(labels, (0, 1), shown)
    torch.testing.assert_close(learnt.softmax(1), posterior(labels).softmax(1), atol=2e-3, rtol=0)
    assert dustbin_bias(labels, (0, 1), shown) > 1  # rare classes are shown much more often than they are met


def test_a_consultation_is_route_and_combination(data: Dataset, generalist: TrainedNetwork) -> None:
    subsets = [(8, 3, 5), (1, 7), (4, 9, 8)]
    networks = [
        TrainedNetwork(Specialist(generalist.module, one, 10).with_dustbin_bias(0.3 * at), f"{at}")
        for at, one in enumerate(subsets)
    ]
    first = predict(generalist.module, data.validation).numpy()
    said = [predict(one.module, data.validation).numpy() for one in networks]
    for direction in DIRECTIONS:
        alone = specialist_ensemble(generalist, networks, subsets, 0, direction, "none")
        np.testing.assert_allclose(
            predict(alone.module, data.validation).softmax(1), torch.tensor(first).softmax(1), atol=1e-6
        )
        for n in (1, 2):
            found = predict(
                specialist_ensemble(generalist, networks, subsets, n, direction, "some").module, data.validation
            )
            expected = combine(first, said, subsets, route(first, subsets, n), direction)
            np.testing.assert_allclose(found.exp(), np.exp(expected), atol=1e-6)


def test_what_learnt_from_other_subsets_is_not_taken_for_the_same(generalist: TrainedNetwork) -> None:
    """Neither n nor the direction tells: a student's teacher is marked with its subsets too."""
    marks = []
    for subset in (SUBSET, (1, 7, 4)):
        special = TrainedNetwork(Specialist(generalist.module, subset, 10), "found")
        marks.append(specialist_ensemble(generalist, [special], [subset], 1, "forward", "consulted").cache_tag)
    assert marks[0] != marks[1]
    assert json.loads(json.dumps(marks)) == marks


def test_specialists_are_asked_for_the_first_classes_of_the_generalist() -> None:
    logits = np.array([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]], dtype=np.float32)
    subsets = [(0, 1), (2,), (1, 3)]
    assert route(logits, subsets, 0).tolist() == [[False] * 3] * 2
    assert route(logits, subsets, 1).tolist() == [[True, False, False], [False, False, True]]
    assert route(logits, subsets, 2).tolist() == [[True, False, True], [False, True, True]]
    assert route(logits, subsets, 9).tolist() == [[True] * 3] * 2


def test_a_subject_is_learnt_from_its_own_beginning_and_kept_by_its_name(
    data: Dataset, generalist: TrainedNetwork, tmp_path: Path
) -> None:
    store = WeightsCache(tmp_path)

    def learn(name: str, epochs: int = 1, rate: float = 1e-3) -> tuple[TrainedNetwork, list[str]]:
        study = Study(data, store)
        shown = balanced_sample(data.train.labels, SUBSET, 0)
        start = Specialist(generalist.module, SUBSET, 10)
        subject = DataOverride(name, relabelled(data, SUBSET), start, shown)
        before = {key: value.clone() for key, value in start.state_dict().items()}
        course = TrainConfig(epochs=epochs, learning_rate=rate)
        (one,) = finish(study.train("specialist", [NetworkSpec("mlp:32x1", 0)], course, overrides=[subject]))
        assert all(torch.equal(value, before[key]) for key, value in start.state_dict().items())
        return one, sorted(path.name for path in tmp_path.iterdir())

    one, kept = learn("first")
    again, kept_again = learn("first")
    assert kept == kept_again
    assert one.name == again.name
    for a, b in zip(one.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(a, b)
    other, kept_other = learn("second")
    assert other.name != one.name
    assert len(kept_other) == 2
    # Its curve begins where the generalist stands, by the specialist's own labels, not at chance.
    start = predict(Specialist(generalist.module, SUBSET, 10), data.validation).argmax(1)
    assert one.curve["errors"][0] == int((start != relabelled(data, SUBSET).validation.labels).sum())
    with torch.no_grad():
        moved = [
            (a - b).norm() / b.norm()
            for a, b in zip(one.module.parameters(), generalist.module.parameters(), strict=True)
        ]
    assert 0 < max(moved) < 0.2


def test_specialists_that_train_together_end_as_each_would_alone(
    data: Dataset, generalist: TrainedNetwork, tmp_path: Path
) -> None:
    subsets = [SUBSET, (1, 7), (4, 9, 8, 2)]  # heads of different sizes over networks of one build
    subjects = [
        DataOverride(
            f"{at}", relabelled(data, subset), Specialist(generalist.module, subset, 10),
            balanced_sample(data.train.labels, subset, 0),
        )
        for at, subset in enumerate(subsets)
    ]  # fmt: skip
    pupils = [NetworkSpec("mlp:32x1", 0) for _ in subjects]
    course = TrainConfig(epochs=2, precision="float32")
    events = []
    running = Study(data, WeightsCache(tmp_path / "one")).train("all", pupils, course, overrides=subjects)
    together = finish(noted(running, events))
    for at, (pupil, subject) in enumerate(zip(pupils, subjects, strict=True)):
        study = Study(data, WeightsCache(tmp_path / "each"))
        (alone,) = finish(study.train("one", [pupil], course, overrides=[subject]))
        assert alone.curve["errors"] == together[at].curve["errors"]
        for a, b in zip(alone.module.parameters(), together[at].module.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    assert len(list((tmp_path / "one").iterdir())) == 1
    assert {event.label for event in events if isinstance(event, JobValidated)} == {"all"}
