"""The reference formulas against torch, SciPy and what the paper says they must do."""

import itertools
import math
from importlib.resources import as_file, files

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import is_valid_linkage, linkage
from scipy.spatial.distance import squareform
from scipy.special import log_softmax
from scipy.stats import entropy as scipy_entropy
from scipy.stats import pmean
from torch.nn.functional import cross_entropy, kl_div

from kdlab.losses import soft_divergence
from kdlab.losses.hinton import hinton
from kdlab.metrics import softened as lab
from kdlab.metrics.classification import confusion_matrix
from kdlab.train.history import History

TEMPERATURES = [0.5, 1.0, 4.0, 20.0, 100.0]
Array = NDArray[np.float64]

at_every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)


def draw(scale: float = 4.0, examples: int = 50, classes: int = 10) -> tuple[Array, Array, NDArray[np.int64]]:
    """Student logits, teacher logits and labels."""
    generator = np.random.default_rng(classes)
    student, teacher = scale * generator.standard_normal((2, examples, classes))
    return student, teacher, generator.integers(0, classes, examples)


def extreme() -> tuple[Array, Array]:
    """Student and teacher logits at the end of what a page may be given."""
    generator = np.random.default_rng(7)
    student, teacher = generator.uniform(-1e4, 1e4, (2, 40, 7))
    corners = np.array([*itertools.product([-1e4, 0.0, 1e4], repeat=2)])
    student[: len(corners), :2], teacher[: len(corners), :2] = corners, corners[::-1]
    return student, teacher


@pytest.fixture(scope="module")
def opening() -> History:
    with as_file(files("kdlab.assets") / "opening" / "history.npz") as path:
        return History.load(path)


# --- softened predictions ---------------------------------------------------------------------------------------------


