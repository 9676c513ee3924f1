"""What the student minimises: an objective returns its parts, and the sum of their weighted values is optimised.

To add one, decorate a function like `hinton` below: it takes a batch's logits and labels and its knobs, and returns
its `Part`s. The command line, the sliders, the curves and the contract tests find it by themselves. Only tensor
methods are used here, so that this module does not import torch. When many students train at once, a knob is a tensor
without dimensions instead of a number (but for switches and whole numbers), so compute with it rather than ask it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdlab.registry import OBJECTIVES, Knob

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Part", "cross_entropy", "hinton", "log_softmax", "logit_matching", "soft_divergence"]


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


@OBJECTIVES.add(
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
    student_logits: "Tensor",
    teacher_logits: "Tensor",
    labels: "Tensor",
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


@OBJECTIVES.add(
    "logit-matching",
    label="Logit matching (Ba and Caruana 2014)",
    help="squared distance of zero-meaned logits: what soft targets come to at a high temperature",
    knobs=(Knob("match_weight", "Match weight", 1.0, 0.0, 10.0, "pull towards the teacher's logits", symbol="match"),),
)
def logit_matching(
    student_logits: "Tensor", teacher_logits: "Tensor", labels: "Tensor", *, match_weight: float
) -> dict[str, Part]:
    """Return the part `match`: half the mean squared distance of the logits, each example's zero-meaned.

    Its gradient (z − v)/N is the limit of T² times that of the soft targets (Hinton et al. 2015, equation 4).
    """
    difference = student_logits - teacher_logits.detach()
    difference = difference - difference.mean(-1, keepdim=True)
    return {"match": Part(difference.square().mean(-1).mean() / 2, match_weight)}
