"""Arrays out of an NPZ file that nobody vouches for."""

import math
import re
from collections import Counter
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from kdlab.io.sanitize import tidy
from kdlab.registry import InputError

__all__ = ["read_arrays"]

ENTRY = b"PK\x01\x02"  # begins each member's line in a zip's table of contents
ENCRYPTED = 1
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
KINDS = "biufUS"  # numbers and text


def read_arrays(
    title: str, content: bytes, most: float, most_arrays: float, wanted: re.Pattern[str]
) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names match `wanted` whole; what else is in the file is left packed.

    `most`: bytes that all of them together may have unpacked, of which the file says so itself: no byte more is read;
    `most_arrays`: how many may be in the file. Raises InputError.
    """
    if content.count(ENTRY) > most_arrays:
        raise InputError(f"{title} holds more than {most_arrays} arrays: save labels, teacher and student alone.")
    try:
        with ZipFile(BytesIO(content)) as archive:
            members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
            names = Counter(one.filename for one in archive.infolist())
            found = {name: one for name, one in members.items() if wanted.fullmatch(name)}
            if not found:
                held = ", ".join(tidy(name, 20) or "…" for name in list(members)[:5]) or "nothing"
                raise InputError(f"{title} has no arrays labels, teacher and student, but {held}: save them by name.")
            _check(title, found, names, most)
            return {name: _array(title, name, archive, one) for name, one in found.items()}
    except InputError:
        raise
    except Exception as error:  # zip, zlib, NumPy, tokenize: what damage may raise has no end
        raise InputError(f"{title} is damaged, or no NPZ file: write it anew with np.savez.") from error


def _check(title: str, found: dict[str, ZipInfo], names: Counter[str], most: float) -> None:
    """Check what the table of contents says, before anything is unpacked."""
    if any(names[one.filename] > 1 for one in found.values()):
        raise InputError(f"{title} holds two arrays of one name: write it anew with np.savez.")
    # The others, which NumPy does not write, are unpacked by Python without a bound.
    if any(one.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or one.flag_bits & ENCRYPTED for one in found.values()):
        raise InputError(f"{title} is packed in another way than NumPy's: write it with np.savez, without a password.")
    if (size := sum(one.file_size for one in found.values())) > most:
        raise InputError(
            f"{title} would unpack to {size / 1e6:,.0f} MB, and {most / 1e6:,.0f} MB are the most: give fewer examples."
        )


def _array(title: str, name: str, archive: ZipFile, member: ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        shape, by_columns, dtype = HEADERS[npy.read_magic(file)](file)
        if dtype.kind not in KINDS:
            what = "Python objects, which are never opened" if dtype.hasobject else "neither numbers nor text"
            raise InputError(f"The array {name} in {title} holds {what}: save plain numbers.")
        size = math.prod(shape) * dtype.itemsize
        if not size:
            raise InputError(f"The array {name} in {title} is empty: give one example at least.")
        content = file.read()  # to the end, where the checksum is looked at
        if len(content) != size:
            raise ValueError("another size than its header says")
        return np.frombuffer(bytearray(content), dtype).reshape(shape, order="F" if by_columns else "C")
