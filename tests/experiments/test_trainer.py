"""Pieces of training: found again only when all is equal, never half kept, and what early stopping leaves of them."""

import dataclasses
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from misfits import FOR_ALL, FOR_LEARNERS, Answering, Misfit
from safetensors.torch import load_file
from torch import Tensor, nn

from kdlab.augmentations import make_views
from kdlab.datasets import Dataset, Split, load
from kdlab.experiments.framework import trainer as module
from kdlab.experiments.framework.ensembles import logit_ensemble
from kdlab.experiments.framework.events import JobStarted
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig, TrainedNetwork
from kdlab.experiments.framework.run import reproduce_events
from kdlab.experiments.framework.trainer import Study
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.losses import Part
from kdlab.metrics.classification import count_errors
from kdlab.registry import AUGMENTATIONS, LOSSES, MODELS, Entry, InputError, Registry
from kdlab.train import clock
from kdlab.train.loop import make_network

# 1,294 training images: two steps an epoch.
COURSE = TrainConfig(epochs=1, batch_size=512, learning_rate=1e-2)
SOFT = {"temperature": 4.0, "soft_weight": 1.0, "hard_weight": 0.0}


def learn(
    study: Study, *pupils: NetworkSpec, course: TrainConfig = COURSE, **rest: Any
) -> tuple[list[TrainedNetwork], bool]:
    """What was trained, and whether it was found."""
    learning, kept = study.train("piece", pupils, course, **rest), []
    while True:
        try:
            event = next(learning)
        except StopIteration as end:
            return end.value, kept == [True]
        if isinstance(event, JobStarted):
            kept.append(event.kept)


def open_study(folder: Path, **changes: Split) -> Study:
    """A study as another process would open it."""
    return Study(replace(load("digits"), **changes), WeightsCache(folder))


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    for (name, value), (other_name, expected) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        assert name == other_name
        assert torch.equal(value, expected)


def errors(study: Study, network: TrainedNetwork) -> int:
    return count_errors(study.logits(network), study.data.validation.labels.numpy())


def test_the_seconds_of_a_piece_are_without_those_of_its_consumer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = 0.0
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: now))
    study = open_study(tmp_path)
    for _ in study.train("piece", [NetworkSpec("mlp:8x1", 0)], COURSE):
        now += 100.0
    assert study.trained == [("piece", 0.0)]


# --- what is found again ----------------------------------------------------------------------------------------------

PUPIL = NetworkSpec("mlp:8x1:dropout=0.1", 0, "hinton", SOFT)
OTHER_PUPILS = {
    "network": NetworkSpec("mlp:9x1:dropout=0.1", 0, "hinton", SOFT),
    "seed": NetworkSpec("mlp:8x1:dropout=0.1", 1, "hinton", SOFT),
    "loss": NetworkSpec("mlp:8x1:dropout=0.1", 0, "logit-matching"),
    "knobs": NetworkSpec("mlp:8x1:dropout=0.1", 0, "hinton", SOFT | {"temperature": 5.0}),
}
OTHER_COURSES = {
    "epochs": 2, "seed": 1, "batch_size": 256, "learning_rate": 2e-2, "augmentation": "shift:pixels=1",
    "schedule": "constant", "precision": "bfloat16", "early_stopping": True,
}  # fmt: skip


def test_an_entry_that_was_registered_again_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (MODELS, LOSSES):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def run_cell(registry: Registry, key: str, build: Callable[..., Any]) -> None:
        registry.add(key, label=key, help="of a notebook")(build)

    def network(width: int) -> Callable[..., nn.Module]:
        return lambda *_: nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

    def loss(weight: float) -> Callable[..., dict[str, Part]]:
        return lambda student, teacher, labels: {"mine": Part((student - teacher).square().mean(), weight)}

    study = open_study(tmp_path)
    (guide,), _ = learn(study, NetworkSpec("mlp:8x1", 0))
    run_cell(MODELS, "mine", network(4))
    run_cell(LOSSES, "ours", loss(1.0))
    pupil = NetworkSpec("mine", 0, "ours")
    for registry, key, again in ((MODELS, "mine", network(5)), (LOSSES, "ours", loss(2.0))):
        _, kept = learn(open_study(tmp_path), pupil, teacher=guide)
        assert not kept
        _, kept = learn(open_study(tmp_path), pupil, teacher=guide)
        assert kept
        run_cell(registry, key, again)
    _, kept = learn(open_study(tmp_path), pupil, teacher=guide)
    assert not kept


