"""The parts that losses are made of, and the formulas that several of them share."""

from __future__ import annotations

from dataclasses import dataclass

from kdlab.lazy import torch

__all__ = ["Part", "cross_entropy", "log_softmax", "soft_divergence"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a loss: `value` (scalar, nats, mean over the batch) is plotted, `weight * value` is optimised."""

    value: torch.Tensor
    weight: float | torch.Tensor


def log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of the softmax over the last dimension (nats).

    Step by step, because torch's own takes up to thirty times as long where there are few classes and many networks.
    """
    shifted = logits - logits.detach().amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the hard cross-entropy, averaged over the batch (scalar, nats).

    `logits` (batch, classes), `labels` int64 (batch,).
    """
    return -log_softmax(logits).gather(1, labels[:, None]).mean()


def soft_divergence(student_logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return KL(teacher ‖ student) of the softened distributions, summed over classes, averaged over the batch (nats).

    Both logits (batch, classes). Its gradient in a student logit is (q − p)/T per example (Hinton et al. 2015, eq. 2).
    No gradient reaches the teacher.
    """
    log_p = log_softmax(teacher_logits.detach() / temperature)
    log_q = log_softmax(student_logits / temperature)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()
