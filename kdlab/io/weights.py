"""A network's weights that somebody sent: safetensors and nothing else, because it holds numbers and no program."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdlab.io.sanitize import check_size, file_title, tidy
from kdlab.registry import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Weights", "read_weights"]

LENGTH = 8  # bytes that say how long the header is
LONGEST_HEADER = 1_000_000
MOST_TENSORS = 5_000
MOST_DIMENSIONS = 8
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
PICKLED = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x1f\x8b", b"\x89HDF", b"(", b"c", b"}", b"]")
TAKEN = ("F32", "I64")  # weights, and the counters of batch normalisation
AS_FLOAT32 = (
    "save it with safetensors.torch.save_file({k: v.float() for k, v in model.state_dict().items()}, "
    '"teacher.safetensors")'
)
CONVERT = 'save it with safetensors.torch.save_file(model.state_dict(), "teacher.safetensors")'


@dataclass(frozen=True, eq=False)
class Weights:
    """A safetensors file whose header is in order; `title` is how it is called, `shapes` those of its tensors."""

    title: str
    content: bytes
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def digest(self) -> str:
        """Twelve letters that tell these weights from others."""
        return hashlib.sha256(self.content).hexdigest()[:12]

    def fill(self, network: str, shape: tuple[int, int, int], classes: int) -> "nn.Module":
        """Return the network called `network`, for inputs `shape` (channels, height, width), with these weights.

        Raises InputError when they belong to another network, or are not finite.
        """
        import torch
        from safetensors.torch import load

        from kdlab.models import build

        with torch.device("meta"):  # what it must look like, without its weights
            wanted = {key: tuple(one.shape) for key, one in build(network, shape, classes).state_dict().items()}
        self._check_build(wanted, f"{tidy(network, 50)} for {classes} classes")
        state = load(self.content)
        if odd := next(
            (key for key, one in state.items() if one.is_floating_point() and not one.isfinite().all()), None
        ):
            raise InputError(
                f"The weights {tidy(odd, 40)} in {self.title} are not finite: save a network that has learnt."
            )
        with torch.random.fork_rng([]):  # its first weights are of no use
            module = build(network, shape, classes)
        module.load_state_dict(state)
        return module.eval()

    def _check_build(self, wanted: Mapping[str, tuple[int, ...]], network: str) -> None:
        for key, shape in wanted.items():
            if self.shapes.get(key) != shape:
                has = f"has it as {self.shapes[key]}" if key in self.shapes else "does not have it"
                raise InputError(
                    f"The {network} needs the weights {tidy(key, 40)} as {shape}, and {self.title} {has}: name the "
                    "network that they belong to."
                )
        if odd := next((key for key in self.shapes if key not in wanted), None):
            raise InputError(
                f"{self.title} has the weights {tidy(odd, 40)}, which the {network} does not: name the network that "
                "they belong to."
            )


def read_weights(name: str, content: bytes, limit: int) -> Weights:
    """Return the weights in a file called `name`; nothing but its header is read.

    `limit`: the most bytes it may have. Raises InputError, for a pickle with how to convert it.
    """
    title = file_title(name)
    check_size(name, len(content), limit)
    length = int.from_bytes(content[:LENGTH], "little")
    if content[LENGTH : LENGTH + 1] != b"{":
        if content.startswith(PICKLED):
            raise InputError(f"{title} is no safetensors file but a pickle or archive, never opened here: {CONVERT}.")
        raise InputError(f"{title} is no safetensors file: {CONVERT}.")
    if length > min(LONGEST_HEADER, len(content) - LENGTH):
        raise InputError(f"{title} is cut off, or its header is longer than {LONGEST_HEADER:,} bytes: {CONVERT}.")
    try:
        header = json.loads(content[LENGTH : LENGTH + length].decode(), object_pairs_hook=_once)
        header.pop("__metadata__", None)
        shapes = _shapes(header, len(content) - LENGTH - length)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"The header of {title} is damaged: {CONVERT}.") from error
    if not shapes or len(shapes) > MOST_TENSORS:
        raise InputError(f"{title} has {len(shapes):,} tensors, and a network here 1 to {MOST_TENSORS:,}: {CONVERT}.")
    # Filled in, they would be rounded to float32, or widened, and nobody would know what was measured.
    if other := next((about["dtype"] for about in header.values() if about["dtype"] not in TAKEN), None):
        raise InputError(f"{title} has numbers of the type {other}, and a network here float32 (F32): {AS_FLOAT32}.")
    return Weights(title, content, shapes)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _shapes(header: Mapping[str, Any], size: int) -> dict[str, tuple[int, ...]]:
    """The tensors' shapes; raises ValueError and its like unless they follow one another through all `size` bytes."""
    shapes, spans = {}, []
    for key, about in header.items():
        shape, (begin, end) = about["shape"], about["data_offsets"]
        whole = [*shape, begin, end]
        if len(shape) > MOST_DIMENSIONS or any(type(one) is not int or one < 0 for one in whole):
            raise ValueError("no whole numbers")
        if end - begin != SIZES[about["dtype"]] * math.prod(shape):
            raise ValueError("another size than its shape")
        shapes[key] = tuple(shape)
        spans.append((begin, end))
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise ValueError("a gap, or two in one place")
        at = end
    if at != size:
        raise ValueError("another size than the file")
    return shapes
