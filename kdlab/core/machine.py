"""What this machine can do: where to train, with how many threads and in which precision."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor, nn

from kdlab.core import quota
from kdlab.core.evaluation import evaluating
from kdlab.core.heads import body
from kdlab.core.stack import plan

__all__ = ["choose_precision", "count_operations", "prepared", "set_threads"]

# Below so many parameters bfloat16 gains nothing: `python tests/benchmarks/cost.py`.
FEW_PARAMETERS = 20_000
# Forward operations of a batch below which two threads gain nothing, and lose much when the cores are busy with other
# work: `python tests/benchmarks/threads.py`. Products in bfloat16 are about four times as fast.
FEW_OPERATIONS = {torch.float32: 5e7, torch.bfloat16: 2e8}


def _allowed_threads() -> int:
    """The threads torch would take, but no more than a container lets it keep busy: others would wait for it."""
    return min(torch.get_num_threads(), max(1, int(quota.cores() or sys.maxsize)))


_most_threads = _allowed_threads()


@contextmanager
def prepared() -> Iterator[torch.device]:
    """Make this thread ready to train and give the device to train on; the caller's settings come back.

    Adam's second moments of dead pixels fade into denormal numbers, ten times slower. The flag is per thread and
    reaches the others only when it is set before their first work.
    """
    global _most_threads
    threads, _most_threads = torch.get_num_threads(), _allowed_threads()
    denormal = bool(torch.full((1,), 1e-39).mul(1.0).item())
    torch.set_flush_denormal(True)
    torch.set_num_threads(_most_threads)
    try:
        yield torch.device("cuda" if torch.cuda.is_available() else "cpu")
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(not denormal)


def choose_precision(asked: str, module: nn.Module, device: torch.device) -> torch.dtype:
    """Return the type in which a network's products are computed: what was `asked` for, or what is fastest ("auto").

    It depends on the network and the machine alone, so that a network trains alike in any company. Weights and the
    optimiser are float32 in any case, and so is a perceptron's last layer.
    """
    if asked != "auto":
        return torch.bfloat16 if asked == "bfloat16" else torch.float32
    if sum(parameter.numel() for parameter in module.parameters()) < FEW_PARAMETERS:
        return torch.float32
    # Depthwise convolutions run slower in bfloat16 on a CPU.
    grouped = any(isinstance(part, nn.Conv2d) and part.groups > 1 for part in module.modules())
    fast = _multiplies_bfloat16(device.type) and not (grouped and device.type == "cpu")
    return torch.bfloat16 if fast else torch.float32


@cache
def _multiplies_bfloat16(device: str) -> bool:
    """Whether products of bfloat16 are a machine instruction, not a detour."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def set_threads(operations: float, dtype: torch.dtype) -> None:
    """Train small networks on one core, which also keeps the page lively, and large ones on all.

    `operations`: of one batch forward.
    """
    torch.set_num_threads(1 if operations < FEW_OPERATIONS[dtype] else _most_threads)


def count_operations(module: nn.Module, inputs: Tensor) -> int:
    """Return the multiplications and additions of products when `module` answers `inputs`."""
    if plan(body(module)) is not None:
        linear = [layer.in_features * layer.out_features for layer in module.modules() if isinstance(layer, nn.Linear)]
        return 2 * len(inputs) * sum(linear)
    # Loads torch's compiler, a second that a start with perceptrons alone goes without.
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, evaluating(module):
        module(inputs)
    return int(counter.get_total_flops())
