"""Offsets of missing classes, and networks that answer together, against what can be worked out plainly."""

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from kdlab import models
from kdlab.datasets import load
from kdlab.experiments.framework.ensembles import log_power_mean, logit_ensemble, mc_dropout
from kdlab.experiments.framework.jobs import TrainedNetwork
from kdlab.experiments.framework.logit_bias import add_bias, left_out_sets, oracle_bias, prior_matching_bias
from kdlab.experiments.framework.model_selection import best_of, numbers, whole_numbers
from kdlab.experiments.high_temperature import alignment
from kdlab.registry import InputError
from kdlab.train.evaluate import predict
from kdlab.train.seeding import seeded

TEN = tuple("0123456789")


def draw(*shape: int, seed: int = 0, scale: float = 3.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


# --- offsets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [[3], [0, 9], [0, 1, 2, 3, 4, 5, 6, 9]], ids=str)
def test_the_matching_offset_solves_its_equation(missing: list[int]) -> None:
    for scale, prior in product((0.0, 3.0, 30.0), (0.001, 0.1, 0.5, 0.95)):
        logits = draw(200, 10, scale=scale)
        offset = prior_matching_bias(logits, missing, prior)
        moved = logits.astype(np.float64)
        moved[:, missing] += offset
        mean = softmax(moved, 1)[:, missing].sum(1).mean()
        assert mean == pytest.approx(prior, abs=1e-6), f"{scale=}, {prior=}"


def test_shifting_moves_the_missing_classes_of_a_copy() -> None:
    logits = draw(5, 4)
    before = logits.copy()
    moved = add_bias(logits, [1, 3], 2.5)
    assert (logits == before).all()
    np.testing.assert_allclose(moved - logits, np.tile([0, 2.5, 0, 2.5], (5, 1)), atol=1e-6)
    assert moved.dtype == np.float32


def errors_with(logits: np.ndarray, labels: np.ndarray, missing: Sequence[int], offset: float) -> int:
    return int((add_bias(logits, missing, offset).argmax(1) != labels).sum())


@pytest.mark.parametrize("missing", [[3], [0, 9], [0, 1, 2, 3, 4, 5, 6, 9]], ids=str)
@pytest.mark.parametrize("kept", ["float32", "float16", "whole numbers"])
def test_no_offset_makes_fewer_errors_than_the_oracles(missing: list[int], kept: str) -> None:
    """Logits as they are, as reports keep them, and so coarse that many images go over at once."""
    for seed in range(5):
        labels = np.random.default_rng(seed).integers(0, 10, 300)
        logits = draw(300, 10, seed=seed)
        logits[np.arange(300), labels] += 3 - 5.3 * np.isin(labels, missing)
        if kept != "float32":
            logits = (logits.astype(np.float16) if kept == "float16" else logits.round()).astype(np.float32)
        kept_best = np.delete(logits, missing, 1).max(1).astype(np.float64)
        turns = np.unique(kept_best - logits[:, missing].max(1))  # where an image goes over; between them none does
        offsets = [*(turns[:-1] + turns[1:]) / 2, *np.linspace(-30, 30, 601) + 0.003]
        fewest = min(errors_with(logits, labels, missing, offset) for offset in offsets)
        assert fewest < errors_with(logits, labels, missing, 0.0)
        assert errors_with(logits, labels, missing, oracle_bias(logits, labels, missing)) <= fewest


@pytest.mark.parametrize(
    ("text", "every", "expected"),
    [
        ("3", False, {"no 3": [3]}),
        (" 3 ;only 8, 7;", False, {"no 3": [3], "only 7, 8": [0, 1, 2, 3, 4, 5, 6, 9]}),
        ("9,1,1", False, {"no 1, 9": [1, 9]}),
        ("3; 3", False, {"no 3": [3]}),
        ("only 0,1,2,3,4,5,6,7,8", False, {"only 0, 1, 2, 3, 4, 5, 6, 7, 8": [9]}),
        ("", True, {f"no {at}": [at] for at in range(10)}),
        ("7", True, {"no 7": [7]} | {f"no {at}": [at] for at in range(10)}),
    ],
)
def test_sets_of_classes_to_leave_out(text: str, every: bool, expected: dict[str, list[int]]) -> None:
    found = left_out_sets(text, every, TEN)
    assert found == expected
    assert list(found) == list(expected)


def test_classes_may_have_any_names() -> None:
    names = ("a cat", "only child", "dog")
    assert left_out_sets("a cat, dog", False, names) == {"no a cat, dog": [0, 2]}
    assert left_out_sets("only dog", False, names) == {"only dog": [0, 1]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10", "no class '10'.* 0, 1, 2"), ("3,", "no class ''"), ("only 7;x", "no class 'x'"),
        ("3 4", "no class '3 4'"), ("only", "no class 'only'"), ("0,1,2,3,4,5,6,7,8,9", "leaves out all classes"),
        ("only 0,1,2,3,4,5,6,7,8,9", "leaves out no class"), ("", "No class is left out"), (" ; ", "No class"),
    ],
)  # fmt: skip
def test_complaints_about_classes_to_leave_out(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        left_out_sets(text, False, TEN)
    assert str(caught.value).endswith(".")


# --- numbers and choices ----------------------------------------------------------------------------------------------


def test_lists_of_numbers() -> None:
    assert numbers(" 2,2.5, 4 ,2", "temperatures") == [2, 2.5, 4]
    assert whole_numbers("30, 100,30.0", "widths") == [30, 100]
    for text in ("", "2,", "2;3", "x"):
        with pytest.raises(InputError, match="temperatures"):
            numbers(text, "temperatures")
    for text in ("2.5", "0", "-3", "30,x", "nan", "inf"):
        with pytest.raises(InputError, match="widths"):
            whole_numbers(text, "widths")


def test_the_best_has_the_fewest_errors_and_then_the_smallest_cross_entropy() -> None:
    validation = load("digits").validation
    truth = np.eye(10, dtype=np.float32)[validation.labels.numpy()]
    wrong = truth.copy()
    wrong[:3] = np.roll(wrong[:3], 1, axis=1)
    # The third is as often right as the second, and surer of it.
    assert best_of([5 * wrong, truth, 3 * truth, 2 * truth], validation) == 2
    assert best_of([truth, truth], validation) == 0


# --- together ---------------------------------------------------------------------------------------------------------


def mean_of(logits: np.ndarray, power: float) -> np.ndarray:
    """The power mean of probabilities, normalised, by its definition."""
    p = softmax(logits.astype(np.float64), -1)
    mean = np.exp(np.log(p).mean(0)) if power == 0 else (p**power).mean(0) ** (1 / power)
    result: np.ndarray = mean / mean.sum(-1, keepdims=True)
    return result


@pytest.mark.parametrize("power", [0.0, 0.1, 0.5, 1.0])
def test_networks_together_answer_with_the_mean_of_their_probabilities(power: float) -> None:
    logits = draw(5, 40, 10)
    found = log_power_mean(logits, power)
    assert found.shape == (40, 10)
    assert found.dtype == np.float32
    np.testing.assert_allclose(softmax(found, -1), mean_of(logits, power), rtol=1e-4, atol=1e-7)
    if power == 1:
        np.testing.assert_allclose(np.exp(found), softmax(logits, -1).mean(0), rtol=1e-4, atol=1e-7)
    if power == 0:
        centred = logits.mean(0) - logits.mean(0).mean(-1, keepdims=True)
        np.testing.assert_allclose(found - found.mean(-1, keepdims=True), centred, atol=1e-4)


def test_between_the_means_nothing_jumps() -> None:
    logits = draw(3, 20, 10)
    near, half, far = (softmax(log_power_mean(logits, power), -1) for power in (0.01, 0.5, 0.99))
    geometric, arithmetic = mean_of(logits, 0), mean_of(logits, 1)
    assert abs(near - geometric).max() < 0.02
    assert abs(far - arithmetic).max() < 0.02
    assert 0.02 < abs(half - geometric).max() < abs(arithmetic - geometric).max()
    path = [softmax(log_power_mean(logits, power), -1) for power in np.linspace(0, 1, 101)]
    assert max(abs(one - other).max() for one, other in pairwise(path)) < 0.02


def test_the_mean_of_extreme_and_of_one_networks_logits() -> None:
    for power in (0.0, 0.5, 1.0):
        extreme = 1_000 * draw(3, 20, 10)
        assert np.isfinite(log_power_mean(extreme, power)).all()
        single = draw(1, 20, 10)
        np.testing.assert_allclose(
            softmax(log_power_mean(single, power), -1), softmax(single[0], -1), rtol=1e-4, atol=1e-7
        )


def trained(name: str, seed: int) -> TrainedNetwork:
    with seeded(torch.device("cpu"), seed, "test"):
        return TrainedNetwork(models.build(name, (1, 8, 8), 10).eval(), f"{name}, {seed}")


def test_a_committee_answers_with_the_mean_of_its_members_logits() -> None:
    test = load("digits").test
    members = [trained("mlp:8x1:dropout=0.5", 0), trained("mlp:8x1", 1), trained("cnn:width=2", 2)]
    own = torch.stack([predict(member.module, test) for member in members])
    found = logit_ensemble(members)
    torch.testing.assert_close(predict(found.module, test), own.mean(0))
    assert not any(part.training for part in found.module.modules())
    # Named by its members, in their order, so that what it teaches is found again.
    assert logit_ensemble(members).name == found.name
    assert len({found.name, logit_ensemble(members[:2]).name, logit_ensemble(members[::-1]).name, members[0].name}) == 4


def test_dropout_as_an_ensemble_is_the_mean_of_draws_and_leaves_nothing_behind() -> None:
    inputs = load("digits").test.inputs(slice(40))
    network = trained("mlp:64x2:dropout=0.3", 0)
    drawing = mc_dropout(network, 50)
    state = torch.get_rng_state()
    with torch.no_grad():
        first, again, plain = drawing.module(inputs), drawing.module(inputs), network.module(inputs)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first.log_softmax(-1), plain.log_softmax(-1))
    assert not any(part.training for part in drawing.module.modules())
    # The mean of many draws is the same whatever was drawn, up to chance.
    network.module.train()
    with torch.no_grad(), seeded(torch.device("cpu"), 1, "other"):
        own = torch.stack([network.module(inputs).softmax(-1) for _ in range(3_000)])
    network.module.eval()
    noise = own.std(0) / 50**0.5
    assert float(((first.softmax(-1) - own.mean(0)) / noise).square().mean()) < 1.5
    # One that drops nothing says in all draws what it says alone.
    plain = trained("mlp:8x1", 0)
    torch.testing.assert_close(
        mc_dropout(plain, 3).module(inputs).log_softmax(-1), plain.module(inputs).log_softmax(-1)
    )
    assert len({drawing.name, mc_dropout(network, 51).name, mc_dropout(plain, 50).name, network.name}) == 4