@at_every_temperature
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_predictions_are_torchs_softmax_of_logits_over_t(temperature: float, scale: float) -> None:
    logits, _, _ = draw(scale)
    expected = (torch.tensor(logits) / temperature).log_softmax(-1)
    np.testing.assert_allclose(lab.log_soften(logits, temperature), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(lab.soften(logits, temperature), expected.exp(), rtol=1e-12)
    np.testing.assert_array_equal(lab.soften(logits), lab.soften(logits, 1.0))


@at_every_temperature
def test_everything_stays_finite_for_the_largest_logits(temperature: float) -> None:
    student, teacher = extreme()
    labels = np.arange(len(student)) % 7
    np.testing.assert_allclose(lab.log_soften(student, temperature), log_softmax(student / temperature, -1), rtol=1e-12)
    soft = lab.soft_gradient(student, teacher, temperature)
    for values in (
        lab.entropy(student, temperature),
        lab.divergence(teacher, student, temperature),
        lab.overlap(teacher, student, temperature),
        lab.soft_confusion(student, labels, temperature),
        lab.matching_gradient(student, teacher, temperature),
        lab.hard_gradient(student, labels),
        lab.power_mean(lab.log_soften(np.stack([student, teacher]), temperature), 0.3),
        soft,
    ):
        assert np.isfinite(values).all()
    limit = lab.matching_gradient(student, teacher, temperature)
    gone = (soft == 0).all(-1)  # both certain, of the same class
    assert np.array_equal(np.isnan(lab.relative_error(soft, limit)), gone)
    assert np.array_equal(np.isnan(lab.angle(soft, limit)), gone)


def test_logits_may_be_lists_or_float32_and_have_any_axes_before_the_classes() -> None:
    student, teacher, _ = draw()
    assert lab.soften([0.0, 0.0], 1.0).tolist() == [0.5, 0.5]
    for values in (lab.soften(student.astype(np.float32), 3.0), lab.entropy(student.astype(np.float32), 3.0)):
        assert values.dtype == np.float64
    cube = student.reshape(5, 10, 10)
    np.testing.assert_array_equal(lab.soften(cube, 3.0), lab.soften(student, 3.0).reshape(5, 10, 10))
    np.testing.assert_array_equal(
        lab.divergence(teacher[0], cube, 3.0)[4, 9], lab.divergence(teacher[0], cube[4, 9], 3.0)
    )
    np.testing.assert_array_equal(
        lab.soft_gradient(cube, teacher[0], 3.0)[4, 9], lab.soft_gradient(cube[4, 9], teacher[0], 3.0)
    )
    np.testing.assert_array_equal(
        lab.soft_gradient(student[0], cube, 3.0)[4, 9], lab.soft_gradient(student[0], cube[4, 9], 3.0)
    )


def test_nothing_that_is_given_is_changed() -> None:
    student, teacher, labels = draw()
    confusion = lab.soft_confusion(teacher, labels, 4.0)
    before = [values.copy() for values in (student, teacher, labels, confusion)]
    soft, limit = lab.soft_gradient(student, teacher, 4.0), lab.matching_gradient(student, teacher, 4.0)
    kept = soft.copy(), limit.copy()
    lab.hard_gradient(student, labels)
    lab.angle(soft, limit)
    lab.relative_error(soft, limit)
    lab.power_mean(student[:, None], 0.5)
    lab.similar_pairs(confusion)
    lab.dendrogram(confusion)
    for values, copy in zip((student, teacher, labels, confusion, soft, limit), (*before, *kept), strict=True):
        np.testing.assert_array_equal(values, copy)


# --- measures ---------------------------------------------------------------------------------------------------------


@at_every_temperature
def test_entropy_is_scipys_in_bits(temperature: float) -> None:
    logits, _, _ = draw()
    expected = scipy_entropy(lab.soften(logits, temperature), base=2, axis=-1)
    np.testing.assert_allclose(lab.entropy(logits, temperature), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_entropy_goes_from_none_to_that_of_a_die(classes: int) -> None:
    assert lab.entropy(np.full(classes, 8.0), 3.0) == pytest.approx(math.log2(classes), rel=1e-14)
    certain = lab.entropy(1e4 * np.eye(classes)[0], 0.5)
    assert certain == 0
    assert not np.signbit(certain)  # or a page would write −0.00
    rising = [lab.entropy(np.arange(classes), temperature) for temperature in TEMPERATURES]
    assert np.all(np.diff(rising) > 0)


@at_every_temperature
def test_divergence_is_torchs_from_teacher_to_student_in_bits(temperature: float) -> None:
    student, teacher, _ = draw()
    p, log_q = (torch.tensor(teacher) / temperature).softmax(-1), (torch.tensor(student) / temperature).log_softmax(-1)
    expected = kl_div(log_q, p, reduction="none").sum(-1) / math.log(2)
    ours = lab.divergence(teacher, student, temperature)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    nats = soft_divergence(torch.tensor(student), torch.tensor(teacher), temperature).item()
    assert ours.mean() * math.log(2) == pytest.approx(nats, rel=1e-12)


@at_every_temperature
def test_a_student_like_its_teacher_has_no_divergence_and_shares_everything(temperature: float) -> None:
    _, teacher, _ = draw()
    assert (lab.divergence(teacher, teacher, temperature) == 0).all()
    assert (lab.divergence(teacher, teacher + 5.0, temperature) < 1e-14).all()  # a constant changes no softmax
    assert (lab.divergence(teacher, teacher + 5.0, temperature) >= 0).all()
    np.testing.assert_allclose(lab.overlap(teacher, teacher, temperature), 1, rtol=1e-14)
    assert lab.agreement(teacher, teacher).all()


def test_overlap_is_what_both_predictions_share() -> None:
    student, teacher, _ = draw()
    p, q = lab.soften(teacher, 2.0), lab.soften(student, 2.0)
    np.testing.assert_allclose(lab.overlap(teacher, student, 2.0), 1 - np.abs(p - q).sum(-1) / 2, rtol=1e-12)
    assert lab.overlap([1e4, 0.0], [0.0, 1e4], 1.0) == 0


def test_agreement_is_about_winners() -> None:
    assert lab.agreement([[1.0, 2.0], [3.0, 0.0]], [[5.0, 9.0], [0.0, 1.0]]).tolist() == [True, False]


@at_every_temperature
def test_a_temperature_changes_no_winner(temperature: float, opening: History) -> None:
    student, teacher = opening.logits["student"], opening.logits["teacher"]
    softened = [lab.soften(logits, temperature) for logits in (teacher, student)]
    assert np.array_equal(lab.agreement(*softened), lab.agreement(teacher, student))
    assert opening.opened is not None
    hard = [confusion_matrix(logits, opening.opened.labels) for logits in (teacher, softened[0])]
    assert np.array_equal(*hard)


# --- gradients --------------------------------------------------------------------------------------------------------


@at_every_temperature
def test_soft_gradient_is_what_torch_finds_for_the_loss(temperature: float) -> None:
    student, teacher, _ = draw()
    leaf = torch.tensor(student, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_divergence(leaf, torch.tensor(teacher), temperature), leaf)
    ours = lab.soft_gradient(student, teacher, temperature)
    np.testing.assert_allclose(ours, len(student) * gradient.numpy(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(ours.sum(-1), 0, atol=1e-15)


@at_every_temperature
def test_the_whole_loss_is_the_weighted_sum_of_soft_and_hard_gradient(temperature: float) -> None:
    student, teacher, labels = draw()
    leaf = torch.tensor(student, requires_grad=True)
    knobs = {"temperature": temperature, "soft_weight": 0.7, "hard_weight": 0.2, "t_squared": 1}
    parts = hinton(leaf, torch.tensor(teacher), torch.tensor(labels), **knobs)
    (gradient,) = torch.autograd.grad(sum(part.weight * part.value for part in parts.values()), leaf)
    soft, hard = lab.soft_gradient(student, teacher, temperature), lab.hard_gradient(student, labels)
    ours = 0.7 * temperature**2 * soft + 0.2 * hard
    np.testing.assert_allclose(ours, len(student) * gradient.numpy(), rtol=0, atol=1e-11)


def test_hard_gradient_is_torchs_of_the_cross_entropy() -> None:
    student, _, labels = draw()
    leaf = torch.tensor(student, requires_grad=True)
    loss = cross_entropy(leaf, torch.tensor(labels), reduction="sum")
    (gradient,) = torch.autograd.grad(loss, leaf)
    np.testing.assert_allclose(lab.hard_gradient(student, labels), gradient.numpy(), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(lab.hard_gradient(student[3], labels[3]), lab.hard_gradient(student, labels)[3])


def test_gradients_of_certain_networks_keep_their_digits() -> None:
    """Two winners with probability 1 − 1e-35 differ by 1e-35, which plain float64 takes for 0."""
    student, teacher = np.array([80.0, 0.0, -1.0]), np.array([82.0, 0.0, 0.0])
    q, p = np.exp([-80.0, -81.0]), np.exp([-82.0, -82.0])
    np.testing.assert_allclose(lab.soft_gradient(student, teacher, 1.0), [-(q - p).sum(), *(q - p)], rtol=1e-12)
    np.testing.assert_allclose(lab.hard_gradient(student, 0), [-q.sum(), *q], rtol=1e-12)


@at_every_temperature
def test_soft_gradient_of_a_real_run_keeps_its_digits(temperature: float, opening: History) -> None:
    """Against twice the precision; a plain q − p at T = 0.5 is off by 2e-5 here."""

    def soften(logits: NDArray[np.float32]) -> NDArray[np.longdouble]:
        exact = (logits.astype(np.longdouble) - logits.max(-1, keepdims=True)) / np.longdouble(temperature)
        return np.exp(exact) / np.exp(exact).sum(-1, keepdims=True)

    student, teacher = opening.logits["student"], opening.logits["teacher"]
    exact = (soften(student) - soften(teacher)) / temperature
    winner = teacher.argmax(-1)[:, None]
    np.put_along_axis(exact, winner, 0, -1)
    np.put_along_axis(exact, winner, -exact.sum(-1, keepdims=True), -1)
    errors = np.linalg.norm((lab.soft_gradient(student, teacher, temperature) - exact).astype(float), axis=-1)
    assert (errors / np.linalg.norm(exact.astype(float), axis=-1)).max() < 1e-12


def test_matching_gradient_compares_logits_without_their_means() -> None:
    student, teacher = np.array([3.0, 1.0, 2.0]), np.array([10.0, 30.0, 20.0])
    expected = (np.array([1.0, -1.0, 0.0]) - np.array([-10.0, 10.0, 0.0])) / (3 * 5.0**2)
    np.testing.assert_allclose(lab.matching_gradient(student, teacher, 5.0), expected, rtol=1e-15)
    np.testing.assert_allclose(lab.matching_gradient(student + 7, teacher - 9, 5.0), expected, rtol=1e-14)


def test_matching_becomes_exact_at_high_temperature_as_1_over_t(opening: History) -> None:
    """Hinton et al. 2015, equations 2 to 4: error and angle fall like 1/T, |T² gradient| tends to |z − v|/N."""
    student, teacher = (opening.logits[role].astype(np.float64) for role in ("student", "teacher"))
    errors, angles, sizes = [], [], []
    for temperature in (1e3, 1e4):
        soft = lab.soft_gradient(student, teacher, temperature)
        limit = lab.matching_gradient(student, teacher, temperature)
        errors.append(lab.relative_error(soft, limit))
        angles.append(lab.angle(soft, limit))
        sizes.append(temperature**2 * np.linalg.norm(soft, axis=-1))
    assert np.median(errors[1]) < 2e-3
    np.testing.assert_allclose(errors[0] / errors[1], 10, rtol=0.1)
    np.testing.assert_allclose(angles[0] / angles[1], 10, rtol=0.1)
    z, v = (logits - logits.mean(-1, keepdims=True) for logits in (student, teacher))
    np.testing.assert_allclose(sizes[1], np.linalg.norm(z - v, axis=-1) / 10, rtol=0.01)


def test_angle_is_right_everywhere_and_at_any_size() -> None:
    for degrees in (0, 1e-10, 1e-6, 0.1, 45, 90, 135, 180 - 1e-6, 180):
        turned = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
        for size in (1e-200, 1e-9, 1.0, 1e9):
            assert lab.angle([3e-5, 0.0], size * turned) == pytest.approx(degrees, rel=1e-12)
    assert lab.angle([1, 0], [1, 1]) == pytest.approx(45)


def test_nothing_has_no_angle_and_no_relative_error() -> None:
    something, nothing = [[1.0, 2.0]], [[0.0, 0.0]]
    for pair in ((nothing, something), (something, nothing), (nothing, nothing)):
        assert np.isnan(lab.angle(*pair)).all()
    assert np.isnan(lab.relative_error(nothing, something)).all()
    assert lab.relative_error(something, nothing) == 1
    assert lab.relative_error([3.0, 4.0], [3.0, 9.0]) == pytest.approx(1)
    assert lab.relative_error([3e-200, 4e-200], [3e-200, 9e-200]) == pytest.approx(1)
    assert lab.relative_error([3e-307, 0.0], [1e4, 0.0]) == math.inf


# --- ensembles --------------------------------------------------------------------------------------------------------


@at_every_temperature
def test_the_ends_of_the_power_mean_are_the_arithmetic_and_the_geometric_mean(temperature: float) -> None:
    teachers = np.random.default_rng(3).normal(0, 5, (4, 20, 10))
    logs = lab.log_soften(teachers, temperature)
    np.testing.assert_allclose(lab.power_mean(logs, 1), np.exp(logs).mean(0), rtol=1e-12)
    np.testing.assert_allclose(lab.power_mean(logs, 0), lab.soften(teachers.mean(0), temperature), rtol=1e-12)


@pytest.mark.parametrize("exponent", [0.01, 0.3, 0.5, 0.9])
def test_the_power_mean_is_scipys_made_to_sum_to_1(exponent: float) -> None:
    logs = lab.log_soften(np.random.default_rng(3).normal(0, 5, (4, 20, 10)), 2.0)
    expected = pmean(np.exp(logs), exponent, axis=0)
    ours = lab.power_mean(logs, exponent)
    np.testing.assert_allclose(ours, expected / expected.sum(-1, keepdims=True), rtol=1e-10)
    np.testing.assert_allclose(ours.sum(-1), 1, rtol=1e-14)


def test_a_small_exponent_tends_to_the_geometric_mean() -> None:
    logs = lab.log_soften(np.random.default_rng(3).normal(0, 5, (4, 20, 10)), 2.0)
    far = [np.abs(lab.power_mean(logs, exponent) - lab.power_mean(logs, 0)).max() for exponent in (1e-3, 1e-6, 1e-9)]
    assert far[0] > 1e-4
    assert far[1] == pytest.approx(far[0] / 1e3, rel=0.05)
    assert far[2] == pytest.approx(far[0] / 1e6, rel=0.05)
    assert np.abs(lab.power_mean(logs, 1e-300) - lab.power_mean(logs, 0)).max() < 1e-14


@pytest.mark.parametrize("exponent", [0.0, 1e-12, 0.01, 0.5, 1.0])
def test_the_power_mean_survives_probabilities_that_underflow(exponent: float) -> None:
    logs = lab.log_soften([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], 0.5)
    mean = lab.power_mean(logs, exponent)
    assert np.isfinite(mean).all()
    expected = [1 / 3, 1 / 3, 1 / 3] if exponent == 0 else [0.5, 0.5, 0.0]
    if exponent != 1e-12:  # there it is on its way
        np.testing.assert_allclose(mean, expected, atol=1e-12)
    alone = lab.log_soften([[1.0, 2.0, 3.0]], 1.0)
    np.testing.assert_allclose(lab.power_mean(alone, exponent), np.exp(alone[0]), rtol=1e-14)


# --- classes that are alike -------------------------------------------------------------------------------------------


@at_every_temperature
def test_soft_confusion_is_the_mean_prediction_for_each_true_class(temperature: float, opening: History) -> None:
    assert opening.opened is not None
    labels, teacher = opening.opened.labels, opening.logits["teacher"]
    confusion = lab.soft_confusion(teacher, labels, temperature)
    softened = (torch.tensor(teacher, dtype=torch.float64) / temperature).softmax(-1).numpy()
    np.testing.assert_allclose(confusion, [softened[labels == true].mean(0) for true in range(10)], rtol=1e-12)
    np.testing.assert_allclose(confusion.sum(1), 1, rtol=1e-12)


def test_soft_confusion_becomes_the_hard_one_when_it_is_cold(opening: History) -> None:
    assert opening.opened is not None
    labels, student = opening.opened.labels, opening.logits["student"]
    hard = confusion_matrix(student, labels)
    np.testing.assert_allclose(lab.soft_confusion(student, labels, 1e-6), hard / hard.sum(1, keepdims=True), atol=1e-9)


def test_a_class_without_examples_is_nan_in_the_confusion_and_left_out_of_the_pairs() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.25, 0.15, 0.6]])
    confusion = lab.soft_confusion(logits, np.array([0, 0, 2]), 1.0)
    np.testing.assert_allclose(confusion, [[0.6, 0.25, 0.15], [np.nan] * 3, [0.25, 0.15, 0.6]], rtol=1e-12)
    assert lab.similar_pairs(confusion) == [(0, 2, pytest.approx(0.2))]
    # Classes 0 and 2 join first, at −log2 0.2; class 1 joins at what counts as no similarity.
    tree = lab.dendrogram(confusion)
    assert tree[:, :2].tolist() == [[0, 2], [1, 3]]
    assert tree[:, 2].tolist() == pytest.approx([-math.log2(0.2), -math.log2(1e-12)])


def test_similarity_is_half_of_what_two_classes_give_each_other() -> None:
    confusion = np.array([[0.7, 0.2, 0.1], [0.4, 0.6, 0.0], [0.1, 0.1, 0.8]])
    expected = np.array([[0, 0.3, 0.1], [0.3, 0, 0.05], [0.1, 0.05, 0]])
    np.testing.assert_allclose(lab.class_similarity(confusion), expected)
    pairs = lab.similar_pairs(confusion)
    assert [pair[:2] for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [pair[2] for pair in pairs] == pytest.approx([0.3, 0.1, 0.05])
    assert all(type(value) in (int, float) for pair in pairs for value in pair)  # ready for JSON


def test_pairs_are_ordered_by_similarity_and_then_by_class() -> None:
    confusion = np.full((4, 4), 0.1)
    confusion[1, 3] = confusion[3, 1] = 0.4
    assert [pair[:2] for pair in lab.similar_pairs(confusion)] == [(1, 3), (0, 1), (0, 2), (0, 3), (1, 2), (2, 3)]


@at_every_temperature
def test_the_dendrogram_is_scipys_average_linkage_in_bits(temperature: float, opening: History) -> None:
    assert opening.opened is not None
    confusion = lab.soft_confusion(opening.logits["teacher"], opening.opened.labels, temperature)
    distance = -np.log2(np.maximum((confusion + confusion.T) / 2, 1e-12))
    np.fill_diagonal(distance, 0)
    tree = lab.dendrogram(confusion)
    np.testing.assert_allclose(tree, linkage(squareform(distance), method="average"), rtol=1e-12)
    assert tree.shape == (9, 4)
    assert is_valid_linkage(tree)
    assert (np.diff(tree[:, 2]) >= 0).all()
    assert tree[0, :2].tolist() == sorted(lab.similar_pairs(confusion)[0][:2])


def test_the_dendrogram_copes_with_two_classes_and_with_none_alike() -> None:
    assert lab.dendrogram(np.array([[0.5, 0.5], [0.5, 0.5]])).tolist() == [[0, 1, 1, 2]]
    assert lab.dendrogram(np.eye(3))[:, 2].tolist() == pytest.approx([-math.log2(1e-12)] * 2)
    assert lab.dendrogram(np.array([[0.0, 1 + 1e-15], [1 + 1e-15, 0.0]]))[0, 2] == 0
