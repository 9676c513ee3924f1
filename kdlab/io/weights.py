"""Uploaded weights of a network: only safetensors, because it contains numbers and no code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from safetensors import SafetensorError, deserialize

from kdlab.io.sanitize import check_size, file_title, sanitize_text
from kdlab.lazy import nn, torch
from kdlab.registry import InputError

__all__ = ["WeightsFile", "read_weights"]

LENGTH_BYTES = 8  # bytes at the start that hold the length of the header
MAX_HEADER = 1_000_000  # bytes; safetensors parses as much in 0.1 s, into less than 50 MB
MAX_TENSORS = 5_000
MAX_DIMENSIONS = 8
PICKLE_PREFIXES = (
    b"PK",
    b"\x80\x02",
    b"\x80\x03",
    b"\x80\x04",
    b"\x80\x05",
    b"\x1f\x8b",
    b"\x89HDF",
    b"(",
    b"c",
    b"}",
    b"]",
)
ACCEPTED_DTYPES = ("F32", "I64")  # weights and the counters of batch normalisation
AS_FLOAT32 = (
    "save it with safetensors.torch.save_file({k: v.float() for k, v in model.state_dict().items()}, "
    '"teacher.safetensors")'
)
CONVERT = 'save it with safetensors.torch.save_file(model.state_dict(), "teacher.safetensors")'


@dataclass(frozen=True, eq=False)
class WeightsFile:
    """A safetensors file with a valid header; `title`: its displayed name, `shapes`: the shapes of its tensors."""

    title: str
    content: bytes
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def digest(self) -> str:
        """The first twelve hexadecimal digits of the content's SHA-256."""
        return hashlib.sha256(self.content).hexdigest()[:12]

    @property
    def size(self) -> int:
        """The file's bytes."""
        return len(self.content)

    def load_into(self, network: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Return the network called `network`, for inputs `shape` (channels, height, width), with these weights.

        Raises InputError when the weights belong to another network or are not finite.
        """
        from safetensors.torch import load

        from kdlab.models import build

        with torch.device("meta"):  # shapes alone, without memory for the weights
            shapes = {key: tuple(tensor.shape) for key, tensor in build(network, shape, classes).state_dict().items()}
        self._check_build(shapes, f"{sanitize_text(network, 50)} for {classes} classes")
        state = load(self.content)
        if not_finite := next(
            (key for key, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()), None
        ):
            raise InputError(
                f"The weights {sanitize_text(not_finite, 40)} in {self.title} are not finite: save a network that "
                "has learnt."
            )
        with torch.random.fork_rng([]):  # the initial weights are discarded
            module = build(network, shape, classes)
        module.load_state_dict(state)
        return module.eval()

    def _check_build(self, shapes: Mapping[str, tuple[int, ...]], network: str) -> None:
        for key, shape in shapes.items():
            if self.shapes.get(key) != shape:
                has = f"has it as {self.shapes[key]}" if key in self.shapes else "does not have it"
                raise InputError(
                    f"The {network} needs the weights {sanitize_text(key, 40)} as {shape}, and {self.title} {has}: "
                    "name the network that they belong to."
                )
        if surplus := next((key for key in self.shapes if key not in shapes), None):
            raise InputError(
                f"{self.title} has the weights {sanitize_text(surplus, 40)}, which the {network} does not: name "
                "the network that they belong to."
            )


def read_weights(name: str, content: bytes, limit: int) -> WeightsFile:
    """Return the weights in a file called `name`; its numbers are not looked at.

    `limit`: the maximum bytes of the file. Raises InputError; for a pickle it says how to convert the file.
    """
    title = file_title(name)
    check_size(name, len(content), limit)
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    if content[LENGTH_BYTES : LENGTH_BYTES + 1] != b"{":
        if content.startswith(PICKLE_PREFIXES):
            raise InputError(f"{title} is no safetensors file but a pickle or archive, never opened here: {CONVERT}.")
        raise InputError(f"{title} is no safetensors file: {CONVERT}.")
    if length > min(MAX_HEADER, len(content) - LENGTH_BYTES):
        raise InputError(f"{title} is cut off, or its header is longer than {MAX_HEADER:,} bytes: {CONVERT}.")
    try:
        tensors = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise InputError(f"The header of {title} is damaged: {CONVERT}.") from error
    if not tensors or len(tensors) > MAX_TENSORS:
        raise InputError(f"{title} has {len(tensors):,} tensors, and a network here 1 to {MAX_TENSORS:,}: {CONVERT}.")
    # Loading another type would convert it to float32 silently, and the measured network would not be the given one.
    if unsupported := next((tensor["dtype"] for _, tensor in tensors if tensor["dtype"] not in ACCEPTED_DTYPES), None):
        raise InputError(
            f"{title} has numbers of the type {unsupported}, and a network here float32 (F32): {AS_FLOAT32}."
        )
    shapes = {key: tuple(tensor["shape"]) for key, tensor in tensors}
    if any(len(shape) > MAX_DIMENSIONS for shape in shapes.values()):
        raise InputError(f"The header of {title} is damaged: {CONVERT}.")
    return WeightsFile(title, content, shapes)
