"""Outcomes of every test example, by seed and network: enough to judge claims anew without training."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kdlab.registry import InputError, quote

__all__ = ["Outcomes"]

Arrays = Mapping[str, NDArray[Any]]


class Outcomes:
    """Outcomes by name, each (seeds, examples), (seeds, networks, examples), or (seeds,) for a number of a whole seed.

    An outcome of 0s and 1s, such as "the network is wrong", is kept as packed bits, any other in single precision.
    `labels`: int64 (examples,); `groups`: which examples belong together, int64 (examples,), or None. An outcome of
    whole groups has one column for each of them. Raises InputError where sizes do not fit.
    """

    def __init__(self, values: Arrays, labels: NDArray[np.int64], groups: NDArray[np.int64] | None = None) -> None:
        self._labels, self._groups = labels, groups
        self._values = {name: _compact(np.asarray(value)) for name, value in values.items()}
        if groups is not None and groups.shape != labels.shape:
            raise InputError(f"There are {len(groups):,} groups for {len(labels):,} labels: give one for each example.")
        columns = {len(labels)} if groups is None else {len(labels), len(np.unique(groups))}
        for name, value in self._values.items():
            if value.ndim not in (1, 2, 3) or (value.ndim > 1 and value.shape[-1] not in columns):
                raise InputError(
                    f"The outcome {quote(name)} has the shape {value.shape}, but there are {len(labels):,} labels: "
                    f"give (seeds, examples)."
                )

    def check_seeds(self, seeds: int) -> None:
        """Raise InputError where an outcome is neither of all `seeds` nor of a single one."""
        for name, value in self._values.items():
            if len(value) not in (1, seeds):
                raise InputError(f"The outcome {quote(name)} is of {len(value)} seeds, but there are {seeds}.")

    def scores(self, name: str, among: tuple[int, ...] = ()) -> NDArray[np.float64]:
        """Return an outcome, float64 (seeds, examples), (seeds, groups) or (seeds,): the mean of several networks.

        `among`: only examples of these classes. Raises InputError for a name that is not there.
        """
        if name not in self._values:
            raise InputError(f"There is no outcome {quote(name)}.")
        values = self._values[name].astype(np.float64)
        values = values.mean(1) if values.ndim == 3 else values
        return values[:, self._chosen(among)] if among and self._of_examples(name) else values

    def groups(self, name: str, among: tuple[int, ...] = ()) -> NDArray[np.int64] | None:
        """Return to which group each column of an outcome's scores belongs, or None where each stands alone."""
        if self._groups is None or not self._of_examples(name):
            return None
        return self._groups[self._chosen(among)] if among else self._groups

    def _chosen(self, among: tuple[int, ...]) -> NDArray[np.bool_]:
        return np.isin(self._labels, among)

    def _of_examples(self, name: str) -> bool:
        value = self._values[name]
        return value.ndim > 1 and value.shape[-1] == len(self._labels)

    def pack(self) -> dict[str, NDArray[Any]]:
        """Return the outcomes as arrays for a file."""
        packed: dict[str, NDArray[Any]] = {"outcomes/labels": self._labels.astype(np.int32)}
        if self._groups is not None:
            packed["outcomes/groups"] = self._groups.astype(np.int32)
        for name, value in self._values.items():
            if value.dtype == np.bool_:
                packed[f"bits/{value.shape[-1]}/{name}"] = np.packbits(value, axis=-1)
            else:
                packed[f"numbers/{name}"] = value
        return packed

    @classmethod
    def unpack(cls, arrays: Arrays) -> Self | None:
        """Return the outcomes that `pack` put among `arrays`, or None where there are none."""
        if "outcomes/labels" not in arrays:
            return None
        values: dict[str, NDArray[Any]] = {}
        for key, array in arrays.items():
            match key.split("/", 2):
                case ["bits", count, name]:
                    values[name] = np.unpackbits(array, axis=-1, count=int(count)).astype(np.bool_)
                case ["numbers", *name]:
                    values["/".join(name)] = array
        groups = arrays.get("outcomes/groups")
        labels = arrays["outcomes/labels"].astype(np.int64)
        return cls(values, labels, None if groups is None else groups.astype(np.int64))


def _compact(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.bool_) if ((value == 0) | (value == 1)).all() else value.astype(np.float32)
