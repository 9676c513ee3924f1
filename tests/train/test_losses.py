"""What a loss must be, and the exact facts of Hinton's."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as torch_cross_entropy
from torch.nn.functional import kl_div

from kdlab.losses import Part, cross_entropy, soft_divergence
from kdlab.losses.hinton import hinton
from kdlab.losses.logit_matching import logit_matching
from kdlab.registry import LOSSES, InputError
from kdlab.train.spec import knob_defaults

TEMPERATURES = [0.5, 1.0, 2.0, 4.0, 20.0]


def draw(batch: int = 6, classes: int = 10, scale: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    """Student logits (a leaf that takes a gradient), teacher logits and labels, float64."""
    generator = torch.Generator().manual_seed(batch * 1_000 + classes)
    student, teacher = scale * torch.randn(2, batch, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (batch,), generator=generator)
    return student.requires_grad_(), teacher.requires_grad_(), labels


def total(parts: dict[str, Part]) -> Tensor:
    return torch.stack([part.weight * part.value for part in parts.values()]).sum()


def loop_divergence(student: Tensor, teacher: Tensor, temperature: float) -> float:
    """KL(teacher ‖ student), written out: summed over classes, averaged over the batch and over nothing else."""

    def soften(logits: list[float]) -> list[float]:
        exponentials = [math.exp(logit / temperature) for logit in logits]
        return [value / sum(exponentials) for value in exponentials]

    per_sample = [
        sum(p * math.log(p / q) for p, q in zip(soften(teacher_row), soften(student_row), strict=True))
        for student_row, teacher_row in zip(student.tolist(), teacher.tolist(), strict=True)
    ]
    return sum(per_sample) / len(per_sample)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_student_like_its_teacher_has_no_soft_loss(temperature: float) -> None:
    _, teacher, _ = draw()
    assert abs(soft_divergence(teacher, teacher, temperature).item()) < 1e-12
    assert abs(soft_divergence(teacher.float(), teacher.float(), temperature).item()) < 1e-7


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_soft_divergence_is_summed_over_classes_and_averaged_over_the_batch_only(temperature: float) -> None:
    student, teacher, _ = draw()
    value = soft_divergence(student, teacher, temperature).item()
    assert value == pytest.approx(loop_divergence(student, teacher, temperature), rel=1e-12)
    log_q, p = (student / temperature).log_softmax(-1), (teacher / temperature).softmax(-1)
    assert value == pytest.approx(kl_div(log_q, p, reduction="batchmean").item(), rel=1e-12)


def test_soft_divergence_runs_from_teacher_to_student_and_not_back() -> None:
    student, teacher, _ = draw()
    there, back = soft_divergence(student, teacher, 1.0).item(), soft_divergence(teacher, student, 1.0).item()
    assert there == pytest.approx(loop_divergence(student, teacher, 1.0))
    assert abs(there - back) > 0.1


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_soft_gradient_is_q_minus_p_over_t(temperature: float) -> None:
    student, teacher, _ = draw()
    (gradient,) = torch.autograd.grad(soft_divergence(student, teacher, temperature), student)
    q, p = (student / temperature).softmax(-1), (teacher / temperature).softmax(-1)
    torch.testing.assert_close(gradient, (q - p) / temperature / len(student), rtol=0, atol=1e-12)


def test_at_high_temperature_the_soft_gradient_compares_logits() -> None:
    """Hinton et al. 2015, equations 3 and 4: (z − v)/(N T²) for logits of mean zero."""
    student, teacher, _ = draw()
    z, v = (logits.detach() - logits.detach().mean(1, keepdim=True) for logits in (student, teacher))
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(soft_divergence(z, v, 100.0), z)
    limit = (z - v) / (10 * 100.0**2) / len(z)
    assert ((gradient - limit).norm() / limit.norm()).item() < 0.05


def test_cross_entropy_is_torchs() -> None:
    student, _, labels = draw()
    assert cross_entropy(student, labels).item() == pytest.approx(
        torch_cross_entropy(student, labels).item(), rel=1e-14
    )


def test_hinton_with_hard_weight_alone_is_cross_entropy() -> None:
    student, teacher, labels = draw()
    parts = hinton(student, teacher, labels, temperature=4.0, soft_weight=0.0, hard_weight=1.0, t_squared=1)
    assert total(parts).item() == pytest.approx(torch_cross_entropy(student, labels).item(), rel=1e-14)
    (ours,) = torch.autograd.grad(total(parts), student, retain_graph=True)
    (plain,) = torch.autograd.grad(torch_cross_entropy(student, labels), student)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-15)


def test_hinton_reports_unweighted_parts_and_weighs_the_soft_one_by_t_squared() -> None:
    student, teacher, labels = draw()
    parts = hinton(student, teacher, labels, temperature=3.0, soft_weight=0.7, hard_weight=0.2, t_squared=1)
    assert {name: part.weight for name, part in parts.items()} == {"soft": pytest.approx(0.7 * 9), "hard": 0.2}
    assert parts["soft"].value.item() == pytest.approx(loop_divergence(student, teacher, 3.0))
    assert parts["hard"].value.item() == pytest.approx(torch_cross_entropy(student, labels).item())


def test_t_squared_can_be_forgotten() -> None:
    student, teacher, labels = draw()
    parts = hinton(student, teacher, labels, temperature=3.0, soft_weight=0.7, hard_weight=0.2, t_squared=0)
    assert (parts["soft"].weight, parts["hard"].weight) == (0.7, 0.2)


def test_t_squared_keeps_the_size_of_the_soft_gradient() -> None:
    student, teacher, labels = draw()

    def size(temperature: float, t_squared: float) -> float:
        knobs = {"temperature": temperature, "soft_weight": 1.0, "hard_weight": 0.0, "t_squared": t_squared}
        (gradient,) = torch.autograd.grad(total(hinton(student, teacher, labels, **knobs)), student)
        return gradient.norm().item()

    assert size(80.0, 1) == pytest.approx(size(40.0, 1), rel=0.05)
    assert size(80.0, 0) == pytest.approx(size(40.0, 0) / 4, rel=0.05)


def test_t_squared_keeps_the_soft_share_of_the_gradient_beside_labels() -> None:
    student, teacher, labels = draw()

    def share(temperature: float, t_squared: bool) -> float:
        knobs = {"temperature": temperature, "soft_weight": 0.9, "hard_weight": 0.1, "t_squared": t_squared}
        parts = hinton(student, teacher, labels, **knobs)
        sizes = {
            name: torch.autograd.grad(part.weight * part.value, student, retain_graph=True)[0].norm().item()
            for name, part in parts.items()
        }
        return sizes["soft"] / (sizes["soft"] + sizes["hard"])

    assert share(50.0, True) == pytest.approx(share(20.0, True), abs=0.01)
    assert share(20.0, True) > 0.85
    assert share(20.0, False) < 0.1
    assert share(50.0, False) < 0.02


def test_logit_matching_is_the_squared_distance_of_zero_meaned_logits() -> None:
    student, teacher, labels = draw()
    parts = logit_matching(student, teacher, labels, match_weight=0.7)
    assert {name: part.weight for name, part in parts.items()} == {"match": 0.7}
    z, v = ([[x - sum(row) / len(row) for x in row] for row in logits.tolist()] for logits in (student, teacher))
    distances = [sum((a - b) ** 2 for a, b in zip(*rows, strict=True)) / 10 for rows in zip(z, v, strict=True)]
    assert parts["match"].value.item() == pytest.approx(sum(distances) / len(distances) / 2, rel=1e-12)
    # A number added to all logits of an image changes no prediction, and no part.
    moved = logit_matching(student + torch.arange(6.0)[:, None], teacher - 5, labels, match_weight=0.7)
    assert moved["match"].value.item() == pytest.approx(parts["match"].value.item(), rel=1e-12)


def test_the_gradient_of_logit_matching() -> None:
    student, teacher, labels = draw()

    def value(logits: Tensor) -> Tensor:
        return logit_matching(logits, teacher, labels, match_weight=1.0)["match"].value

    assert torch.autograd.gradcheck(value, student)  # finite differences
    (gradient,) = torch.autograd.grad(value(student), student)
    z, v = (logits.detach() - logits.detach().mean(1, keepdim=True) for logits in (student, teacher))
    torch.testing.assert_close(gradient, (z - v) / 10 / len(z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("temperature", "apart"), [(10.0, 0.3), (100.0, 0.03), (1_000.0, 0.003), (10_000.0, 3e-4)])
def test_logit_matching_is_the_limit_of_soft_targets_times_t_squared(temperature: float, apart: float) -> None:
    """Hinton et al. 2015, equation 4, in value and gradient: as near as 1/T."""
    student, teacher, labels = draw()
    soft = temperature**2 * soft_divergence(student, teacher, temperature)
    match = logit_matching(student, teacher, labels, match_weight=1.0)["match"].value
    assert soft.item() == pytest.approx(match.item(), rel=apart)
    (first,), (second,) = torch.autograd.grad(soft, student), torch.autograd.grad(match, student)
    assert float((first - second).norm() / second.norm()) < apart


# --- what every loss must be -------------------------------------------------------------------------------------

every_loss = pytest.mark.parametrize("loss", list(LOSSES))


def build(loss: str, student: Tensor, teacher: Tensor, labels: Tensor, **turned: float) -> dict[str, Part]:
    parts: dict[str, Part] = LOSSES[loss].build(student, teacher, labels, **(knob_defaults(loss) | turned))
    return parts


@every_loss
def test_a_loss_explains_itself_and_its_defaults_are_allowed(loss: str) -> None:
    entry = LOSSES[loss]
    assert entry.label
    assert entry.help
    assert len({knob.key for knob in entry.knobs}) == len(entry.knobs)
    for knob in entry.knobs:
        assert knob.label
        assert knob.help
        assert knob.minimum < knob.maximum
        assert knob.check(knob.default) == knob.default
        assert knob.scale == "linear" or knob.minimum > 0  # a logarithmic slider never reaches 0
        for outside in (knob.minimum - 1, knob.maximum + 1, math.nan, math.inf, "much", None):
            with pytest.raises(InputError, match=knob.key):
                knob.check(outside)


@every_loss
@pytest.mark.parametrize(("batch", "classes"), [(6, 10), (1, 10), (1, 2), (3, 100)])
def test_a_loss_returns_scalar_parts_and_teaches_the_student_alone(loss: str, batch: int, classes: int) -> None:
    student, teacher, labels = draw(batch, classes)
    parts = build(loss, student, teacher, labels)
    assert parts
    for name, part in parts.items():
        assert isinstance(name, str)
        assert "/" not in name  # the history's file uses it as a separator
        assert part.value.shape == ()
        assert math.isfinite(part.value.item())
        assert math.isfinite(part.weight)
    total(parts).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad.abs().sum() > 0


@every_loss
def test_a_loss_averages_over_the_batch(loss: str) -> None:
    student, teacher, labels = draw()
    once = build(loss, student, teacher, labels)
    twice = build(loss, student.repeat(2, 1), teacher.repeat(2, 1), labels.repeat(2))
    assert {name: part.value.item() for name, part in twice.items()} == pytest.approx(
        {name: part.value.item() for name, part in once.items()}
    )


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loss_stays_finite_for_extreme_logits_and_knobs(loss: str, dtype: torch.dtype) -> None:
    _, _, labels = draw(4, 3)
    extreme = torch.tensor([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [0, 0, 0], [-1e4, -1e4, -1e4]], dtype=dtype)
    knobs = LOSSES[loss].knobs
    for turned in [{}, *({knob.key: end} for knob in knobs for end in (knob.minimum, knob.maximum))]:
        student = extreme.roll(1, 0).clone().requires_grad_()
        parts = build(loss, student, extreme, labels, **turned)
        total(parts).backward()
        assert all(part.value.isfinite() for part in parts.values()), turned
        assert student.grad is not None
        assert student.grad.isfinite().all(), turned
