"""Published data sets that torchvision knows, downloaded on first use."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kdlab.datasets.dataset import DRAWINGS, PHOTOGRAPHS, Dataset, Split, assemble
from kdlab.datasets.download import Archive, BrokenDownloadError, download
from kdlab.lazy import torch
from kdlab.paths import data_folder
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError

__all__ = ["TorchvisionSet", "load_torchvision_set"]


@dataclass(frozen=True, slots=True)
class TorchvisionSet:
    """A data set of torchvision: `kind` is the name of its class there, `size` the size of its archives in bytes."""

    key: str
    label: str
    kind: str
    size: int
    help: str


TORCHVISION_SETS = (
    TorchvisionSet("mnist", "MNIST", "MNIST", 11_594_722, "70,000 handwritten digits, 28×28"),
    TorchvisionSet("fashion-mnist", "Fashion-MNIST", "FashionMNIST", 30_878_645, "70,000 pieces of clothing, 28×28"),
    TorchvisionSet("kmnist", "KMNIST", "KMNIST", 21_240_888, "70,000 handwritten Japanese characters, 28×28"),
    TorchvisionSet("cifar10", "CIFAR-10", "CIFAR10", 170_498_071, "60,000 photographs of 10 kinds, 32×32, colour"),
    TorchvisionSet("cifar100", "CIFAR-100", "CIFAR100", 169_001_437, "60,000 photographs of 100 kinds, 32×32, colour"),
)


def load_torchvision_set(info: TorchvisionSet, argument: str) -> Generator[Progress, None, Dataset]:
    """Return the data set from the data folder; download it first where a file is missing.

    Raises InputError when it can be neither read nor downloaded.
    """
    if argument:
        key = info.key
        raise InputError(f"The data set {key!r} takes nothing behind a colon; write {key}, not {key}:{argument}.")
    yield Progress(f"Reading {info.label}", 0, 0, "images")
    from torchvision import datasets

    dataset_class = getattr(datasets, info.kind)
    root = data_folder()
    yield from _ensure(info, dataset_class, root)
    return _read(info, dataset_class, root)


for _info in TORCHVISION_SETS:
    DATASETS.add(
        _info.key,
        label=_info.label,
        help=f"{_info.help}; {_info.size / 1e6:.0f} MB to download",
        suggested=PHOTOGRAPHS if _info.kind.startswith("CIFAR") else DRAWINGS,
    )(partial(load_torchvision_set, _info))


def _files(dataset_class: Any) -> list[Path]:
    """Return the paths of the data set's files, relative to the data folder."""
    if hasattr(dataset_class, "resources"):
        return [Path(dataset_class.__name__, "raw", name.removesuffix(".gz")) for name, _ in dataset_class.resources]
    names = [name for name, _ in [*dataset_class.train_list, *dataset_class.test_list]]
    return [Path(dataset_class.base_folder, name) for name in [*names, dataset_class.meta["filename"]]]


def _archives(dataset_class: Any) -> tuple[Path, list[Archive]]:
    """Return the folder below the data folder in which torchvision expects the archives, and the archives."""
    if hasattr(dataset_class, "resources"):
        mirrors = dataset_class.mirrors
        archives = [
            Archive(name, md5, tuple(mirror + name for mirror in mirrors)) for name, md5 in dataset_class.resources
        ]
        return Path(dataset_class.__name__, "raw"), archives
    return Path(), [Archive(dataset_class.filename, dataset_class.tgz_md5, (dataset_class.url,))]


def _ensure(info: TorchvisionSet, dataset_class: Any, root: Path) -> Iterator[Progress]:
    """Download the whole data set where a file is missing: files from two sources may not fit together.

    It is unpacked into a temporary folder and then moved, so that a failure changes nothing.
    """
    files = _files(dataset_class)
    home = (root / files[0]).parent
    below, archives = _archives(dataset_class)
    try:
        if all((root / file).is_file() for file in files):
            return
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kdlab-download-", dir=root) as scratch:
            (Path(scratch) / below).mkdir(parents=True, exist_ok=True)
            yield from download(archives, Path(scratch, below), f"Downloading {info.label}", info.size)
            dataset_class(scratch, train=False, download=True)  # finds the archives there and only unpacks them
            home.mkdir(parents=True, exist_ok=True)
            # Move missing files last: until the last one is in place the set counts as incomplete.
            for file in sorted(files, key=lambda file: not (root / file).exists()):
                Path(scratch, file).replace(root / file)
    except BrokenDownloadError as error:
        raise InputError(
            f"{info.label} is not in {home} and could not be downloaded ({error}): connect to the network, put "
            f"{_and([file.name for file in files])} there, or set KDLAB_DATA to a folder that has {files[0].parent}."
        ) from error
    except OSError as error:
        raise InputError(
            f"{info.label} is not in {home} and cannot be saved there ({error.strerror or error}): set the "
            f"environment variable KDLAB_DATA to a folder that can be written or that has {files[0].parent}."
        ) from error


def _read(info: TorchvisionSet, dataset_class: Any, root: Path) -> Dataset:
    folder = root / _files(dataset_class)[0].parent
    try:
        train, test = dataset_class(root, train=True), dataset_class(root, train=False)
        splits = _split(train), _split(test)
    except PermissionError as error:
        raise InputError(f"{info.label} in {folder} may not be read: change the permissions of its files.") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can raise anything from AssertionError to UnpicklingError
        raise InputError(
            f"{info.label} in {folder} is damaged or cut off: delete that folder and run again to fetch it anew."
        ) from error
    return assemble(info.key, tuple(name.partition(" - ")[0] for name in train.classes), *splits)


def _split(examples: Any) -> Split:
    """Return a split with images (examples, channels, height, width); raises ValueError when the parts do not match."""

    images, labels = torch.as_tensor(examples.data), torch.as_tensor(examples.targets)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    counts = torch.bincount(labels)
    if len(images) != len(labels) or len(counts) != len(examples.classes) or not counts.all():
        raise ValueError("images, labels and classes do not match")
    return Split(images.contiguous(), labels)


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
