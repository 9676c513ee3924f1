"""Loading a data set by name, with the last one kept in memory."""

import os
from collections.abc import Generator

from kdlab.core.data.fetching import data_root
from kdlab.core.data.splits import Dataset
from kdlab.core.progress import Progress
from kdlab.registry import DATASETS

__all__ = ["load", "load_events"]

# The last data set only: a second run starts at once, and two large sets are never in memory together.
_last: dict[tuple[object, ...], Dataset] = {}


def load_events(name: str) -> Generator[Progress, None, Dataset]:
    """Load the data set `name` and return it, yielding progress meanwhile; a data set that is kept yields nothing.

    Close the generator to stop: what was half downloaded is removed. Raises InputError, in one sentence, for a name or
    files that cannot be used.
    """
    entry, argument = DATASETS.find(name)
    key = name, entry.build, os.fspath(data_root())
    if key in _last:
        return _last[key]
    _last.clear()
    dataset: Dataset = yield from entry.build(argument)
    if not argument:  # a name with an argument means a person's own files, which may have changed by the next run
        _last[key] = dataset
    return dataset


def load(name: str) -> Dataset:
    """Load the data set `name`; raises InputError as `load_events` does."""
    events = load_events(name)
    while True:
        try:
            next(events)
        except StopIteration as end:
            dataset: Dataset = end.value
            return dataset
