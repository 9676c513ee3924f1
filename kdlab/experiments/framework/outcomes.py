"""What came out for every test example, by seed and network: enough to judge claims anew without any training."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.groups import by_recording

__all__ = ["Outcomes"]

Arrays = Mapping[str, NDArray[Any]]


class Outcomes:
    """Outcomes by name, each (seeds, examples), (seeds, networks, examples), or (seeds,) for a number of a whole seed.

    An outcome of 0s and 1s, such as "the network is wrong", is kept as packed bits, any other in single precision.
    `labels`: int64 (examples,); `groups`: which examples belong together, int64 (examples,), or None.
    """

    def __init__(self, values: Arrays, labels: NDArray[np.int64], groups: NDArray[np.int64] | None = None) -> None:
        self._labels, self._groups = labels, groups
        self._values = {name: _compact(np.asarray(value)) for name, value in values.items()}

    def scores(self, name: str, among: tuple[int, ...] = ()) -> NDArray[np.float64]:
        """Return an outcome, float64 (seeds, examples) or (seeds,): the mean of several networks, and of a group.

        `among`: only examples of these classes.
        """
        values = self._values[name].astype(np.float64)
        values = values.mean(1) if values.ndim == 3 else values
        if values.shape[-1:] != self._labels.shape or values.ndim == 1:
            return values
        chosen = np.isin(self._labels, among) if among else slice(None)
        groups = None if self._groups is None else self._groups[chosen]
        return values[:, chosen] if groups is None else by_recording(values[:, chosen], groups)

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
