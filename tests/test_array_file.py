"""NPZ files as bytes: NumPy's own, reproducible, without pickled objects."""

import io

import numpy as np
import pytest

from kdlab.array_file import pack_npz, unpack_npz

ARRAYS = {
    "logits/teacher": np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3),
    "classes": np.array(["a", "日本"]),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "none": np.zeros((0, 5), np.uint8),
}


def test_the_bytes_are_those_of_numpy() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **ARRAYS)
    assert pack_npz(ARRAYS) == file.getvalue()


def test_arrays_come_back() -> None:
    arrays = unpack_npz(pack_npz({**ARRAYS, "file": [1.5, 2], "allow_pickle": 3}))
    assert arrays.keys() == ARRAYS.keys() | {"file", "allow_pickle"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
    assert (arrays["file"].tolist(), arrays["allow_pickle"].tolist()) == ([1.5, 2], 3)
    assert unpack_npz(pack_npz({})) == {}


def test_arrays_are_added_to_a_file() -> None:
    first, others = {"classes": ARRAYS["classes"]}, {"none": ARRAYS["none"], "more": np.ones(2)}
    assert pack_npz(others, pack_npz(first)) == pack_npz(first | others)


def test_objects_are_refused() -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        pack_npz({"a": objects})
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, a=objects)
    with pytest.raises(ValueError, match="allow_pickle"):
        unpack_npz(file.getvalue())
