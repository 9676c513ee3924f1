"""Load a data set by name; the last one stays in memory."""

import os
from collections.abc import Callable, Generator
from typing import Any

from kdlab.datasets.checks import check_classes, check_split
from kdlab.datasets.dataset import Dataset, Split
from kdlab.paths import data_folder
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError, quote

__all__ = ["load", "load_events"]

# Only the last data set is cached: a second run starts at once, and two large sets are never in memory together.
_last: dict[tuple[str, str, Callable[..., Any]], Dataset] = {}


def load_events(name: str) -> Generator[Progress, None, Dataset]:
    """Load the data set `name` and return it, yielding progress; a cached data set yields nothing.

    Close the generator to stop; a partial download is removed. Raises InputError for an unusable name or unusable
    files.
    """
    entry, argument = DATASETS.find(name)
    key = (name, os.fspath(data_folder()), entry.build)
    if key in _last:
        return _last[key]
    _last.clear()
    built = entry.build(argument)
    # A function without a `yield` in it may return the data set itself.
    dataset: Dataset = (yield from built) if isinstance(built, Generator) else built
    _check(name, dataset)
    if not argument:  # an argument names a person's own files, which may change before the next run
        _last[key] = dataset
    return dataset


def _check(name: str, dataset: object) -> None:
    """Raise InputError for an invalid return value of a registered data set's function."""
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"The data set {quote(name)} is a {type(dataset).__name__} and not a Dataset: return one from the function "
            "that is registered under this name."
        )
    check_classes(name, dataset.classes)
    for role, split in (("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        if not isinstance(split, Split):
            raise InputError(
                f"The {role} split of the data set {quote(name)} is a {type(split).__name__}: make it a Split."
            )
        check_split(name, role, split, dataset.classes)
        if split.images.shape[1:] != dataset.shape:
            sizes = " and ".join("×".join(map(str, each.images.shape[1:])) for each in (dataset.train, split))
            raise InputError(
                f"The training and {role} images of the data set {quote(name)} are of different sizes, {sizes} "
                "(channels, height, width): bring them to one."
            )


def load(name: str) -> Dataset:
    """Load the data set `name`; raises InputError as `load_events` does."""
    events = load_events(name)
    while True:
        try:
            next(events)
        except StopIteration as end:
            dataset: Dataset = end.value
            return dataset
