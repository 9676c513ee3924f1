"""A teacher that somebody trained already: what is asked of it before it teaches, and what to say of it."""

import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset
from kdlab.metrics.classification import count_errors
from kdlab.registry import OBJECTIVES, InputError
from kdlab.train.evaluate import evaluating, predict
from kdlab.train.forward_check import (
    answer,
    check_finite,
    check_has_values,
    first_line,
    refuse_probabilities,
    sample,
    undisturbed,
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
# Two numbers that stand for −inf, the greater one of which no softened target of a temperature up to 50 can feel.
HIDDEN = (-1e6, -2e6)
# From here on downwards, one number that is the lowest of every image stands for −inf too: logits are not so equal.
FILL = -30.0
# An order of the outputs that would come about by chance less often than this is no chance.
ORDER_P = 1e-4
NAMED = 5  # outputs in a sentence


def ready_to_teach(module: nn.Module, data: Dataset, spec: Spec) -> tuple[nn.Module, list[str], Tensor]:
    """Return a trained network as one that answers with finite float32 logits, what to mind, and its validation logits.

    Its author's stays as it is. −inf becomes a very low number. The logits are
    float32 (examples, classes). Raises InputError for what cannot teach these data.
    """
    check_has_values(ROLE, module)
    inputs, device = sample(data), data.train.images.device
    with undisturbed(device):
        module = _as_it_answers(module, inputs)
        with evaluating(module):
            logits, place = answer(ROLE, module, inputs, data)
            again, _ = answer(ROLE, module, inputs, data)
            answer(ROLE, module, inputs[:1], data)  # of one image alone some drop a dimension
        check_finite(ROLE, _raised(logits), data)
        probabilities = spec.outputs == "probabilities"
        if probabilities:
            _check_declared(logits)
        elif not spec.outputs:
            refuse_probabilities(ROLE, module, logits, data, DECLARE, trained=True)
        reader = LogitReader(module, place or 0, probabilities)
        validation = _predict(reader, data)
        check_finite(ROLE, validation, data)
        hides = bool((validation <= LOWEST).any() or (_raised(logits) <= LOWEST).any())
    notes = [_on_repeating(logits, again), _on_knowing(validation, data)]
    ready = reader if place is not None or probabilities or hides else module
    return ready, [note for note in notes if note], validation


def _predict(teacher: nn.Module, data: Dataset) -> Tensor:
    """The logits of the validation images; raises InputError where the network cannot answer so many."""
    try:
        return predict(teacher, data.validation)
    except Exception as error:  # whatever a person's own network raises
        raise InputError(
            f"The teacher cannot answer the validation images of {data.name} ({first_line(error)}), as it could a few: "
            "let it take batches of any size."
        ) from error


def _as_it_answers(module: nn.Module, inputs: Tensor) -> nn.Module:
    """Return the network on the device of the inputs, in float32 where it cannot answer them as it is."""
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
    """Raise InputError for an objective that learns from what a teacher of top classes does not say.

    Such a teacher gives −inf, or one very low number, to all other classes. An objective that can learn from it does
    not depend on what this number is.
    """
    with undisturbed(data.train.images.device), evaluating(teacher):
        logits = teacher(sample(data)).float()
    lowest = logits.min()
    hidden = (logits <= LOWEST) | (logits == lowest)
    if lowest > FILL or not hidden.any(1).all() or hidden.all():
        return
    labels = logits.new_zeros(len(logits), dtype=torch.int64)
    objective = OBJECTIVES.find(spec.objective)[0].build
    student = torch.linspace(-1, 1, logits.numel(), device=logits.device).view_as(logits)
    first, second = (objective(student, logits.masked_fill(hidden, fill), labels, **spec.knobs) for fill in HIDDEN)
    if any(not torch.isclose(first[name].value, second[name].value, rtol=1e-3, equal_nan=True) for name in first):
        number = "−inf" if lowest <= LOWEST else f"{lowest:g}"
        raise InputError(
            f"The teacher hides classes (it gives them {number}), and the objective {spec.objective} would learn from "
            "that number: take the objective hinton, or a teacher with logits for all classes."
        )


def _raised(logits: Tensor) -> Tensor:
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
    """Return a sentence when the spec says how to train a teacher that is trained already, unless a page said it."""
    usual = Spec.suggested(spec.dataset)
    idle = [key for key in ("teacher_epochs", "teacher_augmentation") if getattr(spec, key) != getattr(usual, key)]
    if not idle or spec.teacher_weights:
        return []
    return [f"The teacher was trained already: {' and '.join(idle)} did nothing in this run."]


def _on_repeating(first: Tensor, second: Tensor) -> str:
    if torch.allclose(first.float(), second.float(), rtol=1e-3, atol=1e-4):
        return ""
    return (
        "Asked twice about the same images, the teacher gives different answers: something random, such as F.dropout "
        "without its training flag, is on in evaluation mode, and its soft targets are one draw of it."
    )


def _on_knowing(logits: Tensor, data: Dataset) -> str:
    """A sentence when another order of its outputs suits a teacher far better, or it is no better than one class."""
    from scipy.optimize import linear_sum_assignment
    from scipy.special import bdtr

    labels, classes = data.validation.labels, len(data.classes)
    errors = count_errors(logits.cpu().numpy(), labels.cpu().numpy())
    counts = (
        torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2).view(classes, classes).cpu().numpy()
    )
    true, outputs = linear_sum_assignment(counts, maximize=True)
    moved = true != outputs
    better, as_it_is = int(counts[true[moved], outputs[moved]].sum()), int(counts[true[moved], true[moved]].sum())
    wrong = f"{errors:,} of {len(labels):,} validation images wrong"
    # The order was chosen among many: it must be far better than chance would make one of two.
    if better > as_it_is and 2 * float(bdtr(as_it_is, better + as_it_is, 0.5)) < ORDER_P:
        pairs = [
            f"output {output} for {data.classes[label]}"
            for label, output in zip(true, outputs, strict=True)
            if label != output
        ]
        named = ", ".join(pairs[:NAMED]) + (", and so on" if len(pairs) > NAMED else "")
        return (
            f"The teacher's classes seem to be in another order: it has {wrong}, and would have "
            f"{errors - better + as_it_is:,} with {named}. Put its outputs in the order of the data set's classes."
        )
    constant = len(labels) - int(counts.sum(1).max())
    if errors < constant:
        return ""
    return (
        f"The teacher seems not to know these classes: it has {wrong}, and one class for all of them would have "
        f"{constant:,}. Check what it was trained on, and what it expects of an image (here numbers from 0 to 1)."
    )