def test_dropout_is_switched_off_again_when_a_network_fails() -> None:
    class Failing(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("broken")

    network = TrainedNetwork(nn.Sequential(nn.Dropout(0.5), Failing()).eval(), "failing")
    with pytest.raises(RuntimeError, match="broken"):
        mc_dropout(network, 2).module(torch.ones(1, 4))
    assert not any(part.training for part in network.module.modules())


# --- gradients at high temperature ------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_alignment_is_the_cosine_of_autograds_gradients(temperature: float) -> None:
    z, v = draw(30, 10, seed=1), draw(30, 10, seed=2)
    student, teacher = torch.from_numpy(z).double().requires_grad_(), torch.from_numpy(v).double()
    soft = nn.functional.kl_div(
        (student / temperature).log_softmax(-1), (teacher / temperature).softmax(-1), reduction="sum"
    )
    apart = student - teacher
    match = (apart - apart.mean(-1, keepdim=True)).square().sum()
    (first,), (second,) = torch.autograd.grad(soft, student), torch.autograd.grad(match, student)
    expected = nn.functional.cosine_similarity(first, second, -1).mean().item()
    assert alignment(z, v, temperature) == pytest.approx(expected, abs=1e-9)


def test_gradients_align_when_the_temperature_is_high() -> None:
    z, v = draw(200, 10, seed=1), draw(200, 10, seed=2)
    found = [alignment(z, v, temperature) for temperature in (1, 10, 100, 1e4)]
    assert found == sorted(found)
    assert found[0] < 0.9
    assert found[-1] == pytest.approx(1, abs=1e-6)


def test_alignment_leaves_out_images_without_a_gradient() -> None:
    z, v = draw(20, 10, seed=1), draw(20, 10, seed=2)
    v[10:] = z[10:]
    assert alignment(z, v, 2.0) == pytest.approx(alignment(z[:10], v[:10], 2.0))
    assert alignment(z, z, 2.0) == 1.0
