"""A teacher that a user trained: checks before its distillation, and notes about it."""

import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset
from kdlab.metrics.classification import count_errors
from kdlab.registry import LOSSES, InputError
from kdlab.train.evaluate import evaluating, predict
from kdlab.train.forward_check import (
    check_finite,
    check_has_values,
    first_line,
    forward_logits,
    preserve_random_state,
    refuse_probabilities,
    sample_inputs,
)
from kdlab.train.logit_reader import LOWEST, LogitReader
from kdlab.train.network_check import copy_network
from kdlab.train.probabilities import to_logits
from kdlab.train.spec import Spec

__all__ = ["check_hidden_classes", "note_idle_options", "ready_to_teach"]

ROLE = "teacher"
DECLARE = (
    'take the softmax or sigmoid off its end, or say outputs="probabilities" if each row sums to 1, or "logits" '
    "if they are logits all the same"
)
# Two numbers that stand for −inf; both are too low to change softened targets of a temperature up to 50.
HIDDEN = (-1e6, -2e6)
# An equal lowest logit of every image stands for −inf too, if it is not above this number.
FILL = -30.0
# Level of significance for another order of the outputs.
ORDER_P = 1e-4
MAX_NAMED_OUTPUTS = 5  # outputs in a sentence


def ready_to_teach(module: nn.Module, data: Dataset, spec: Spec) -> tuple[nn.Module, list[str], Tensor]:
    """Return a trained network with finite float32 logits as output, notes about it, and its validation logits.

    The user's module is not changed. −inf becomes a very low number. The logits are float32 (examples, classes). Raises
    InputError for a network that cannot be used as a teacher of these data.
    """
    check_has_values(ROLE, module)
    inputs, device = sample_inputs(data), data.train.images.device
    with preserve_random_state(device):
        module = _with_working_precision(module, inputs)
        with evaluating(module):
            logits, index = forward_logits(ROLE, module, inputs, data)
            repeated, _ = forward_logits(ROLE, module, inputs, data)
            forward_logits(ROLE, module, inputs[:1], data)  # of one image alone some drop a dimension
        check_finite(ROLE, _clamp(logits), data)
        probabilities = spec.outputs == "probabilities"
        if probabilities:
            _check_declared(logits)
        elif not spec.outputs:
            refuse_probabilities(ROLE, module, logits, data, DECLARE, trained=True)
        reader = LogitReader(module, index or 0, probabilities)
        validation = _predict(reader, data)
        check_finite(ROLE, validation, data)
        hides = bool((validation <= LOWEST).any() or (_clamp(logits) <= LOWEST).any())
    notes = [_note_if_random(logits, repeated), _note_if_inaccurate(validation, data)]
    ready = reader if index is not None or probabilities or hides else module
    return ready, [note for note in notes if note], validation


def _predict(teacher: nn.Module, data: Dataset) -> Tensor:
    """The logits of the validation images; raises InputError if the network fails on a large batch."""
    try:
        return predict(teacher, data.validation)
    except Exception as error:  # a user's network may raise any exception
        raise InputError(
            f"The teacher cannot answer the validation images of {data.name} ({first_line(error)}), as it could a few: "
            "let it take batches of any size."
        ) from error


