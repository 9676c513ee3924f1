"""Arrays by name as the content of an NPZ file, without pickled objects; foreign files: `kdlab.io.npz`."""

import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import ArrayLike, NDArray

__all__ = ["pack_npz", "unpack_npz"]


def pack_npz(arrays: Mapping[str, ArrayLike], content: bytes = b"") -> bytes:
    """Return arrays as a compressed NPZ file, after the arrays of the NPZ file `content`; equal arrays, equal bytes.

    Raises ValueError for an array of objects.
    """
    file = BytesIO(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=False)
    return file.getvalue()


def unpack_npz(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an NPZ file that kdlab wrote; raises any exception for a damaged one."""
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
