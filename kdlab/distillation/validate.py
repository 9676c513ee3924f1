"""Checks of a spec that need torch or the data, made before any training."""

from collections.abc import Mapping

import torch

from kdlab import models
from kdlab.datasets import Dataset
from kdlab.losses import Part
from kdlab.registry import LOSSES, InputError, quote
from kdlab.train.forward_check import first_line
from kdlab.train.spec import Spec

__all__ = ["check_loss", "check_network", "check_parameters", "check_transfer_size", "check_weights"]

ALL_0 = "All weights of the loss are 0, so the student would learn nothing: raise one of them."


def check_weights(spec: Spec) -> None:
    """Raise InputError when all weights of the loss are 0."""
    nothing = torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    entry, _ = LOSSES.find(spec.loss)
    if entry.shipped and not any(part.weight for part in entry.build(*nothing, **spec.knobs).values()):
        raise InputError(ALL_0)


def check_loss(spec: Spec, classes: int) -> None:
    """Raise InputError for a user's loss that returns something else than parts to learn from."""
    entry, _ = LOSSES.find(spec.loss)
    if entry.shipped:
        return
    owner, examples = f"The loss {quote(spec.loss)}", max(3, classes + 1)
    logits = torch.linspace(-1, 1, 2 * examples * classes).view(2, examples, classes)
    student, teacher = logits[0].clone().requires_grad_(), logits[1].clone()
    labels = torch.arange(examples) % classes
    copies = teacher.clone(), labels.clone()
    try:
        parts = entry.build(student, teacher, labels, **spec.knobs)
    except Exception as error:  # a user's function may raise any exception
        raise InputError(
            f"{owner} cannot be computed from logits ({examples}, {classes}): {first_line(error)}."
        ) from error
    if not isinstance(parts, Mapping) or not parts or not all(isinstance(part, Part) for part in parts.values()):
        raise InputError(
            f'{owner} returns no parts: let it return a dictionary such as {{"pull": Part(value, weight)}}.'
        )
    for name, part in parts.items():
        if not isinstance(part.value, torch.Tensor) or part.value.ndim:
            raise InputError(
                f"The part {quote(name)} of the loss {quote(spec.loss)} has no single number as its value: "
                "average it over the batch, as value.mean() does, and give its weight second."
            )
    if not any(part.weight for part in parts.values()):
        raise InputError(ALL_0)
    if not any(part.value.requires_grad for part in parts.values()):
        raise InputError(f"{owner} does not depend on the student's logits through a gradient: do not detach them.")
    if not (torch.equal(teacher, copies[0]) and torch.equal(labels, copies[1])):
        raise InputError(
            f"{owner} changes the teacher's logits or the labels, which others learn from: copy them first."
        )


def check_transfer_size(spec: Spec, data: Dataset) -> None:
    """Raise InputError if the transfer set is larger than the training set."""
    if spec.transfer_size > len(data.train):
        raise InputError(
            f"The transfer set cannot have {spec.transfer_size:,} {data.example_unit}, because {spec.dataset} has "
            f"{len(data.train):,} to train on: choose fewer, or 0 for all."
        )


def check_parameters(spec: Spec, data: Dataset, max_parameters: float) -> None:
    """Raise InputError if one of the spec's networks has more than `max_parameters` parameters on these data."""
    for role in ("teacher", "student"):
        check_network(role, getattr(spec, role), data, max_parameters)


def check_network(role: str, name: str, data: Dataset, max_parameters: float) -> None:
    """Raise InputError if the network called `name` has more than `max_parameters`; `role` names it in the sentence."""
    with torch.device("meta"):  # weights have sizes there, but take no memory
        network = models.build(name, data.shape, len(data.classes))
    if (count := sum(parameter.numel() for parameter in network.parameters())) > max_parameters:
        raise InputError(
            f"The {role} {name} has {count:,} parameters; this server allows {max_parameters:,.0f}: choose a smaller "
            "one."
        )
