"""A finished run: its networks, everything that happened, and the result as `kdlab distill --json` prints it."""

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

__all__ = ["Network", "Run", "ask_about_tests", "network_name", "open_data", "sum_up"]

Network = str | nn.Module


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its trained networks, everything that happened, and the result as `--json` prints it."""

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
    """Say in a spec which network it was; raises InputError for what is neither a name nor a module."""
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


def open_data(spec: Spec, data: Dataset) -> Opened:
    """Return the event that the data are there."""
    split = data.validation
    groups = None if split.groups is None else split.groups.cpu().numpy()
    images, labels, device = split.images.cpu().numpy(), split.labels.cpu().numpy(), split.images.device.type
    return Opened(spec, data.classes, images, labels, device, groups, data.example_unit, data.group_unit)


def ask_about_tests(networks: Mapping[str, nn.Module], data: Dataset) -> dict[str, Tensor]:
    """Return what finished networks say of the test images, float32 logits (examples, classes), by network.

    This is the only look at the test set, after all training. Raises InputError for NaN.
    """
    logits = {name: predict(module, data.test).clamp(min=LOWEST) for name, module in networks.items()}
    for name, values in logits.items():
        check_finite(name, values, data)
    return logits


def sum_up(
    spec: Spec, data: Dataset, networks: Mapping[str, nn.Module], test: Mapping[str, Tensor],
    validation: Mapping[str, Tensor], seconds: Mapping[str, float], knobs: Mapping[str, float], notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return the result of a run: errors on test and validation images, and how it was made.

    `test`, `validation`: logits of these images, float32 (examples, classes), by network; `knobs`: the objective's at
    the end; `notes`: what to mind of it.
    """
    place = data.train.images.device
    result = score(test, data.test, data)
    result["validation"] = score({name: validation[name] for name in networks}, data.validation, data)
    precision = {name: choose_precision(spec.precision, module, place) for name, module in networks.items()}
    return result | {
        "parameters": {name: sum(p.numel() for p in module.parameters()) for name, module in networks.items()},
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "device": "cpu" if place.type == "cpu" else torch.cuda.get_device_name(place),
        "precision": {name: str(dtype).removeprefix("torch.") for name, dtype in precision.items()},
        "versions": {"kdlab": version("kdlab"), "torch": str(torch.__version__), "python": platform.python_version()},
        "shape": data.shape,
        "classes": data.classes,
        "knobs_at_end": dict(knobs),
        "notes": list(notes),
        "spec": asdict(spec),
    }
