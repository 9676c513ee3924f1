"""What this machine can do: where to train, with how many threads and in which precision."""

import ctypes
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, wraps
from typing import ParamSpec, Self, TypeVar

import torch
from torch import Tensor, nn

from kdlab.registry import InputError
from kdlab.train import cgroup_limits
from kdlab.train.evaluate import evaluating
from kdlab.train.heads import body
from kdlab.train.stacked_mlp import plan

__all__ = ["choose_precision", "count_operations", "isolated", "prepared", "set_threads"]

P = ParamSpec("P")
Event = TypeVar("Event")
Sent = TypeVar("Sent")
Result = TypeVar("Result")

# Below so many parameters bfloat16 gains nothing: `python tests/benchmarks/cost.py`.
FEW_PARAMETERS = 20_000
# Forward operations of a batch below which two threads gain nothing, and lose much when the cores are busy with other
# work: `python tests/benchmarks/threads.py`. Products in bfloat16 are about four times as fast.
FEW_OPERATIONS = {torch.float32: 5e7, torch.bfloat16: 2e8}


class _Thread(threading.local):
    """What is known of this thread: how many threads the run in it may choose, 0 where none goes on."""

    most = 0


_thread = _Thread()


@dataclass(frozen=True, slots=True)
class _Settings:
    """How this thread computes: with so many threads, of at most so many, and with denormal numbers as 0 or not.

    And what else a caller may have changed: gradients, autocast on the CPU and on a GPU, and the type of new tensors.
    """

    threads: int
    most: int
    flush: bool
    gradients: bool = True
    autocast: tuple[bool, bool] = (False, False)
    dtype: torch.dtype = torch.float32

    @classmethod
    def now(cls) -> Self:
        # Python's numbers are of the same unit, and asking them costs next to nothing.
        flush = sys.float_info.min * 0.5 == 0
        autocast = torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")
        gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
        return cls(torch.get_num_threads(), _thread.most, flush, gradients, autocast, dtype)

    def take(self) -> None:
        """Compute like this from now on."""
        if self.flush != _Settings.now().flush:
            torch.set_flush_denormal(self.flush)
            _renew_pool()
        torch.set_num_threads(self.threads)
        _thread.most = self.most
        torch.set_grad_enabled(self.gradients)
        for device, enabled in zip(("cpu", "cuda"), self.autocast, strict=True):
            torch.set_autocast_enabled(device, enabled)
        torch.set_default_dtype(self.dtype)


def _renew_pool() -> None:
    """End the threads that help this one: those of its next work begin with its flag for denormal numbers.

    Where OpenMP has no call for that, as on Windows, they keep the flag that they began with.
    """
    if (pause := _openmp_pause()) is not None:
        pause(1)


@cache
def _openmp_pause() -> Callable[[int], int] | None:
    with suppress(AttributeError, TypeError):
        pause: Callable[[int], int] = ctypes.CDLL(None).omp_pause_resource_all
        return pause
    return None


def _allowed_threads() -> int:
    """The threads torch would take, but no more than a container lets it keep busy: others would wait for it."""
    return min(torch.get_num_threads(), max(1, int(cgroup_limits.cores() or sys.maxsize)))


@contextmanager
def prepared() -> Iterator[torch.device]:
    """Make this thread ready to train and give the device to train on; the caller's settings come back.

    Adam's second moments of dead pixels fade into denormal numbers, ten times slower, so they are taken for 0. A
    generator that yields meanwhile needs `isolated` beside it. Raises InputError in torch's inference mode.
    """
    if torch.is_inference_mode_enabled():
        raise InputError("Nothing can be trained in torch.inference_mode(): call this outside of it.")
    before, most = _Settings.now(), _allowed_threads()
    _renew_pool()  # whoever computed before must not decide
    _Settings(most, most, True).take()
    try:
        yield torch.device("cuda" if torch.cuda.is_available() else "cpu")
    finally:
        before.take()


def isolated(
    function: Callable[P, Generator[Event, Sent | None, Result]],
) -> Callable[P, Generator[Event, Sent | None, Result]]:
    """Give a generator function's generators settings of their own: whoever asks for their events keeps others.

    So several may be gone through in turns, from any threads, and be closed in any order.
    """

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> Generator[Event, Sent | None, Result]:
        kept: _Settings | None = None
        events = function(*arguments, **options)

        @contextmanager
        def resumed() -> Iterator[None]:
            nonlocal kept
            callers = _Settings.now()
            (kept or callers).take()
            try:
                yield
            finally:
                kept = _Settings.now()
                callers.take()

        sent = None
        try:
            while True:
                with resumed():
                    try:
                        event = events.send(sent)
                    except StopIteration as end:
                        result: Result = end.value
                        return result
                sent = yield event
        finally:
            with resumed():
                events.close()

    return run


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
    torch.set_num_threads(1 if operations < FEW_OPERATIONS[dtype] else _thread.most or _allowed_threads())


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
