"""Read arrays from an untrusted NPZ file."""

import math
import re
from collections import Counter
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from kdlab.io.sanitize import sanitize_text
from kdlab.registry import InputError

__all__ = ["read_arrays"]

DIRECTORY_ENTRY = b"PK\x01\x02"  # signature of each entry in the central directory of a zip file
ENCRYPTED_FLAG = 1
HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
DTYPE_KINDS = "biufUS"  # numbers and text


def read_arrays(
    title: str, content: bytes, max_bytes: float, max_arrays: float, name_pattern: re.Pattern[str]
) -> dict[str, NDArray[Any]]:
    """Return the arrays whose whole names match `name_pattern`; other members are not unpacked.

    `max_bytes`: maximum unpacked size of these arrays together; no more bytes are read than the file declares.
    `max_arrays`: maximum number of members in the file. Raises InputError.
    """
    if content.count(DIRECTORY_ENTRY) > max_arrays:
        raise InputError(f"{title} holds more than {max_arrays} arrays: save labels, teacher and student alone.")
    try:
        with ZipFile(BytesIO(content)) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            names = Counter(member.filename for member in archive.infolist())
            selected = {name: member for name, member in members.items() if name_pattern.fullmatch(name)}
            if not selected:
                listed = ", ".join(sanitize_text(name, 20) or "…" for name in list(members)[:5]) or "nothing"
                raise InputError(f"{title} has no arrays labels, teacher and student, but {listed}: save them by name.")
            _check(title, selected, names, max_bytes)
            return {name: _array(title, name, archive, member) for name, member in selected.items()}
    except InputError:
        raise
    except Exception as error:  # zip, zlib, NumPy, tokenize: any exception may mean a corrupt file
        raise InputError(f"{title} is damaged, or no NPZ file: write it anew with np.savez.") from error


def _check(title: str, selected: dict[str, ZipInfo], names: Counter[str], max_bytes: float) -> None:
    """Check the central directory before anything is unpacked."""
    if any(names[member.filename] > 1 for member in selected.values()):
        raise InputError(f"{title} holds two arrays of one name: write it anew with np.savez.")
    # Python unpacks other compression methods, which NumPy does not write, without a bound.
    if any(
        member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or member.flag_bits & ENCRYPTED_FLAG
        for member in selected.values()
    ):
        raise InputError(f"{title} is packed in another way than NumPy's: write it with np.savez, without a password.")
    if (size := sum(member.file_size for member in selected.values())) > max_bytes:
        raise InputError(
            f"{title} would unpack to {size / 1e6:,.0f} MB, and {max_bytes / 1e6:,.0f} MB are the most: give "
            "fewer examples."
        )


def _array(title: str, name: str, archive: ZipFile, member: ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        shape, by_columns, dtype = HEADER_READERS[npy.read_magic(file)](file)
        if dtype.kind not in DTYPE_KINDS:
            content_kind = "Python objects, which are never opened" if dtype.hasobject else "neither numbers nor text"
            raise InputError(f"The array {name} in {title} holds {content_kind}: save plain numbers.")
        size = math.prod(shape) * dtype.itemsize
        if not size:
            raise InputError(f"The array {name} in {title} is empty: give one example at least.")
        content = file.read()  # to the end, where zipfile verifies the checksum
        if len(content) != size:
            raise ValueError("another size than its header says")
        return np.frombuffer(bytearray(content), dtype).reshape(shape, order="F" if by_columns else "C")
