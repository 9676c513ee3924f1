"""Finished pieces of training in a folder, found again by what they were made of."""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from kdlab.datasets import Split
from kdlab.experiments.framework.report_files import put
from kdlab.registry import InputError

__all__ = ["RECIPE", "Store", "Weights", "digest", "fingerprint"]

# To be raised when a change of the training core makes what was kept before worthless.
RECIPE = 1

Weights = list[dict[str, Tensor]]


def digest(about: Any) -> str:
    """Return a name for whatever `about`, plain data, describes."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:20]


def fingerprint(split: Split) -> int:
    """Return a number that stands for the images and labels of a split."""
    images, labels = split.images.cpu().contiguous(), split.labels.cpu().contiguous()
    shape = zlib.crc32(str(tuple(images.shape)).encode())
    return zlib.crc32(labels.numpy().tobytes(), zlib.crc32(images.numpy().tobytes(), shape))


class Store:
    """One file a piece, `NAME.safetensors`: the weights of its networks, last and best, and how they came about."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def __contains__(self, name: str) -> bool:
        return self.record(name) is not None

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of a piece without reading its weights; None where there is no whole file."""
        try:
            with safe_open(self._path(name), framework="pt") as file:
                record: dict[str, Any] = json.loads(file.metadata()["record"])
                return record
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def read(self, name: str) -> tuple[Weights, dict[str, Any]] | None:
        """Return the weights and the record of a piece; None when it is not there or its file is damaged."""
        try:
            with safe_open(self._path(name), framework="pt") as file:
                record = json.loads(file.metadata()["record"])
                keys = list(file.keys())
                weights: Weights = [{} for _ in {key.partition("/")[0] for key in keys}]
                for key in keys:
                    at, _, parameter = key.partition("/")
                    weights[int(at)][parameter] = file.get_tensor(key)
                whole = _checksum(weights) == int(file.metadata()["checksum"])
                return (weights, record) if whole else None
        except (OSError, SafetensorError, KeyError, IndexError, TypeError, ValueError):
            return None

    def write(self, name: str, weights: Weights, record: dict[str, Any]) -> None:
        """Keep a piece, whole or not at all; raises InputError when the folder cannot be written."""
        tensors = {
            f"{at}/{key}": value.detach().cpu().contiguous()
            for at, state in enumerate(weights)
            for key, value in state.items()
        }
        content = to_bytes(tensors, {"record": json.dumps(record), "checksum": str(_checksum(weights))})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            put(self._path(name), content)
        except OSError as error:
            raise InputError(
                f"What was trained cannot be kept in {self.folder} ({error.strerror}): make room there, or choose "
                f"another folder with --out."
            ) from error


def _checksum(weights: Weights) -> int:
    """A number that changes with any bit of the weights, which the file format does not guard."""
    found = 0
    for state in weights:
        for key in sorted(state):
            content = state[key].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            found = zlib.crc32(content.numpy().tobytes(), zlib.crc32(key.encode(), found))
    return found
