"""What a lab in the browser asks for: logits, pictures and weights as bytes, from a kernel or into a file."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.io import tidy
from kdlab.io.portable_network import Layers
from kdlab.io.predictions import Predictions
from kdlab.metrics.classification import telling_example
from kdlab.registry import InputError

__all__ = ["Answer", "Supply"]

Networks = Mapping[str, tuple[Layers, NDArray[np.float32]]]

NO_PICTURES = "There are no pictures of these examples here; their numbers stand for them."
LOGARITHMS = "Its numbers were given as probabilities: their logarithms stand for logits."
SHAPE = (1, 28, 28)  # of the pad's drawing
DOUBT = 4.0  # at this temperature the teacher's doubts show
MOST_OWN = 4  # sets that may come to a page, so that its memory stays within bounds


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to the browser: JSON and buffers."""

    about: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class Supply:
    """Answers for some sets of predictions, and for the networks that read the pad.

    `networks`: layers and weights by name, as `kdlab.io.portable_network.read` gives them; "teacher" and "student" must
    be there. Raises InputError for two sets of the same key.
    """

    def __init__(self, sets: Sequence[Predictions], networks: Networks) -> None:
        self.sets = {one.key: one for one in sets}
        if len(self.sets) < len(sets):
            keys = [one.key for one in sets]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"Two sets have the key {twice!r}: give each its own (a run's key is its folder's name).")
        self._networks = networks
        self._given = len(self.sets)

    def menu(self) -> list[dict[str, str]]:
        """Return key and label of each set."""
        return [{"key": one.key, "label": one.label} for one in self.sets.values()]

    def add(self, one: Predictions) -> str:
        """Add a set, under a new key where its own is taken, and return the key; raises InputError for too many."""
        if len(self.sets) - self._given >= MOST_OWN:
            raise InputError(f"This page holds {MOST_OWN} files already: load it anew to open another.")
        keys = (f"{one.key}-{n}" if n > 1 else one.key for n in count(1))
        key = next(key for key in keys if key not in self.sets)
        self.sets[key] = replace(one, key=key)
        return key

    def set(self, key: str) -> Answer:
        """Return names and numbers of a set, and as buffers its logits (roles one after the other) and its labels."""
        one = self._find(key)
        note = f"{one.note} {LOGARITHMS}".strip() if one.outputs == "probabilities" else one.note
        about = {
            "key": key, "label": one.label, "note": note, "classes": one.classes, "roles": list(one.logits),
            "more": len(one.more_teachers), "telling": telling_example(one.logits, one.labels),
            "shape": None if one.images is None else one.images.shape[1:],
            "pictures": NO_PICTURES if one.images is None else "",
        }  # fmt: skip
        return Answer(about, (_pack(*one.logits.values()), _pack(one.labels.astype(np.int32))))

    def _find(self, key: str) -> Predictions:
        if key not in self.sets:
            raise InputError(f"There is no data set {tidy(key)!r} here; there are {', '.join(self.sets)}.")
        return self.sets[key]

    def teachers(self, key: str) -> Answer:
        """Return the logits of the further teachers of a set, one after the other."""
        return Answer({}, (_pack(*self._find(key).more_teachers),))

    def pictures(self, key: str, examples: Sequence[int]) -> Answer:
        """Return pictures of some examples, as plain bytes."""
        images = self._find(key).images
        known = range(0 if images is None else len(images))
        asked = len(examples) <= len(known) and all(type(one) is int and one in known for one in examples)
        if images is None or not asked:
            raise InputError(f"There are no pictures of all of these examples of {key}.")
        return Answer({"indices": list(examples)}, (images[list(examples)].tobytes(),))

    def networks(self) -> Answer:
        """Return the networks that read the pad, and as buffers their weights."""
        layers = {name: layers for name, (layers, _) in self._networks.items()}
        weights = tuple(_pack(weights) for _, weights in self._networks.values())
        return Answer({"layers": layers, "shape": SHAPE}, weights)

    def everything(self, budget: int) -> dict[str, Answer]:
        """Return all answers by question, for a file: of a set's pictures as many as `budget` bytes hold, packed.

        Where not all fit, those are kept of which the teacher is least sure.
        """
        answers = {"networks": self.networks()}
        for key, one in self.sets.items():
            answers[f"set:{key}"] = self.set(key)
            answers[f"teachers:{key}"] = self.teachers(key)
            if one.images is not None:
                answers[f"pictures:{key}"] = _album(one, one.images, budget // len(self.sets))
        return answers


def _album(one: Predictions, images: NDArray[np.uint8], budget: int) -> Answer:
    from kdlab.metrics.softened import entropy

    order = np.argsort(-entropy(one.logits["teacher"], DOUBT), kind="stable")
    count, packed = len(images), _pack(images[order])
    while len(packed) > budget:
        count = int(count * budget / len(packed) * 0.95)
        packed = _pack(images[order[:count]])
    size = int(np.prod(images.shape[1:]))
    return Answer({"indices": order[:count].tolist(), "size": size}, (packed,))


def _pack(*arrays: NDArray[Any]) -> bytes:
    # The time stamp is left out, so that the same content gives the same file.
    return gzip.compress(b"".join(array.tobytes() for array in arrays), compresslevel=6, mtime=0)
