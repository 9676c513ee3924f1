"""Soft and hard targets (Hinton, Vinyals, Dean 2015)."""

from __future__ import annotations

from kdlab.lazy import torch
from kdlab.losses.base import Part, cross_entropy, soft_divergence
from kdlab.registry import LOSSES, Knob

__all__ = ["hinton"]


@LOSSES.add(
    "hinton",
    label="Soft and hard targets (Hinton 2015)",
    help="softened KL to the teacher plus cross-entropy with the labels",
    knobs=(
        Knob(
            "temperature",
            "Temperature T",
            4.0,
            0.5,
            50.0,
            "softens both networks' predictions",
            scale="log",
            symbol="T",
        ),
        Knob("soft_weight", "Soft weight", 0.9, 0.0, 1.0, "pull towards the teacher's soft targets", symbol="soft"),
        Knob("hard_weight", "Hard weight", 0.1, 0.0, 1.0, "pull towards the labels", symbol="hard"),
        Knob(
            "t_squared",
            "× T²",
            True,
            False,
            True,
            "keeps the balance with the labels when T is high; without labels Adam all but divides it out",
            kind=bool,
            symbol="×T²",
        ),
    ),
)
def hinton(
    student_logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    temperature: float,
    soft_weight: float,
    hard_weight: float,
    t_squared: float,
) -> dict[str, Part]:
    """Return the parts `soft` and `hard` of the distillation loss (Hinton, Vinyals, Dean 2015, section 2).

    The soft gradients shrink as 1/T². The factor T² on the soft part, unless `t_squared` is 0, keeps their share beside
    the hard ones. With soft targets alone Adam divides the factor out, but for a trace that its epsilon leaves
    (`tests/benchmarks/t_squared.py`).
    """
    scale = temperature**2 if t_squared else 1.0
    return {
        "soft": Part(soft_divergence(student_logits, teacher_logits, temperature), soft_weight * scale),
        "hard": Part(cross_entropy(student_logits, labels), hard_weight),
    }
