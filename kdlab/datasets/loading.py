"""Loading a data set by name, with the last one kept in memory."""

import os
from collections.abc import Callable, Generator
from typing import Any

from kdlab.datasets.checks import check_classes, check_split
from kdlab.datasets.dataset import Dataset, Split
from kdlab.paths import data_folder
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError, quote

__all__ = ["load", "load_events"]

# The last data set only: a second run starts at once, and two large sets are never in memory together.
_last: dict[tuple[str, str, Callable[..., Any]], Dataset] = {}


def load_events(name: str) -> Generator[Progress, None, Dataset]:
    """Load the data set `name` and return it, yielding progress meanwhile; a data set that is kept yields nothing.

    Close the generator to stop: what was half downloaded is removed. Raises InputError, in one sentence, for a name or
    files that cannot be used.
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
    if not argument:  # a name with an argument means a person's own files, which may have changed by the next run
        _last[key] = dataset
    return dataset


def _check(name: str, dataset: object) -> None:
    """Raise InputError for what the function of a registered data set should not have returned."""
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"The data set {quote(name)} is a {type(dataset).__name__} and not a Dataset: return one from the function "
            "that is registered under this name."
        )
    check_classes(name, dataset.classes)
    for which, split in (("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        if not isinstance(split, Split):
            raise InputError(
                f"The {which} split of the data set {quote(name)} is a {type(split).__name__}: make it a Split."
            )
        check_split(name, which, split, dataset.classes)
        if split.images.shape[1:] != dataset.shape:
            sizes = " and ".join("×".join(map(str, each.images.shape[1:])) for each in (dataset.train, split))
            raise InputError(
                f"The training and {which} images of the data set {quote(name)} are of different sizes, {sizes} "
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
