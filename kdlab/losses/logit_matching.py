"""Logit matching (Ba and Caruana 2014), the high-temperature limit of soft targets."""

from __future__ import annotations

from kdlab.lazy import torch
from kdlab.losses.base import Part
from kdlab.registry import LOSSES, Knob

__all__ = ["logit_matching"]


@LOSSES.add(
    "logit-matching",
    label="Logit matching (Ba and Caruana 2014)",
    help="squared distance of zero-meaned logits: what soft targets come to at a high temperature",
    knobs=(Knob("match_weight", "Match weight", 1.0, 0.0, 10.0, "pull towards the teacher's logits", symbol="match"),),
)
def logit_matching(
    student_logits: torch.Tensor, teacher_logits: torch.Tensor, labels: torch.Tensor, *, match_weight: float
) -> dict[str, Part]:
    """Return the part `match`: half the mean squared distance of the logits, each example's zero-meaned.

    Its gradient (z − v)/N is the limit of T² times that of the soft targets (Hinton et al. 2015, equation 4).
    """
    difference = student_logits - teacher_logits.detach()
    difference = difference - difference.mean(-1, keepdim=True)
    return {"match": Part(difference.square().mean(-1).mean() / 2, match_weight)}
