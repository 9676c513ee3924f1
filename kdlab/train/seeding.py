"""Separate random streams for each seed and purpose, independent of the caller's draws."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["generator", "seeded"]


def _number(seed: int, *purpose: object) -> int:
    return zlib.crc32(repr((seed, *purpose)).encode())


def generator(seed: int, *purpose: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new generator for this seed and purpose."""
    return torch.Generator(device).manual_seed(_number(seed, *purpose))


@contextmanager
def seeded(device: torch.device, seed: int, *purpose: object) -> Iterator[None]:
    """Draw everything inside from the stream of this seed and purpose; the caller's random state is restored.

    The device's own generator is set, because `torch.manual_seed` formats a stack trace each time where CUDA is unused.
    """
    is_cpu = device.type == "cpu"
    device_generator = torch.default_generator if is_cpu else torch.cuda.default_generators[device.index or 0]
    state = device_generator.get_state()
    device_generator.manual_seed(_number(seed, *purpose))
    try:
        yield
    finally:
        device_generator.set_state(state)
