"""The published data sets that torchvision knows, downloaded when they are first asked for."""

import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kdlab.datasets.dataset import DRAWINGS, PHOTOGRAPHS, Dataset, Split, assemble
from kdlab.datasets.download import Archive, BrokenDownloadError, download
from kdlab.paths import data_folder
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError

__all__ = ["Published", "load_published"]


@dataclass(frozen=True, slots=True)
class Published:
    """A data set of torchvision's: `kind` is its class there, `size` what the archives weigh, in bytes."""

    key: str
    label: str
    kind: str
    size: int
    help: str


PUBLISHED = (
    Published("mnist", "MNIST", "MNIST", 11_594_722, "70,000 handwritten digits, 28×28"),
    Published("fashion-mnist", "Fashion-MNIST", "FashionMNIST", 30_878_645, "70,000 pieces of clothing, 28×28"),
    Published("kmnist", "KMNIST", "KMNIST", 21_240_888, "70,000 handwritten Japanese characters, 28×28"),
    Published("cifar10", "CIFAR-10", "CIFAR10", 170_498_071, "60,000 photographs of 10 kinds, 32×32, colour"),
    Published("cifar100", "CIFAR-100", "CIFAR100", 169_001_437, "60,000 photographs of 100 kinds, 32×32, colour"),
)


def load_published(published: Published, argument: str) -> Generator[Progress, None, Dataset]:
    """Return the data set from the data folder, after downloading it where a file of it is missing.

    Raises InputError when it can be neither read nor fetched.
    """
    if argument:
        key = published.key
        raise InputError(f"The data set {key!r} takes nothing behind a colon; write {key}, not {key}:{argument}.")
    yield Progress(f"Reading {published.label}", 0, 0, "images")
    from torchvision import datasets

    kind = getattr(datasets, published.kind)
    root = data_folder()
    yield from _ensure(published, kind, root)
    return _read(published, kind, root)


for _published in PUBLISHED:
    DATASETS.add(
        _published.key,
        label=_published.label,
        help=f"{_published.help}; {_published.size / 1e6:.0f} MB to download",
        suggested=PHOTOGRAPHS if _published.kind.startswith("CIFAR") else DRAWINGS,
    )(partial(load_published, _published))


def _files(kind: Any) -> list[Path]:
    """The files that make up the data set, relative to the data folder."""
    if hasattr(kind, "resources"):
        return [Path(kind.__name__, "raw", name.removesuffix(".gz")) for name, _ in kind.resources]
    names = [name for name, _ in [*kind.train_list, *kind.test_list]]
    return [Path(kind.base_folder, name) for name in [*names, kind.meta["filename"]]]


def _archives(kind: Any) -> tuple[Path, list[Archive]]:
    """What to download, and into which folder below the data folder for torchvision to unpack it."""
    if hasattr(kind, "resources"):
        mirrors = kind.mirrors
        archives = [Archive(name, md5, tuple(mirror + name for mirror in mirrors)) for name, md5 in kind.resources]
        return Path(kind.__name__, "raw"), archives
    return Path(), [Archive(kind.filename, kind.tgz_md5, (kind.url,))]


def _ensure(published: Published, kind: Any, root: Path) -> Generator[Progress, None, None]:
    """Fetch the whole data set where a file is missing: files from two sources may not fit together.

    It is unpacked beside the final place and then moved there, so that a failure leaves everything as it was.
    """
    files = _files(kind)
    home = (root / files[0]).parent
    below, archives = _archives(kind)
    try:
        if all((root / file).is_file() for file in files):
            return
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kdlab-download-", dir=root) as scratch:
            (Path(scratch) / below).mkdir(parents=True, exist_ok=True)
            yield from download(archives, Path(scratch, below), f"Downloading {published.label}", published.size)
            kind(scratch, train=False, download=True)  # finds the archives there, so it only unpacks
            home.mkdir(parents=True, exist_ok=True)
            # Missing files last: until the last one is in place the set counts as incomplete.
            for file in sorted(files, key=lambda file: not (root / file).exists()):
                Path(scratch, file).replace(root / file)
    except BrokenDownloadError as error:
        raise InputError(
            f"{published.label} is not in {home} and could not be downloaded ({error}): connect to the network, put "
            f"{_and([file.name for file in files])} there, or set KDLAB_DATA to a folder that has {files[0].parent}."
        ) from error
    except OSError as error:
        raise InputError(
            f"{published.label} is not in {home} and cannot be saved there ({error.strerror or error}): set the "
            f"environment variable KDLAB_DATA to a folder that can be written or that has {files[0].parent}."
        ) from error


def _read(published: Published, kind: Any, root: Path) -> Dataset:
    folder = root / _files(kind)[0].parent
    try:
        train, test = kind(root, train=True), kind(root, train=False)
        splits = _split(train), _split(test)
    except PermissionError as error:
        raise InputError(
            f"{published.label} in {folder} may not be read: change the permissions of its files."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged file shows in a dozen ways, from AssertionError to UnpicklingError
        raise InputError(
            f"{published.label} in {folder} is damaged or cut off: delete that folder and run again to fetch it anew."
        ) from error
    return assemble(published.key, tuple(name.partition(" - ")[0] for name in train.classes), *splits)


def _split(examples: Any) -> Split:
    """Images as (examples, channels, height, width); raises ValueError when images, labels and classes do not match."""
    import torch

    images, labels = torch.as_tensor(examples.data), torch.as_tensor(examples.targets)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    counts = torch.bincount(labels)
    if len(images) != len(labels) or len(counts) != len(examples.classes) or not counts.all():
        raise ValueError("images, labels and classes do not match")
    return Split(images.contiguous(), labels)


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
