"""The parts that losses are made of, and the formulas that several of them share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Part", "cross_entropy", "log_softmax", "soft_divergence"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a loss: `value` (scalar, nats, mean over the batch) is plotted, `weight * value` is optimised."""

    value: "Tensor"
    weight: "float | Tensor"


def log_softmax(logits: "Tensor") -> "Tensor":
    """Return the logarithm of the softmax over the last dimension (nats).

    Step by step, because torch's own takes up to thirty times as long where there are few classes and many networks.
    """
    shifted = logits - logits.detach().amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Return the hard cross-entropy, averaged over the batch (scalar, nats).

    `logits` (batch, classes), `labels` int64 (batch,).
    """
    return -log_softmax(logits).gather(1, labels[:, None]).mean()


def soft_divergence(student_logits: "Tensor", teacher_logits: "Tensor", temperature: float) -> "Tensor":
    """Return KL(teacher ‖ student) of the softened distributions, summed over classes, averaged over the batch (nats).

    Both logits (batch, classes). Its gradient in a student logit is (q − p)/T per example (Hinton et al. 2015, eq. 2).
    No gradient reaches the teacher.
    """
    log_p = log_softmax(teacher_logits.detach() / temperature)
    log_q = log_softmax(student_logits / temperature)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()