def test_answers_to_views_that_were_registered_again_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AUGMENTATIONS, "_entries", dict(AUGMENTATIONS._entries))
    study, course = open_study(tmp_path), replace(COURSE, augmentation="mine")
    (guide,), _ = learn(study, NetworkSpec("mlp:8x1", 0))
    for turned in (False, True):
        AUGMENTATIONS.add("mine", label="Mine", help="of a notebook")(
            lambda argument, images, turned=turned: make_views("none", images.flip(3) if turned else images)
        )
        (pupil,), _ = learn(study, PUPIL, course=course, teacher=guide)
        elsewhere = Study(study.data, WeightsCache(tmp_path / str(turned)))
        (again,), _ = learn(elsewhere, PUPIL, course=course, teacher=guide)
        assert_same_weights(pupil.module, again.module)


@pytest.mark.parametrize("kind", ["a softmax", "other classes", "double", "a tuple"])
def test_a_network_that_does_not_fit_is_refused_before_it_is_trained(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misfits = (
        FOR_ALL | FOR_LEARNERS | {"a tuple": Misfit(lambda: Answering(lambda v: (v, v[0])), "more than its logits")}
    )
    monkeypatch.setattr(MODELS, "_entries", dict(MODELS._entries))
    MODELS.add("misfit", label="Misfit", help="of a notebook")(lambda *_: misfits[kind].make())
    study = open_study(tmp_path)
    with pytest.raises(InputError, match=misfits[kind].says):
        learn(study, NetworkSpec("mlp:8x1", 0), NetworkSpec("misfit", 0))
    assert not list(tmp_path.iterdir())


def touched(split: Split, what: str) -> Split:
    """The same split but for one pixel or one label."""
    images, labels = split.images.clone(), split.labels.clone()
    if what == "images":
        images[-1, 0, -1, -1] ^= 1
    else:
        labels[-1] = (labels[-1] + 1) % 10
    return Split(images, labels)


def test_every_field_that_matters_is_varied_below() -> None:
    assert {item.name for item in dataclasses.fields(NetworkSpec)} == {*OTHER_PUPILS, "name"}
    assert {item.name for item in dataclasses.fields(TrainConfig)} == set(OTHER_COURSES)


def test_a_piece_is_found_again_only_if_all_that_matters_is_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load("digits")
    (one, other), _ = learn(open_study(tmp_path), NetworkSpec("mlp:8x1", 0), NetworkSpec("mlp:8x1", 1))
    usual: dict[str, Any] = {"course": COURSE, "teacher": one, "split": None, "examples": None}

    def ask(*pupils: NetworkSpec, validation: Split = data.validation, **changes: Any) -> tuple[TrainedNetwork, bool]:
        found, kept = learn(open_study(tmp_path, validation=validation), *pupils, **(usual | changes))
        return found[0], kept

    first, kept = ask(PUPIL)
    assert not kept
    train, whole = data.train, torch.arange(len(data.train))
    copied = Split(train.images.clone(), train.labels.clone())
    same: list[dict[str, Any]] = [{}, {"examples": whole}, {"split": train}, {"split": copied}]
    for changes in same:
        again, kept = ask(PUPIL, **changes)
        assert kept
        assert again.name == first.name
        assert_same_weights(again.module, first.module)
    assert ask(replace(PUPIL, name="called otherwise"))[1]

    def pieces() -> int:
        """How many there are, without the teachers' answers that are kept beside them."""
        return sum("0/known" not in load_file(path) for path in tmp_path.iterdir())

    files = pieces()
    differing: list[tuple[tuple[NetworkSpec, ...], dict[str, Any]]] = [
        *(((pupil,), {}) for pupil in OTHER_PUPILS.values()),
        ((PUPIL, PUPIL), {}),
        ((PUPIL, OTHER_PUPILS["seed"]), {}),
        ((OTHER_PUPILS["seed"], PUPIL), {}),
        *(((PUPIL,), {"course": replace(COURSE, **{key: value})}) for key, value in OTHER_COURSES.items()),
        ((PUPIL,), {"teacher": other}),
        ((PUPIL,), {"teacher": logit_ensemble([one, other])}),
        ((PUPIL,), {"split": touched(train, "images")}),
        ((PUPIL,), {"split": touched(train, "labels")}),
        ((PUPIL,), {"examples": whole[:-1]}),
        ((PUPIL,), {"examples": whole.flip(0)}),
        ((PUPIL,), {"validation": touched(data.validation, "images")}),
        ((PUPIL,), {"validation": touched(data.validation, "labels")}),
    ]
    names = {first.name}
    for pupils, changes in differing:
        trained, kept = ask(*pupils, **changes)
        assert not kept
        names.add(trained.name)
        assert ask(*pupils, **changes)[1]  # each is kept as well
    assert len(names) == 1 + len(differing)
    assert pieces() == files + len(differing)
    # Without a guide, on labels.
    assert not ask(NetworkSpec("mlp:8x1:dropout=0.1", 0), teacher=None)[1]
    # Another kdlab or torch may train otherwise.
    monkeypatch.setattr(module, "version", lambda name: "999")
    assert not ask(PUPIL)[1]


def test_the_test_set_and_the_folder_do_not_matter(tmp_path: Path) -> None:
    data = load("digits")
    (first,), _ = learn(open_study(tmp_path), NetworkSpec("mlp:8x1", 0))
    (again,), kept = learn(open_study(tmp_path, test=touched(data.test, "labels")), NetworkSpec("mlp:8x1", 0))
    assert kept
    (moved,), kept = learn(open_study(tmp_path / "elsewhere"), NetworkSpec("mlp:8x1", 0))
    assert not kept
    assert first.name == again.name == moved.name
    assert_same_weights(moved.module, first.module)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_what_is_found_is_what_was_trained(early_stopping: bool, tmp_path: Path) -> None:
    course = replace(COURSE, epochs=3, early_stopping=early_stopping)
    pupils = [NetworkSpec("mlp:8x1", 0), NetworkSpec("cnn:width=2", 1)]
    first, _ = learn(open_study(tmp_path), *pupils, course=course)
    found, kept = learn(open_study(tmp_path), *pupils, course=course)
    assert kept
    for one, other in zip(first, found, strict=True):
        assert (one.name, one.curve, one.epoch) == (other.name, other.curve, other.epoch)
        assert_same_weights(one.module, other.module)
        assert not any(part.training for part in other.module.modules())
        assert (one.best is not None) == (other.best is not None) == early_stopping
        if early_stopping:
            assert (one.stopped_early.name, one.stopped_early.epoch, one.stopped_early.curve) == (
                other.stopped_early.name, other.stopped_early.epoch, one.curve
            )  # fmt: skip
            assert_same_weights(one.stopped_early.module, other.stopped_early.module)
            assert not any(part.training for part in other.stopped_early.module.modules())


# --- what is kept -----------------------------------------------------------------------------------------------------

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "its head alone": lambda content: content[:20],
    "half": lambda content: content[: len(content) // 2],
    "without the last byte": lambda content: content[:-1],
    "with a byte too many": lambda content: content + b"\0",
    "text": lambda content: b"<html>not what you think it is</html>",
    "a flipped bit in its head": lambda content: content[:30] + bytes([content[30] ^ 128]) + content[31:],
    "a flipped bit in its weights": lambda content: content[:-2] + bytes([content[-2] ^ 64]) + content[-1:],
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_trained_anew(how: str, tmp_path: Path) -> None:
    (first,), _ = learn(open_study(tmp_path), NetworkSpec("mlp:8x1", 0))
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(DAMAGE[how](content))
    (again,), kept = learn(open_study(tmp_path), NetworkSpec("mlp:8x1", 0))
    assert not kept
    assert_same_weights(again.module, first.module)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert learn(open_study(tmp_path), NetworkSpec("mlp:8x1", 0))[1]


def test_a_folder_that_cannot_be_written_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(InputError, match=r"cannot be kept.*--out\.$") as caught:
            learn(open_study(folder), NetworkSpec("mlp:8x1", 0))
        assert str(folder) in str(caught.value)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_training_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    learning = open_study(folder).train("piece", [NetworkSpec("mlp:8x1", 0)], replace(COURSE, epochs=50))
    for _ in range(10):
        next(learning)
    learning.close()
    assert not folder.exists()


def test_an_unknown_knob_or_loss_is_refused(tmp_path: Path) -> None:
    for pupil, says in (
        (NetworkSpec("mlp:8x1", 0, "hinton", {"warmth": 1}), "no knob 'warmth'"),
        (NetworkSpec("mlp:8x1", 0, "hinton", {"temperature": 0}), "temperature"),
        (NetworkSpec("mlp:8x1", 0, "hintn"), "Did you mean 'hinton'"),
        (NetworkSpec("mlp:wide", 0), "WIDTHxDEPTH"),
    ):
        with pytest.raises(InputError, match=says):
            learn(open_study(tmp_path), pupil)
    assert list(tmp_path.iterdir()) == []


# --- early stopping ---------------------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_earliest_best_epoch_and_the_last(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    course = TrainConfig(epochs=12, batch_size=128, learning_rate=0.05, schedule="constant", early_stopping=True)
    pupils = [NetworkSpec("mlp:16x1", 0), NetworkSpec("mlp:16x1", 1), NetworkSpec("mlp:12x1", 2)]
    networks, _ = learn(study, *pupils, course=course)
    earlier, ties = 0, 0
    for pupil, network in zip(pupils, networks, strict=True):
        curve = list(network.curve["errors"])
        assert len(curve) == len(network.curve["nats"]) == 13
        fewest = min(curve[1:])
        best = 1 + curve[1:].index(fewest)
        earlier, ties = earlier + (best < 12), ties + (curve[1:].count(fewest) > 1)
        assert (network.epoch, network.stopped_early.epoch) == (12, best)
        assert errors(study, network.stopped_early) == fewest
        assert errors(study, network) == curve[-1]
        # At a constant rate the best weights are those of a training that ends there, the last those of one without.
        short = replace(course, epochs=best, early_stopping=False)
        (there,), _ = learn(study, pupil, course=short)
        (last,), _ = learn(study, pupil, course=replace(course, early_stopping=False))
        for one, other in ((network.stopped_early, there), (network, last)):
            for value, expected in zip(
                one.module.state_dict().values(), other.module.state_dict().values(), strict=True
            ):
                torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
    assert earlier > 0  # or this shows little
    assert ties > 0


# --- what the teacher answers -----------------------------------------------------------------------------------------


class Logged(nn.Module):
    """A small network that keeps what it was shown in training."""

    seen: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        type(self).seen = []

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.seen.append(inputs.detach().clone())
        logits: Tensor = self.layer(inputs.flatten(1))
        return logits


def test_a_guides_answers_belong_to_the_images_and_views_that_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[Tensor] = []

    def spy(student: Tensor, teacher: Tensor, labels: Tensor) -> dict[str, Part]:
        answered.append(teacher.clone())
        return {"spy": Part((student - teacher).square().mean(), 1.0)}

    monkeypatch.setitem(LOSSES._entries, "spy", Entry("spy", "Spy", "for tests", spy))
    monkeypatch.setitem(MODELS._entries, "logged", Entry("logged", "Logged", "for tests", lambda *_: Logged()))
    data = load("digits")
    study = open_study(tmp_path)
    course = replace(COURSE, epochs=20, learning_rate=3e-2)
    guides, _ = learn(study, NetworkSpec("mlp:16x1", 0), NetworkSpec("cnn:width=2", 1), course=course)
    few = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:300]
    noise = Split(torch.randint(0, 256, (200, 1, 8, 8), dtype=torch.uint8), torch.zeros(200, dtype=torch.int64))
    cases: list[tuple[TrainedNetwork, str, Split, Tensor]] = [
        (guides[0], "none", data.train, few), (guides[0], "affine:views=3", data.train, few),
        (guides[1], "affine:views=3", data.train, few.repeat(2)),
        (logit_ensemble(guides), "shift:pixels=1", noise, few % 200),
        (guides[0], "affine:views=3", noise, few % 200), (guides[0], "affine:views=2", data.train, few),
        (guides[0], "affine:views=3", data.train, few.flip(0)), (guides[0], "none", noise, few % 200),
    ]  # fmt: skip
    for guide, augmentation, split, examples in cases:
        answered.clear()
        course = TrainConfig(epochs=3, batch_size=100, augmentation=augmentation, seed=5)
        (student,), kept = learn(
            study, NetworkSpec("logged", 0, "spy"), course=course, teacher=guide, split=split, examples=examples
        )
        assert not kept
        assert isinstance(student.module.seen, list)
        shown = student.module.seen[1:]  # after the batch on which it was tried
        assert len(shown) == len(answered) == 3 * (len(examples) // 100)
        allowed = {
            image.numpy().tobytes()
            for view in range(views.count)
            for image in views.inputs(examples, torch.full_like(examples, view))
        } if (views := make_views(augmentation, split.images)) else set()  # fmt: skip
        for inputs, logits in zip(shown, answered, strict=True):
            assert {image.numpy().tobytes() for image in inputs} <= allowed
            with torch.no_grad():
                expected = guide.module(inputs)
            # Of several views they are kept in float16.
            torch.testing.assert_close(logits, expected, rtol=2e-3, atol=2e-2)
            assert float((logits - expected.roll(1, 0)).abs().mean()) > 0.2


def test_a_study_has_no_test_images_and_takes_none_away(tmp_path: Path) -> None:
    data: Dataset = load("digits")
    study = Study(data, WeightsCache(tmp_path))
    assert (len(study.data.test), len(study.data.test.images)) == (0, 0)
    assert study.data.test.images.shape[1:] == data.test.images.shape[1:]
    assert len(data.test) == 360
    assert study.data.train is data.train
    assert study.data.validation is data.validation
    assert asdict(COURSE).keys() == set(OTHER_COURSES)


def test_latencies_are_measured_side_by_side(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    small, large = (
        TrainedNetwork(make_network(name, study.data, 0, "test").eval(), name) for name in ("mlp:8x1", "mlp:800x3")
    )
    threads = torch.get_num_threads()
    found = study.latency({"small": small, "large": large}, 64)
    assert torch.get_num_threads() == threads
    assert 0 < 3 * found["small"] < found["large"]


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"teacher": "mlp:400x2"}, {"student": "mlp:400x2"}])
def test_a_network_that_is_too_large_is_refused_before_any_training(tmp_path: Path, settings: dict[str, str]) -> None:
    tiny = {"dataset": "digits", "other": "digits", "teacher": "mlp:8x1", "student": "mlp:8x1"} | settings
    running = reproduce_events("unlabelled", tmp_path, True, tiny, max_parameters=10_000)
    with pytest.raises(InputError, match=r"The network mlp:400x2 has [0-9,]+ parameters; this server allows 10,000:"):
        list(running)
    assert list(tmp_path.glob("*.safetensors")) == []


def test_a_study_builds_no_network_that_is_too_large(tmp_path: Path) -> None:
    study = Study(load("digits"), WeightsCache(tmp_path), max_parameters=666)
    learn(study, NetworkSpec("mlp:8x1", 0))  # which has 610
    with pytest.raises(InputError, match="mlp:9x1"):
        learn(study, NetworkSpec("mlp:8x1", 0), NetworkSpec("mlp:9x1", 0))  # and this one 685
