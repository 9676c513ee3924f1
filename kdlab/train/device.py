"""Device, threads and precision of training on this machine."""

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
from kdlab.train.stacked_mlp import mlp_signature

__all__ = ["choose_precision", "count_operations", "isolated", "set_threads", "training_context"]

P = ParamSpec("P")
Event = TypeVar("Event")
Result = TypeVar("Result")

# Below so many parameters bfloat16 gains nothing: `python tests/benchmarks/cost.py`.
MIN_BFLOAT16_PARAMETERS = 20_000
# Forward operations of a batch below which two threads gain nothing, and lose much when the cores are busy with other
# work: `python tests/benchmarks/threads.py`. Products in bfloat16 are about four times as fast.
MIN_PARALLEL_OPERATIONS = {torch.float32: 5e7, torch.bfloat16: 2e8}


class _Thread(threading.local):
    """State of this Python thread: how many torch threads its run may use, 0 without a run."""

    max_threads = 0


_thread = _Thread()


@dataclass(frozen=True, slots=True)
class _Settings:
    """torch's settings of this thread: number of threads, their maximum, whether denormal numbers are flushed to 0.

    And other settings that a caller may have changed: gradients, autocast on the CPU and on a GPU, the default dtype.
    """

    threads: int
    max_threads: int
    flush: bool
    gradients: bool = True
    autocast: tuple[bool, bool] = (False, False)
    dtype: torch.dtype = torch.float32

    @classmethod
    def current(cls) -> Self:
        # The flag applies to Python's floats too, and this test costs next to nothing.
        flush = sys.float_info.min * 0.5 == 0
        autocast = torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")
        gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
        return cls(torch.get_num_threads(), _thread.max_threads, flush, gradients, autocast, dtype)

    def apply(self) -> None:
        """Apply these settings to this thread."""
        if self.flush != _Settings.current().flush:
            torch.set_flush_denormal(self.flush)
            _restart_pool()
        torch.set_num_threads(self.threads)
        _thread.max_threads = self.max_threads
        torch.set_grad_enabled(self.gradients)
        for device, enabled in zip(("cpu", "cuda"), self.autocast, strict=True):
            torch.set_autocast_enabled(device, enabled)
        torch.set_default_dtype(self.dtype)


def _restart_pool() -> None:
    """End this thread's OpenMP workers: the next ones start with its flag for denormal numbers.

    Without this OpenMP call, as on Windows, the workers keep the flag that they started with.
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
    """The number of threads that torch would use, but no more than the container's share of cores."""
    return min(torch.get_num_threads(), max(1, int(cgroup_limits.cores() or sys.maxsize)))


@contextmanager
def training_context() -> Iterator[torch.device]:
    """Set this thread up for training and give the device; the caller's settings are restored at the end.

    Adam's second moments of dead pixels decay into denormal numbers, which are ten times slower, so they are flushed to
    0. A generator that yields inside needs `isolated` too. Raises InputError in torch's inference mode.
    """
    if torch.is_inference_mode_enabled():
        raise InputError("Nothing can be trained in torch.inference_mode(): call this outside of it.")
    callers_settings, threads = _Settings.current(), _allowed_threads()
    _restart_pool()  # its workers may have another flag from earlier work
    _Settings(threads, threads, True).apply()
    try:
        yield torch.device("cuda" if torch.cuda.is_available() else "cpu")
    finally:
        callers_settings.apply()


def isolated(
    function: Callable[P, Generator[Event, None, Result]],
) -> Callable[P, Generator[Event, None, Result]]:
    """Give each generator of a generator function its own settings, separate from those of its consumer.

    So several generators may be iterated alternately, from any threads, and be closed in any order.
    """

    @wraps(function)
    def wrapper(*arguments: P.args, **options: P.kwargs) -> Generator[Event, None, Result]:
        suspended: _Settings | None = None
        events = function(*arguments, **options)

        @contextmanager
        def resumed() -> Iterator[None]:
            nonlocal suspended
            callers = _Settings.current()
            (suspended or callers).apply()
            try:
                yield
            finally:
                suspended = _Settings.current()
                callers.apply()

        try:
            while True:
                with resumed():
                    try:
                        event = next(events)
                    except StopIteration as end:
                        result: Result = end.value
                        return result
                yield event
        finally:
            with resumed():
                events.close()

    return wrapper


def choose_precision(requested: str, module: nn.Module, device: torch.device) -> torch.dtype:
    """Return the type in which a network's products are computed: the `requested` one, or the fastest ("auto").

    It depends on the network and the machine alone, so that a network trains the same in any group. Weights and the
    optimiser are float32 in any case, and so is a perceptron's last layer.
    """
    if requested != "auto":
        return torch.bfloat16 if requested == "bfloat16" else torch.float32
    if sum(parameter.numel() for parameter in module.parameters()) < MIN_BFLOAT16_PARAMETERS:
        return torch.float32
    # Depthwise convolutions run slower in bfloat16 on a CPU.
    grouped = any(isinstance(part, nn.Conv2d) and part.groups > 1 for part in module.modules())
    faster = _multiplies_bfloat16(device.type) and not (grouped and device.type == "cpu")
    return torch.bfloat16 if faster else torch.float32


@cache
def _multiplies_bfloat16(device: str) -> bool:
    """Whether the machine has an instruction for products of bfloat16."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def set_threads(operations: float, dtype: torch.dtype) -> None:
    """Train small networks on one core, which also keeps the page responsive, and large ones on all cores.

    `operations`: of one batch forward.
    """
    torch.set_num_threads(
        1 if operations < MIN_PARALLEL_OPERATIONS[dtype] else _thread.max_threads or _allowed_threads()
    )


def count_operations(module: nn.Module, inputs: Tensor) -> int:
    """Return the number of multiplications and additions in the products of a forward pass on `inputs`."""
    if mlp_signature(body(module)) is not None:
        linear = [layer.in_features * layer.out_features for layer in module.modules() if isinstance(layer, nn.Linear)]
        return 2 * len(inputs) * sum(linear)
    # Loads torch's compiler, which takes a second; runs with perceptrons alone avoid that.
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, evaluating(module):
        module(inputs)
    return int(counter.get_total_flops())
