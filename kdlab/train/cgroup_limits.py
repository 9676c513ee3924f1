"""Limits that a container sets on the use of its machine: cores and memory."""

import math
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["cores", "memory"]

CGROUPS = Path("/sys/fs/cgroup")


def cores() -> float | None:
    """Return how many cores this process may keep busy, such as 0.5; None without a limit.

    A container sees all cores of its machine and is throttled when it uses more than its share. The share comes from
    the kernel (control groups, version 2 or 1) or, on a JupyterHub, from `CPU_LIMIT`.
    """
    shares = [_number(os.environ.get("CPU_LIMIT", ""))]
    quota, _, period = _text(CGROUPS / "cpu.max").partition(" ")
    shares.append(_ratio(quota, period))
    shares.append(_ratio(_text(CGROUPS / "cpu/cpu.cfs_quota_us"), _text(CGROUPS / "cpu/cpu.cfs_period_us")))
    return min((share for share in shares if share), default=None)


def memory() -> int | None:
    """Return how many bytes all processes of the container may use together; None without a limit."""
    limits = [_number(os.environ.get("MEM_LIMIT", ""))]
    limits += [_number(_text(CGROUPS / name)) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    # Version 1 writes "no limit" as a number of nearly 2 to the power of 63.
    return min((int(limit) for limit in limits if limit and limit < 1 << 60), default=None)


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""


def _number(text: str) -> float | None:
    """Return a finite number above zero, or None for any other text: "max", "-1", an empty variable."""
    with suppress(ValueError):
        return number if 0 < (number := float(text)) < math.inf else None
    return None


def _ratio(quota_text: str, period_text: str) -> float | None:
    quota, period = _number(quota_text), _number(period_text)
    return quota / period if quota and period else None
