"""Networks side by side that each learn from data of their own: every one ends as it would alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kdlab import models
from kdlab.augmentations import make_views
from kdlab.datasets import Split, load
from kdlab.losses import Part, log_softmax
from kdlab.metrics.classification import count_errors
from kdlab.train.batches import Source, group_batches
from kdlab.train.early_stopping import BestWeights
from kdlab.train.events import Probe, Step
from kdlab.train.group import GroupTrainer, Learner, hard_loss, make_groups
from kdlab.train.loop import train
from kdlab.train.seeding import seeded
from kdlab.train.single_module import SingleModule
from kdlab.train.spec import Spec
from kdlab.train.stacked_mlp import StackedMLP
from kdlab.train.teacher_logits import TeacherLogitCache

CPU = torch.device("cpu")
SUBSETS = [(0, 6, 8), (1, 7, 9), (2, 3, 5)]
DUSTBIN = 3
EXAMPLES = 450  # with batches of 64 seven steps, and two images are left over
SPEC = Spec(batch_size=64, learning_rate=1e-2)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def build(name: str, seed: int) -> nn.Module:
    with seeded(CPU, seed, "own data"):
        return models.build(name, (1, 8, 8), DUSTBIN + 1)


def relabelled(split: Split, subset: Sequence[int]) -> Split:
    """The same images; labels are places in the subset, all other classes one."""
    places = torch.full((10,), DUSTBIN)
    places[list(subset)] = torch.arange(len(subset))
    return Split(split.images, places[split.labels])


def source(at: int, augmentation: str = "none") -> Source:
    """What specialist `at` learns from: half its own classes; it watches fewer images than the one before it."""
    data = load("digits")
    split, watch = (relabelled(one, SUBSETS[at]) for one in (data.train, data.validation))
    draw = torch.Generator().manual_seed(at)
    special, rest = ((split.labels == DUSTBIN).logical_not().nonzero()[:, 0], (split.labels == DUSTBIN).nonzero()[:, 0])
    half = EXAMPLES // 2
    chosen = [one[torch.randperm(len(one), generator=draw)[:half]] for one in (special, rest)]
    watch = watch.take(torch.arange(len(watch) - 20 * at))
    return Source(split, torch.cat(chosen), make_views(augmentation, split.images), watch)


def run(learners: Sequence[Learner], shared: Source, spec: Spec = SPEC, **rest: Any) -> list[Any]:
    """Two epochs; what is given beside the learners is for those without a source of their own."""
    return list(
        train(
            "student", "", learners, shared.split, shared.examples, shared.views, spec,
            epochs=2, eval_split=shared.eval_split, **rest,
        )
    )  # fmt: skip


def weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach() for parameter in module.parameters()]


def only(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --- each as it would be alone ----------------------------------------------------------------------------------------

COMPANIES: dict[str, tuple[str, dict[str, Any]]] = {
    "perceptrons": ("mlp:16x2", {}),
    "dropout": ("mlp:16x2:dropout=0.3", {}),
    "input dropout": ("mlp:16x1:dropout=0.3:input_dropout=0.2", {}),
    "max-norm": ("mlp:16x2:dropout=0.3:input_dropout=0.2:max_norm=0.4", {}),
    "bfloat16": ("mlp:16x2", {"precision": "bfloat16"}),
    "all at once in bfloat16": ("mlp:16x2:dropout=0.3:input_dropout=0.2:max_norm=0.4", {"precision": "bfloat16"}),
    "moved images": ("mlp:16x1", {"augmentation": "shift:pixels=1"}),
    "image networks": ("cnn:width=2", {}),
    "image networks in bfloat16": ("cnn:width=2", {"precision": "bfloat16"}),
}


@pytest.mark.parametrize("what", COMPANIES)
@pytest.mark.parametrize("seeds", [(0, 0, 0), (0, 1, 2)])
def test_each_network_ends_as_it_would_alone(what: str, seeds: tuple[int, ...]) -> None:
    name, options = COMPANIES[what]
    spec = SPEC.replace(**options)
    sources = [source(at, spec.augmentation) for at in range(3)]
    learners = [
        Learner(str(at), build(name, seed), seed, source=own)
        for at, (seed, own) in enumerate(zip(seeds, sources, strict=True))
    ]
    selection = BestWeights()
    events = run(learners, sources[0], spec, best_weights=selection)
    for at, (learner, own) in enumerate(zip(learners, sources, strict=True)):
        single, choice = Learner("single", build(name, seeds[at]), seeds[at]), BestWeights()
        expected = run([single], own, spec, best_weights=choice)
        torch.testing.assert_close(weights(learner.module), weights(single.module), **TOLERANCE)
        for event, other in zip(events, expected, strict=True):
            assert type(event) is type(other)
            if isinstance(event, Step):
                assert event.losses[str(at)] == pytest.approx(other.losses["single"], rel=1e-5)
            elif isinstance(event, Probe):
                assert own.eval_split is not None
                assert event.logits[str(at)].shape == (len(own.eval_split), DUSTBIN + 1)
                np.testing.assert_allclose(event.logits[str(at)], other.logits["single"], **TOLERANCE)
        assert selection.errors[str(at)] == choice.errors["single"]
        assert selection.steps[str(at)] == choice.steps["single"]
        torch.testing.assert_close(selection.weights(str(at)), choice.weights("single"), **TOLERANCE)
    # Lest they be equal because nothing is told apart.
    assert len({event.losses[str(at)]["hard"] for event in only(events, Step) for at in range(3)}) == 3 * 14


def test_each_network_learns_its_own_labels() -> None:
    sources = [source(at) for at in range(3)]
    learners = [Learner(str(at), build("mlp:32x1", 0), 0, source=own) for at, own in enumerate(sources)]
    last = only(run(learners, sources[0], SPEC.replace(batch_size=16)), Probe)[-1]
    validation = load("digits").validation
    for at in range(3):
        logits = last.logits[str(at)]
        labels = [relabelled(validation, subset).labels[: len(logits)].numpy() for subset in SUBSETS]
        own, *others = (count_errors(logits, labels[place]) for place in (at, at - 1, at - 2))
        assert own < 0.15 * len(logits)
        assert min(others) > 0.4 * len(logits)


@pytest.mark.parametrize("name", ["mlp:16x2:dropout=0.3", "cnn:width=2"])
def test_learners_of_one_source_are_exactly_what_they_are_on_shared_data(name: str) -> None:
    own, pairs = source(0), []
    for given in (own, None):
        pair = [Learner(str(seed), build(name, seed), seed, source=given) for seed in range(2)]
        run(pair, own)
        pairs.append(pair)
    for one, other in zip(*pairs, strict=True):
        assert all(map(torch.equal, weights(one.module), weights(other.module)))


@pytest.mark.parametrize("name", ["mlp:16x1", "cnn:width=2"])
def test_a_learner_without_a_source_of_its_own_takes_what_was_given(name: str) -> None:
    shared, own = source(0), source(1)
    learners = [Learner("shared", build(name, 0), 0), Learner("own", build(name, 1), 1, source=own)]
    run(learners, shared)
    for at, (learner, data) in enumerate(zip(learners, (shared, own), strict=True)):
        single = Learner("single", build(name, at), at)
        run([single], data)
        torch.testing.assert_close(weights(learner.module), weights(single.module), **TOLERANCE)


def smoothed(logits: Tensor, teacher_logits: Tensor | None, labels: Tensor, *, share: float) -> dict[str, Part]:
    found = log_softmax(logits)
    return {
        "hard": Part(-found.gather(1, labels[:, None]).mean(), 1 - share),
        "even": Part(-found.mean(), share),
    }


def test_losses_of_several_kinds_get_the_labels_of_their_own_networks() -> None:
    sources = [source(0), source(1), source(2), source(0)]
    ways: list[dict[str, Any]] = [
        {}, {"loss": smoothed, "knobs": {"share": 0.1}}, {"loss": smoothed, "knobs": {"share": 0.4}}, {},
    ]  # fmt: skip
    learners = [
        Learner(str(at), build("mlp:16x1", at), at, **way, source=own)
        for at, (way, own) in enumerate(zip(ways, sources, strict=True))
    ]
    steps = only(run(learners, sources[0]), Step)
    for at, (way, own) in enumerate(zip(ways, sources, strict=True)):
        single = Learner("single", build("mlp:16x1", at), at, **way)
        expected = only(run([single], own), Step)
        torch.testing.assert_close(weights(learners[at].module), weights(single.module), **TOLERANCE)
        for step, other in zip(steps, expected, strict=True):
            assert step.losses[str(at)] == pytest.approx(other.losses["single"], rel=1e-5)


def test_without_a_split_to_watch_nothing_is_looked_at() -> None:
    sources = [replace(source(at), eval_split=None) for at in range(2)]
    learners = [Learner(str(at), build("mlp:8x1", 0), 0, source=own) for at, own in enumerate(sources)]
    assert not only(run(learners, source(0)), Probe)


# --- what is one program, and what it is given ------------------------------------------------------------------------


def teams_of(name: str, own: bool) -> list[GroupTrainer]:
    """Of two learners of different seeds."""
    learners = [Learner(str(at), build(name, at), at, source=source(at) if own else None) for at in range(2)]
    return list(make_groups(learners, torch.float32, ""))


def test_networks_with_data_of_their_own_are_one_program_where_they_can_be_stacked() -> None:
    dropping = "mlp:8x1:dropout=0.2:input_dropout=0.2"
    assert [type(team.network) for team in teams_of("mlp:8x1", own=True)] == [StackedMLP]
    assert [type(team.network) for team in teams_of("cnn:width=2", own=True)] == [SingleModule, SingleModule]
    # Each seed drops inputs of its own, which is no loss where each has inputs of its own.
    assert [type(team.network) for team in teams_of(dropping, own=True)] == [StackedMLP]
    assert [type(team.network) for team in teams_of(dropping, own=False)] == [StackedMLP, StackedMLP]


def test_a_step_of_a_stack_takes_one_batch_of_each_source() -> None:
    first, second = source(0), source(1)
    rest = SPEC, 64, "student", torch.float32, None
    singles = [next(group_batches([[one]], *rest))[0] for one in (first, second)]
    assert [inputs.shape for inputs, _, _ in singles] == [(64, 1, 8, 8)] * 2
    (stacked,) = next(group_batches([[first, second, first]], *rest))
    for at, (inputs, labels, guide) in enumerate([*singles, singles[0]]):
        assert stacked[0][at].equal(inputs)
        assert stacked[1][at].equal(labels)
        assert stacked[2] is guide is None
    apart = next(group_batches([[first], [second], [first, first]], *rest))
    assert apart[0] is apart[2]  # made once
    for found, expected in zip(apart, [*singles, singles[0]], strict=True):
        assert found[0].equal(expected[0])
        assert found[1].equal(expected[1])


# --- what does not go together ----------------------------------------------------------------------------------------


def test_sources_that_do_not_go_together_are_refused_before_anything_is_trained() -> None:
    own, module = source(0), build("mlp:8x1", 0)
    before = [one.clone() for one in weights(module)]

    def start(other: Source, **rest: Any) -> None:
        learners = [
            Learner(str(at), one, 0, hard_loss, source=given)
            for at, (one, given) in enumerate([(module, own), (build("mlp:8x1", 1), other)])
        ]
        run(learners, own, **rest)

    with pytest.raises(ValueError, match="as many examples each"):
        start(replace(own, examples=own.examples[1:]))
    with pytest.raises(ValueError, match="all or none of them a split to watch"):
        start(replace(own, eval_split=None))
    answers = TeacherLogitCache(build("mlp:8x1", 2), own.views, len(own.split), DUSTBIN + 1, torch.float32, CPU)
    with pytest.raises(ValueError, match="images that all learners share"):
        start(source(1), teacher_logits=answers)
    assert all(map(torch.equal, weights(module), before))