def _with_working_precision(module: nn.Module, inputs: Tensor) -> nn.Module:
    """Return the network on the device of the inputs; a float32 copy if its own precision fails on them."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.device != inputs.device for tensor in tensors):
        module = copy_network(ROLE, module).to(inputs.device)
    if all(tensor.dtype == torch.float32 for tensor in tensors if tensor.is_floating_point()):
        return module
    try:
        with evaluating(module):
            module(inputs.clone())
    except Exception:  # it is of another precision, and does not convert its inputs
        return copy_network(ROLE, module).float()
    return module


def check_hidden_classes(teacher: nn.Module, data: Dataset, spec: Spec) -> None:
    """Raise InputError for a loss that learns from classes that the teacher hides.

    Such a teacher gives −inf, or one very low number, to all other classes. A loss that can learn from it does
    not depend on this number.
    """
    with preserve_random_state(data.train.images.device), evaluating(teacher):
        logits = teacher(sample_inputs(data)).float()
    lowest = logits.min()
    hidden = (logits <= LOWEST) | (logits == lowest)
    if lowest > FILL or not hidden.any(1).all() or hidden.all():
        return
    labels = logits.new_zeros(len(logits), dtype=torch.int64)
    loss = LOSSES.find(spec.loss)[0].build
    student = torch.linspace(-1, 1, logits.numel(), device=logits.device).view_as(logits)
    first, second = (loss(student, logits.masked_fill(hidden, fill), labels, **spec.knobs) for fill in HIDDEN)
    if any(not torch.isclose(first[name].value, second[name].value, rtol=1e-3, equal_nan=True) for name in first):
        number = "−inf" if lowest <= LOWEST else f"{lowest:g}"
        raise InputError(
            f"The teacher hides classes (it gives them {number}), and the loss {spec.loss} would learn from "
            "that number: take the loss hinton, or a teacher with logits for all classes."
        )


def _clamp(logits: Tensor) -> Tensor:
    return logits.float().clamp(min=LOWEST)


def _check_declared(outputs: Tensor) -> None:
    """Raise InputError unless outputs are the probabilities that they were declared to be."""
    values = outputs.float().cpu().numpy()
    to_logits(values, ROLE)
    if values.min() < 0:  # logarithms of probabilities
        raise InputError(
            "The teacher gives no probabilities but their logarithms, which are logits: leave outputs out."
        )


def note_idle_options(spec: Spec) -> list[str]:
    """Return a note if the spec has training options for a trained teacher, unless that came from a page's file."""
    usual = Spec.suggested(spec.dataset)
    idle = [key for key in ("teacher_epochs", "teacher_augmentation") if getattr(spec, key) != getattr(usual, key)]
    if not idle or spec.teacher_weights:
        return []
    return [f"The teacher was trained already: {' and '.join(idle)} did nothing in this run."]


def _note_if_random(first: Tensor, second: Tensor) -> str:
    if torch.allclose(first.float(), second.float(), rtol=1e-3, atol=1e-4):
        return ""
    return (
        "Asked twice about the same images, the teacher gives different answers: something random, such as F.dropout "
        "without its training flag, is on in evaluation mode, and its soft targets are one draw of it."
    )


def _note_if_inaccurate(logits: Tensor, data: Dataset) -> str:
    """A note if another order of its outputs suits a teacher far better, or if it is no better than one class."""
    from scipy.optimize import linear_sum_assignment
    from scipy.special import bdtr

    labels, classes = data.validation.labels, len(data.classes)
    errors = count_errors(logits.cpu().numpy(), labels.cpu().numpy())
    counts = (
        torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2).view(classes, classes).cpu().numpy()
    )
    true, outputs = linear_sum_assignment(counts, maximize=True)
    moved = true != outputs
    correct_reordered, correct_in_order = (
        int(counts[true[moved], outputs[moved]].sum()),
        int(counts[true[moved], true[moved]].sum()),
    )
    wrong = f"{errors:,} of {len(labels):,} validation images wrong"
    # The order was chosen among many: it must be far better than chance would make one of two.
    if (
        correct_reordered > correct_in_order
        and 2 * float(bdtr(correct_in_order, correct_reordered + correct_in_order, 0.5)) < ORDER_P
    ):
        pairs = [
            f"output {output} for {data.classes[label]}"
            for label, output in zip(true, outputs, strict=True)
            if label != output
        ]
        named = ", ".join(pairs[:MAX_NAMED_OUTPUTS]) + (", and so on" if len(pairs) > MAX_NAMED_OUTPUTS else "")
        return (
            f"The teacher's classes seem to be in another order: it has {wrong}, and would have "
            f"{errors - correct_reordered + correct_in_order:,} with {named}. Put its outputs in the order of the data "
            "set's classes."
        )
    constant = len(labels) - int(counts.sum(1).max())
    if errors < constant:
        return ""
    return (
        f"The teacher seems not to know these classes: it has {wrong}, and one class for all of them would have "
        f"{constant:,}. Check what it was trained on, and what it expects of an image (here numbers from 0 to 1)."
    )
