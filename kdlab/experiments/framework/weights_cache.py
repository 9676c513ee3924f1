"""A cache of trained networks in a folder, by a digest of everything that determines their weights."""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from kdlab.atomic import write_atomic
from kdlab.datasets import Split
from kdlab.registry import InputError

__all__ = ["RECIPE", "Weights", "WeightsCache", "digest", "fingerprint"]

# Raise it when a change of the training code makes cached networks invalid.
RECIPE = 2

Weights = list[dict[str, Tensor]]


def digest(content: Any) -> str:
    """Return a hash of `content`, plain data, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def fingerprint(split: Split) -> int:
    """Return a checksum of the images and labels of a split."""
    images, labels = split.images.cpu().contiguous(), split.labels.cpu().contiguous()
    shape = zlib.crc32(str(tuple(images.shape)).encode())
    return zlib.crc32(labels.numpy().tobytes(), zlib.crc32(images.numpy().tobytes(), shape))


class WeightsCache:
    """One file per job, `NAME.safetensors`: the weights of its networks, last and best, and its record."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def __contains__(self, name: str) -> bool:
        return self.record(name) is not None

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of a job without reading its weights; None without a complete file."""
        try:
            with safe_open(self._path(name), framework="pt") as file:
                record: dict[str, Any] = json.loads(file.metadata()["record"])
                return record
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def read(self, name: str) -> tuple[Weights, dict[str, Any]] | None:
        """Return the weights and the record of a job; None when its file is missing or damaged."""
        try:
            with safe_open(self._path(name), framework="pt") as file:
                record = json.loads(file.metadata()["record"])
                keys = list(file.keys())
                weights: Weights = [{} for _ in {key.partition("/")[0] for key in keys}]
                for key in keys:
                    index, _, parameter = key.partition("/")
                    weights[int(index)][parameter] = file.get_tensor(key)
                whole = _checksum(weights) == int(file.metadata()["checksum"])
                return (weights, record) if whole else None
        except (OSError, SafetensorError, KeyError, IndexError, TypeError, ValueError):
            return None

    def write(self, name: str, weights: Weights, record: dict[str, Any]) -> None:
        """Write a job atomically; raises InputError when the folder cannot be written."""
        tensors = {
            f"{index}/{key}": value.detach().cpu().contiguous()
            for index, state in enumerate(weights)
            for key, value in state.items()
        }
        content = to_bytes(tensors, {"record": json.dumps(record), "checksum": str(_checksum(weights))})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path(name), content)
        except OSError as error:
            raise InputError(
                f"What was trained cannot be kept in {self.folder} ({error.strerror}): make room there, or choose "
                f"another folder with --out."
            ) from error


def _checksum(weights: Weights) -> int:
    """A checksum of the weights, which the file format lacks."""
    checksum = 0
    for state in weights:
        for key in sorted(state):
            content = state[key].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            checksum = zlib.crc32(content.numpy().tobytes(), zlib.crc32(key.encode(), checksum))
    return checksum
