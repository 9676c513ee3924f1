"""A finished run: its networks, its history, and the result as `kdlab distill --json` prints it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from kdlab.datasets import Dataset
from kdlab.registry import InputError
from kdlab.train.device import choose_precision
from kdlab.train.evaluate import predict, score
from kdlab.train.events import Opened
from kdlab.train.forward_check import check_finite
from kdlab.train.history import History
from kdlab.train.logit_reader import LOWEST
from kdlab.train.spec import Spec

__all__ = ["DistillResult", "Network", "network_name", "opened_event", "predict_test_set", "summarize"]

Network = str | nn.Module


@dataclass(frozen=True, slots=True)
class DistillResult:
    """A finished run: its trained networks, its history, and the result as `--json` prints it."""

    spec: Spec
    teacher: nn.Module
    student: nn.Module
    baseline: nn.Module
    history: History

    @property
    def result(self) -> dict[str, Any]:
        """Errors and accuracy by network, the paired test, seconds, device and spec."""
        assert self.history.result is not None
        return self.history.result


def network_name(network: Network) -> str:
    """Return the name of a network for a spec; raises InputError unless it is a name or a module."""
    if isinstance(network, str):
        return network
    if isinstance(network, nn.Module):
        return f"module:{type(network).__name__}"
    if isinstance(network, type) and issubclass(network, nn.Module):
        raise InputError(f"{network.__name__} is a class, not a network: make one, as {network.__name__}().")
    raise InputError(
        f"A network is the name of a model as text or a torch.nn.Module, not a {type(network).__name__}: give one "
        "of these."
    )


def opened_event(spec: Spec, data: Dataset) -> Opened:
    """Return the `Opened` event of a loaded data set."""
    split = data.validation
    groups = None if split.groups is None else split.groups.cpu().numpy()
    images, labels, device = split.images.cpu().numpy(), split.labels.cpu().numpy(), split.images.device.type
    return Opened(spec, data.classes, images, labels, device, groups, data.example_unit, data.group_unit)


def predict_test_set(networks: Mapping[str, nn.Module], data: Dataset) -> dict[str, Tensor]:
    """Return the logits of finished networks for the test images, float32 (examples, classes), by network.

    This is the only use of the test set, after all training. Raises InputError for NaN.
    """
    logits = {name: predict(module, data.test).clamp(min=LOWEST) for name, module in networks.items()}
    for name, values in logits.items():
        check_finite(name, values, data)
    return logits


def summarize(
    spec: Spec, data: Dataset, networks: Mapping[str, nn.Module], test: Mapping[str, Tensor],
    validation: Mapping[str, Tensor], seconds: Mapping[str, float], knobs: Mapping[str, float], notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return the result of a run: errors on test and validation images, and how it was made.

    `test`, `validation`: logits of these images, float32 (examples, classes), by network; `knobs`: the loss's at
    the end; `notes`: warnings about it.
    """
    device = data.train.images.device
    result = score(test, data.test, data)
    result["validation"] = score({name: validation[name] for name in networks}, data.validation, data)
    precision = {name: choose_precision(spec.precision, module, device) for name, module in networks.items()}
    return result | {
        "parameters": {name: sum(p.numel() for p in module.parameters()) for name, module in networks.items()},
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "device": "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
        "precision": {name: str(dtype).removeprefix("torch.") for name, dtype in precision.items()},
        "versions": {"kdlab": version("kdlab"), "torch": str(torch.__version__), "python": platform.python_version()},
        "shape": data.shape,
        "classes": data.classes,
        "knobs_at_end": dict(knobs),
        "notes": list(notes),
        "spec": asdict(spec),
    }
