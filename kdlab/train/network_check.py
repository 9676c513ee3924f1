"""Networks prepared for a run: copied, and tried on a few images.

A network that does not fit the data is refused with one sentence before any training.
"""

import math
from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset
from kdlab.losses import cross_entropy
from kdlab.registry import InputError, quote
from kdlab.train.device import choose_precision
from kdlab.train.evaluate import evaluating
from kdlab.train.forward_check import (
    check_finite,
    check_has_values,
    first_line,
    forward_logits,
    preserve_random_state,
    refuse_probabilities,
    sample_inputs,
)
from kdlab.train.logit_reader import LogitReader
from kdlab.train.spec import Spec
from kdlab.train.stacked_mlp import mlp_signature

__all__ = ["copy_network", "ready_to_train"]

ALONE = "let it return logits, without a softmax or sigmoid at its end"


def ready_to_train(
    role: str, module: nn.Module, data: Dataset, spec: Spec, examples: int = 0, teacher: nn.Module | None = None
) -> nn.Module:
    """Return a copy of a network that can be trained on `data` with the spec's settings.

    `role` names it in sentences; `examples`: how many images it learns from (0: all); `teacher`: a network that must
    not change during the training. Raises InputError.
    """
    check_has_values(role, module)
    _check_parameters(role, module)
    device = data.train.images.device
    changing: set[str] = {name for name, _ in module.named_parameters()}
    index: int | None = None
    with preserve_random_state(device):
        network = copy_network(role, module).to(device)
        if not _is_perceptron_for(network, data):
            size = min(spec.batch_size, examples or len(data.train))
            index, changing = _try(role, module, network, data, spec, size)
    _check_apart(role, module, changing, network, teacher)
    return network if index is None else LogitReader(network, index)


