"""A forward pass of a few images before training: the logits, or an InputError with one sentence on the problem."""

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

__all__ = [
    "check_finite",
    "check_has_values",
    "first_line",
    "forward_logits",
    "preserve_random_state",
    "refuse_probabilities",
    "sample_inputs",
]

MAX_SAMPLE_SIZE = 13
# Logits grow with the inputs; outputs of a sigmoid or a softmax stay between 0 and 1.
LARGE_INPUT_FACTOR = 1e4


def sample_inputs(data: Dataset) -> Tensor:
    """Return inputs of a few training images; their number differs from the number of classes.

    Otherwise the dimensions of examples and classes could be confused.
    """
    count = min(MAX_SAMPLE_SIZE, len(data.train))
    return data.train.inputs(slice(count - 1 if count == len(data.classes) else count))


@contextmanager
def preserve_random_state(device: torch.device) -> Iterator[None]:
    """Restore every random state at the end: a trial must not change later draws."""
    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)


def check_has_values(role: str, module: nn.Module) -> None:
    """Raise InputError for a network whose weights have no values or no sizes yet."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise InputError(
                f"The size of {quote(name)} in the {role} is not known yet: send it a batch of images first."
            )
        if tensor.is_meta:
            raise InputError(
                f"The {quote(name)} of the {role} has no values on the device meta: load its weights first."
            )


def forward_logits(
    role: str, module: nn.Module, inputs: Tensor, data: Dataset, when: str = ""
) -> tuple[Tensor, int | None]:
    """Return the logits (examples, classes) of `inputs`, and the index for a `LogitReader`, or None if none is needed.

    The network stays in its mode; `when` describes the circumstances in a sentence. Raises InputError for an output of
    another shape or kind.
    """
    count, classes = len(inputs), len(data.classes)
    try:
        returned = module(inputs.clone())  # the network may change its inputs
    except Exception as error:  # a user's network may raise any exception
        raise InputError(
            f"The {role} cannot answer a batch {tuple(inputs.shape)} of {data.name}{when}: "
            f"{_reason(module, data, count, error)}."
        ) from error
    logits, index = read_logits(returned, count, classes)
    advice = f"let it return {classes} logits for each image, as float32 numbers (images, {classes})"
    if not isinstance(logits, Tensor):
        raise InputError(f"The {role} returns {_describe(returned)}{when}, which holds no logits: {advice}.")
    if logits.shape != (count, classes):
        if logits.ndim == 2 and len(logits) == count:
            number = f"{logits.shape[1]} number{'s' if logits.shape[1] != 1 else ''} for each image"
            raise InputError(f"The {role} gives {number}{when}, but {data.name} has {classes} classes: {advice}.")
        shape = tuple(logits.shape)
        if count == 1 and shape == (classes,):
            advice = f"{advice}, for one image too, as squeeze(-1) does where squeeze() does not"
        raise InputError(
            f"The {role} answers {count} image{'s' if count > 1 else ''} of {classes} classes with an output of the "
            f"shape {shape}{when}: {advice}."
        )
    if not logits.is_floating_point():
        raise InputError(f"The {role} returns numbers of the type {_name(logits.dtype)}{when}: {advice}.")
    return logits, None if logits is returned else index


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
    """Raise InputError for a network whose `logits` of the sample are probabilities; `remedy`: advice for the sentence.

    A `trained` network is tested with larger inputs already if all its outputs lie between 0 and 1.
    """
    reason = looks_like_probabilities(logits.float().cpu().numpy())
    if trained and bool(((logits >= 0) & (logits <= 1)).all()) and logits.max() > logits.min():
        reason = reason or SIGMOIDS
    if reason and _stays_between(module, sample_inputs(data) * LARGE_INPUT_FACTOR, len(data.classes)):
        raise InputError(f"The {role} gives probabilities in place of logits ({reason}): {remedy}.")


def _stays_between(module: nn.Module, inputs: Tensor, classes: int) -> bool:
    """Whether the outputs lie between 0 and 1 for much larger inputs too; True if the network fails on these."""
    try:
        with evaluating(module):
            logits = torch.cat([read_logits(module(sign * inputs), len(inputs), classes)[0] for sign in (1, -1)])
            inside: bool = bool(((logits >= 0) & (logits <= 1)).all())
            return inside or not bool(logits.isfinite().all())
    except Exception:  # a network may refuse such inputs
        return True


def _reason(module: nn.Module, data: Dataset, count: int, error: Exception) -> str:
    """How to change a network that fails, if its layers show that; otherwise the error that it raised."""
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
    """Return type and message of an error in one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:150]}{'…' if len(text) > 150 else ''}".rstrip(".: ")


def _describe(returned: Any) -> str:
    if isinstance(returned, tuple | list):
        shapes = ", ".join(str(tuple(part.shape)) for part in returned if isinstance(part, Tensor)) or "no tensor"
        return f"a {type(returned).__name__} of {shapes}"
    return f"a {type(returned).__name__}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
