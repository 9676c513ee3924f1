"""A few images through a network before anything is trained: its logits, or one sentence that says what is wrong."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from kdlab.datasets import Dataset
from kdlab.registry import InputError, quote
from kdlab.train.evaluate import evaluating
from kdlab.train.logit_reader import read_logits
from kdlab.train.probabilities import SIGMOIDS, looks_like_probabilities

__all__ = ["answer", "check_finite", "check_has_values", "first_line", "refuse_probabilities", "sample", "undisturbed"]

FEW = 13
# Logits grow with the inputs; what a sigmoid or a softmax returns stays between 0 and 1.
MUCH = 1e4


def sample(data: Dataset) -> Tensor:
    """Return inputs of a few training images, another number of them than there are classes.

    Otherwise examples and classes could be taken for each other.
    """
    count = min(FEW, len(data.train))
    return data.train.inputs(slice(count - 1 if count == len(data.classes) else count))


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Give every random state back: a trial must not move what is drawn later."""
    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)


def check_has_values(role: str, module: nn.Module) -> None:
    """Raise InputError for a network with weights whose values, or even sizes, are not known yet."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise InputError(
                f"The size of {quote(name)} in the {role} is not known yet: send it a batch of images first."
            )
        if tensor.is_meta:
            raise InputError(
                f"The {quote(name)} of the {role} has no values on the device meta: load its weights first."
            )


def answer(role: str, module: nn.Module, inputs: Tensor, data: Dataset, when: str = "") -> tuple[Tensor, int | None]:
    """Return the logits (examples, classes) of `inputs`, and where they have to be read, for a `LogitReader`, or None.

    The network stays in its mode; `when` ends what a sentence says of the circumstances. Raises InputError for an
    output of another shape or kind.
    """
    count, classes = len(inputs), len(data.classes)
    try:
        returned = module(inputs.clone())  # which it may change
    except Exception as error:  # whatever a person's own network raises
        raise InputError(
            f"The {role} cannot answer a batch {tuple(inputs.shape)} of {data.name}{when}: "
            f"{_reason(module, data, count, error)}."
        ) from error
    logits, place = read_logits(returned, count, classes)
    wanted = f"let it return {classes} logits for each image, as float32 numbers (images, {classes})"
    if not isinstance(logits, Tensor):
        raise InputError(f"The {role} returns {_describe(returned)}{when}, which holds no logits: {wanted}.")
    if logits.shape != (count, classes):
        if logits.ndim == 2 and len(logits) == count:
            number = f"{logits.shape[1]} number{'s' if logits.shape[1] != 1 else ''} for each image"
            raise InputError(f"The {role} gives {number}{when}, but {data.name} has {classes} classes: {wanted}.")
        shape = tuple(logits.shape)
        if count == 1 and shape == (classes,):
            wanted = f"{wanted}, for one image too, as squeeze(-1) does where squeeze() does not"
        raise InputError(
            f"The {role} answers {count} image{'s' if count > 1 else ''} of {classes} classes with an output of the "
            f"shape {shape}{when}: {wanted}."
        )
    if not logits.is_floating_point():
        raise InputError(f"The {role} returns numbers of the type {_name(logits.dtype)}{when}: {wanted}.")
    return logits, None if logits is returned else place


def check_finite(role: str, logits: Tensor, data: Dataset, when: str = "") -> None:
    """Raise InputError for logits that are NaN or infinite."""
    if not logits.isfinite().all():
        number = "NaN" if logits.isnan().any() else "infinite"
        raise InputError(
            f"The {role} gives logits that are {number} to images of {data.name}{when}: check its weights, and what it "
            "computes of numbers from 0 to 1."
        )


def refuse_probabilities(
    role: str, module: nn.Module, logits: Tensor, data: Dataset, remedy: str, trained: bool = False
) -> None:
    """Raise InputError for a network whose `logits` of the sample are probabilities; `remedy` says what to do.

    Of a `trained` one numbers that all lie between 0 and 1 are reason enough to ask it about larger inputs.
    """
    reason = looks_like_probabilities(logits.float().cpu().numpy())
    if trained and bool(((logits >= 0) & (logits <= 1)).all()) and logits.max() > logits.min():
        reason = reason or SIGMOIDS
    if reason and _stays_between(module, sample(data) * MUCH, len(data.classes)):
        raise InputError(f"The {role} gives probabilities in place of logits ({reason}): {remedy}.")


def _stays_between(module: nn.Module, inputs: Tensor, classes: int) -> bool:
    """Whether even the answers to much larger inputs lie between 0 and 1, as far as that can be told."""
    try:
        with evaluating(module):
            logits = torch.cat([read_logits(module(sign * inputs), len(inputs), classes)[0] for sign in (1, -1)])
            inside: bool = bool(((logits >= 0) & (logits <= 1)).all())
            return inside or not bool(logits.isfinite().all())
    except Exception:  # a network may mind such inputs
        return True


def _reason(module: nn.Module, data: Dataset, count: int, error: Exception) -> str:
    """What to change in a network that fails, as far as its first layer says so, or what it said itself."""
    raised = f"it raises {first_line(error)}"
    brackets = f"({raised})"
    layers = [layer for layer in module.modules() if not list(layer.children())]
    if count == 1 and any(isinstance(layer, _BatchNorm) for layer in layers):
        return (
            f"batch normalisation learns from several images at a time {brackets}: raise batch_size or the transfer set"
        )
    first = next((layer for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)), None)
    channels, height, width = data.shape
    if isinstance(first, nn.Conv2d) and first.in_channels != channels:
        return f"its first layer takes images of {first.in_channels} channels, and these have {channels} {brackets}"
    if isinstance(first, nn.Linear) and first.in_features != channels * height * width:
        pixels = channels * height * width
        return f"its first layer takes {first.in_features} numbers, and an image has {pixels} {brackets}"
    if isinstance(module, nn.Sequential) and module[0] is first and isinstance(first, nn.Linear):
        return f"begin it with torch.nn.Flatten(), which makes rows of images {brackets}"
    return raised


def first_line(error: Exception) -> str:
    """Return what an error says, in one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:150]}{'…' if len(text) > 150 else ''}".rstrip(".: ")


def _describe(returned: Any) -> str:
    if isinstance(returned, tuple | list):
        shapes = ", ".join(str(tuple(part.shape)) for part in returned if isinstance(part, Tensor)) or "no tensor"
        return f"a {type(returned).__name__} of {shapes}"
    return f"a {type(returned).__name__}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