def copy_network(role: str, module: nn.Module) -> nn.Module:
    """Return a copy of a network; raises InputError where none can be made."""
    # Computed tensors that it stores, such as features for inspection, are copied without their graph.
    computed = {
        id(value): value.detach()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        with torch.no_grad():  # otherwise copies of TorchScript's parameters would be computed from the originals
            copy = deepcopy(module, computed)
    except Exception as error:  # a user's class may raise any exception
        raise InputError(
            f"The {role} cannot be copied ({first_line(error)}): keep in it only what copy.deepcopy copies."
        ) from error
    for parameter, original in zip(copy.parameters(), module.parameters(), strict=True):
        parameter.requires_grad_(original.requires_grad)
    return copy


def _check_parameters(role: str, module: nn.Module) -> None:
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not trained:
        raise InputError(f"The {role} has nothing to train: let some of its parameters require a gradient.")
    for name, parameter in trained.items():
        if parameter.is_complex():
            raise InputError(
                f"The {role} has complex numbers in {quote(name)}: keep real ones, and make them complex in its "
                "forward by torch.view_as_complex."
            )
        if parameter.dtype != torch.float32:
            dtype = str(parameter.dtype).removeprefix("torch.")
            raise InputError(
                f"The {role} has {quote(name)} in {dtype}, and is trained in float32: give it as .float()."
            )
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise InputError(
                f"The {role} has a hook on {quote(name)}, which its copies lose, and copies are trained: put it on the "
                "layer."
            )


def _is_perceptron_for(network: nn.Module, data: Dataset) -> bool:
    """Whether the layers alone show that a network fits the data."""
    signature = mlp_signature(network)
    fits = signature is not None and (signature.features, signature.classes) == (
        math.prod(data.shape),
        len(data.classes),
    )
    return fits and all(bool(parameter.isfinite().all()) for parameter in network.parameters())


def _try(
    role: str, module: nn.Module, network: nn.Module, data: Dataset, spec: Spec, size: int
) -> tuple[int | None, set[str]]:
    """Try a copy of `module` in both modes; return the index for a `LogitReader`, and the names of changing tensors."""
    inputs, trial = sample_inputs(data), copy_network(role, network)  # some networks are set up by their first batch
    with evaluating(trial):
        logits, index = forward_logits(role, trial, inputs, data)
        forward_logits(role, trial, inputs[:1], data)  # of one image alone some drop a dimension
    if logits.dtype != torch.float32:
        dtype = str(logits.dtype).removeprefix("torch.")
        raise InputError(f"The {role} gives logits of the type {dtype}, not float32: end it with .float().")
    check_finite(role, logits, data)
    refuse_probabilities(role, trial, logits, data, ALONE)
    index_in_training, changing = _try_step(role, module, network, data, spec, size)
    return index if index_in_training is None else index_in_training, changing


def _try_step(
    role: str, module: nn.Module, network: nn.Module, data: Dataset, spec: Spec, size: int
) -> tuple[int | None, set[str]]:
    """Make one forward and backward pass through another copy as in training; return the same as `_try`."""
    trial, device = copy_network(role, network), data.train.images.device
    trial.train()  # on a line of its own: a user's method may return nothing
    dtype = choose_precision(spec.precision, network, device)
    trained = {name: parameter for name, parameter in trial.named_parameters() if parameter.requires_grad}
    originals = [parameter for parameter in (*module.parameters(), *network.parameters()) if parameter.requires_grad]
    frozen = {name: parameter._version for name, parameter in trial.named_parameters() if name not in trained}
    buffers = {name: buffer.clone() for name, buffer in trial.named_buffers() if buffer.layout == torch.strided}
    when = f" in training, where a batch has {size}"
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        logits, index = forward_logits(role, trial, data.train.inputs(slice(size)), data, when)
    check_finite(role, logits, data, when)
    try:
        loss = cross_entropy(logits.float(), data.train.labels[:size])
        all_gradients = torch.autograd.grad(loss, [*trained.values(), *originals], allow_unused=True)
    except RuntimeError as error:
        if not logits.requires_grad:
            raise InputError(
                f"The {role} has nothing to train: its logits do not depend on its parameters through a gradient."
            ) from error
        raise InputError(
            f"No gradient can be taken of the {role} ({first_line(error)}): compute without it."
        ) from error
    gradients, original_gradients = all_gradients[: len(trained)], all_gradients[len(trained) :]
    if any(gradient is not None for gradient in original_gradients):
        raise InputError(
            f"A copy of the {role} still computes with the original, to which a function in it refers (a forward or a "
            "hook of its own), and copies are trained: write it as a class of your own."
        )
    for name, gradient in zip(trained, gradients, strict=True):
        if gradient is not None and gradient.layout != torch.strided:
            raise InputError(
                f"The gradient of {quote(name)} in the {role} is sparse: make its layer with sparse=False."
            )
        if gradient is not None and not gradient.isfinite().all():
            raise InputError(f"The gradient of {quote(name)} in the {role} is not finite in the first batch: check it.")
    if all(gradient is None for gradient in gradients):
        raise InputError(f"The {role} has nothing to train: its logits depend on none of its trained parameters.")
    moved = {
        name for name, buffer in trial.named_buffers() if name in buffers and not torch.equal(buffer, buffers[name])
    }
    moved |= {
        name
        for name, parameter in trial.named_parameters()
        if frozen.get(name, parameter._version) != parameter._version
    }
    return index, {*trained, *moved}


def _check_apart(
    role: str, module: nn.Module, changing: set[str], network: nn.Module, teacher: nn.Module | None
) -> None:
    """Raise InputError if a changing tensor is also a part of the copy's original, or of the teacher."""
    changed = {name: tensor for name, tensor in _tensors(module).items() if name in changing}
    if name := _overlap(changed, network):
        raise InputError(
            f"The {role} has {quote(name)} in common with its own copy, so the one you gave would be trained as well: "
            "let copy.deepcopy copy it."
        )
    if teacher is not None and (name := _overlap(changed, teacher)):
        raise InputError(
            f"The {role} shares {quote(name)} with the teacher, which would change while it teaches: give the {role} a "
            "copy of its own (copy.deepcopy), or freeze what they share."
        )


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _overlap(tensors: Mapping[str, Tensor], module: nn.Module) -> str:
    """Return the name of one of `tensors` that lies in the same memory as a part of `module`; "" where none does."""
    spans = [_span(part) for part in _tensors(module).values() if _lies_in_memory(part)]
    for name, tensor in tensors.items():
        if _lies_in_memory(tensor):
            device, begin, end = _span(tensor)
            if any(device == span_device and begin < last and first < end for span_device, first, last in spans):
                return name
    return ""


def _lies_in_memory(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.numel() > 0


def _span(tensor: Tensor) -> tuple[torch.device, int, int]:
    """The memory from a tensor's first to its last element."""
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    begin = tensor.data_ptr()
    return tensor.device, begin, begin + (reach + 1) * tensor.element_size()
