"""The data of a lab in the browser: logits, pictures and weights as bytes, from a kernel or into a file."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.io import sanitize_text
from kdlab.io.portable_network import Layers
from kdlab.io.predictions import Predictions
from kdlab.metrics.classification import telling_example
from kdlab.registry import InputError

__all__ = ["DataServer", "Response"]

Networks = Mapping[str, tuple[Layers, NDArray[np.float32]]]

NO_PICTURES = "There are no pictures of these examples here; their numbers stand for them."
LOGARITHMS = "Its numbers were given as probabilities: their logarithms stand for logits."
SHAPE = (1, 28, 28)  # of a drawn digit
DOUBT_TEMPERATURE = 4.0  # at which the entropy shows how unsure the teacher is
MAX_OWN_SETS = 4  # uploaded sets per page, to bound its memory


@dataclass(frozen=True, slots=True)
class Response:
    """A response to the browser: `fields`, plain JSON, and binary buffers."""

    fields: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class DataServer:
    """Answers for some sets of predictions, and for the networks that read the pad.

    `networks`: layers and weights by name, as `kdlab.io.portable_network.read` gives them; "teacher" and "student" must
    be there. Raises InputError for two sets of the same key.
    """

    def __init__(self, sets: Sequence[Predictions], networks: Networks) -> None:
        self.sets = {predictions.key: predictions for predictions in sets}
        if len(self.sets) < len(sets):
            keys = [predictions.key for predictions in sets]
            duplicate = next(key for key in keys if keys.count(key) > 1)
            raise InputError(
                f"Two sets have the key {duplicate!r}: give each its own (a run's key is its folder's name)."
            )
        self._networks = networks
        self._initial_count = len(self.sets)

    def menu(self) -> list[dict[str, str]]:
        """Return key and label of each set."""
        return [{"key": predictions.key, "label": predictions.label} for predictions in self.sets.values()]

    def add(self, predictions: Predictions) -> str:
        """Add a set, under a new key where its own is taken, and return the key; raises InputError for too many."""
        if len(self.sets) - self._initial_count >= MAX_OWN_SETS:
            raise InputError(f"This page holds {MAX_OWN_SETS} files already: load it anew to open another.")
        keys = (f"{predictions.key}-{n}" if n > 1 else predictions.key for n in count(1))
        key = next(key for key in keys if key not in self.sets)
        self.sets[key] = replace(predictions, key=key)
        return key

    def set(self, key: str) -> Response:
        """Return names and numbers of a set, and as buffers its logits (roles one after the other) and its labels."""
        predictions = self._find(key)
        note = (
            f"{predictions.note} {LOGARITHMS}".strip() if predictions.outputs == "probabilities" else predictions.note
        )
        fields = {
            "key": key, "label": predictions.label, "note": note, "classes": predictions.classes,
            "roles": list(predictions.logits),
            "examples": f"{predictions.split} examples".lstrip(),
            "more": len(predictions.more_teachers), "telling": telling_example(predictions.logits, predictions.labels),
            "shape": None if predictions.images is None else predictions.images.shape[1:],
            "pictures": NO_PICTURES if predictions.images is None else "",
        }  # fmt: skip
        return Response(fields, (_pack(*predictions.logits.values()), _pack(predictions.labels.astype(np.int32))))

    def _find(self, key: str) -> Predictions:
        if key not in self.sets:
            raise InputError(f"There is no data set {sanitize_text(key)!r} here; there are {', '.join(self.sets)}.")
        return self.sets[key]

    def teachers(self, key: str) -> Response:
        """Return the logits of the further teachers of a set, one after the other."""
        return Response({}, (_pack(*self._find(key).more_teachers),))

    def pictures(self, key: str, examples: Sequence[int]) -> Response:
        """Return pictures of some examples, as plain bytes."""
        images = self._find(key).images
        indices = range(0 if images is None else len(images))
        valid = len(examples) <= len(indices) and all(type(index) is int and index in indices for index in examples)
        if images is None or not valid:
            raise InputError(f"There are no pictures of all of these examples of {key}.")
        return Response({"indices": list(examples)}, (images[list(examples)].tobytes(),))

    def networks(self) -> Response:
        """Return the networks that read the pad, and as buffers their weights."""
        layers = {name: layers for name, (layers, _) in self._networks.items()}
        weights = tuple(_pack(weights) for _, weights in self._networks.values())
        return Response({"layers": layers, "shape": SHAPE}, weights)

    def everything(self, budget: int) -> dict[str, Response]:
        """Return all responses by question, for a file: of a set's pictures as many as `budget` bytes hold, packed.

        Where not all fit, those of which the teacher is least sure are kept.
        """
        responses = {"networks": self.networks()}
        for key in self.sets:
            responses |= self._of_set(key, budget // len(self.sets))
        return responses

    def stored(self, max_bytes: int) -> dict[str, dict[str, Any]]:
        """Return the responses by question on the first set that has at most `max_bytes`; {} where all are larger."""
        for key, predictions in self.sets.items():
            if sum(logits.nbytes for logits in predictions.logits.values()) <= max_bytes:
                responses = self._of_set(key, max_bytes)
                return {
                    question: {**response.fields, "buffers": response.buffers}
                    for question, response in responses.items()
                }
        return {}

    def _of_set(self, key: str, budget: int) -> dict[str, Response]:
        predictions = self._find(key)
        responses = {f"set:{key}": self.set(key), f"teachers:{key}": self.teachers(key)}
        if predictions.images is not None:
            responses[f"pictures:{key}"] = _album(predictions, predictions.images, budget)
        return responses


def _album(predictions: Predictions, images: NDArray[np.uint8], budget: int) -> Response:
    from kdlab.metrics.softened import entropy

    order = np.argsort(-entropy(predictions.logits["teacher"], DOUBT_TEMPERATURE), kind="stable")
    count, packed = len(images), _pack(images[order])
    while len(packed) > budget:
        count = int(count * budget / len(packed) * 0.95)
        packed = _pack(images[order[:count]])
    size = int(np.prod(images.shape[1:]))
    return Response({"indices": order[:count].tolist(), "size": size}, (packed,))


def _pack(*arrays: NDArray[Any]) -> bytes:
    # The time stamp is left out, so that the same content gives the same file.
    return gzip.compress(b"".join(array.tobytes() for array in arrays), compresslevel=6, mtime=0)
