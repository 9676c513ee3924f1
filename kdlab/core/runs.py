"""A finished run: its networks, everything that happened, and the result as `kdlab distill --json` prints it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from kdlab.core.data import Dataset
from kdlab.core.evaluation import predict, score
from kdlab.core.history import History
from kdlab.core.machine import choose_precision
from kdlab.core.spec import Spec
from kdlab.registry import InputError

__all__ = ["Network", "Run", "network_name", "sum_up"]

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


def sum_up(
    spec: Spec, data: Dataset, networks: Mapping[str, nn.Module], logits: Mapping[str, Tensor],
    seconds: Mapping[str, float], knobs: Mapping[str, float], notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return the result of a run: errors on test and validation images, and how it was made.

    `logits`: of the test images, float32 (examples, classes), by network; `knobs`: the objective's at the end; `notes`:
    what to mind of it.
    """
    place = data.test.images.device
    result = score(logits, data.test, data)
    validation = {name: predict(module, data.validation) for name, module in networks.items()}
    result["validation"] = score(validation, data.validation, data)
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
