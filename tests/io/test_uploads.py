"""Files from outside as checked objects: what is taken, and as what. What is refused: tests/test_bad_input.py."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import deserialize
from safetensors.torch import save

from kdlab.io import check_size, file_title, read_logits, read_weights, sanitize_text
from kdlab.io.predictions import Predictions
from kdlab.models import build
from kdlab.registry import InputError

LIMIT = 1_000_000
CSV = """\
label,id,teacher:cat,teacher:dog,student:dog,student:cat
cat,a,1,2,30,40
dog,b,-5,6e0,70,0.125
"""


def some(examples: int = 12, classes: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    logits = {role: rng.normal(size=(examples, classes)).astype(np.float32) for role in ("teacher", "student")}
    return {"labels": np.arange(examples) % classes, **logits}


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


# --- logits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", "<i4"])
def test_arrays_by_name(dtype: str) -> None:
    arrays = some()
    arrays |= {role: np.asfortranarray((4 * arrays[role]).astype(dtype)) for role in ("teacher", "student")}
    images = np.arange(12 * 3 * 4 * 5, dtype=np.uint8).reshape(12, 3, 4, 5)
    one = read_logits("some/where/My logits.npz", npz(**arrays, images=images, classes=["x", "y", "z"]), LIMIT)
    assert (one.key, one.label, one.classes) == ("my-logits", "My logits", ("x", "y", "z"))
    assert one.note == "From your file My logits.npz."
    np.testing.assert_array_equal(one.labels, arrays["labels"])
    np.testing.assert_array_equal(one.images, images)
    for role in ("teacher", "student"):
        assert one.logits[role].dtype == np.float32
        np.testing.assert_array_equal(one.logits[role], arrays[role].astype(np.float32))


def test_what_save_wrote(tmp_path: Path) -> None:
    arrays = some()
    logits = {role: arrays[role] for role in ("teacher", "student")} | {"baseline": arrays["student"] + 1}
    mine = Predictions("k", "Mine", ("a", "b", "c"), arrays["labels"], logits, (arrays["teacher"] * 2,), None, "Why.")
    mine.save(tmp_path / "a.npz")
    read = read_logits("a.npz", (tmp_path / "a.npz").read_bytes(), LIMIT)
    assert (read.label, read.classes, read.note, read.key) == ("Mine", ("a", "b", "c"), "Why.", "a")
    assert list(read.logits) == ["teacher", "student", "baseline"]
    np.testing.assert_array_equal(read.logits["baseline"], logits["baseline"])
    np.testing.assert_array_equal(read.more_teachers[0], mine.more_teachers[0])


def test_classes_need_no_names_and_other_arrays_stay_packed() -> None:
    content = npz(**some(), objects=np.array([{}], dtype=object), huge=np.zeros(5))
    assert read_logits("a.npz", content, LIMIT).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        "\ufeff" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV + "\n\n",
        CSV.replace("\ncat", "\n0").replace("\ndog", "\n1"),
        CSV.replace("\ndog", '\n"dog"'),
        CSV.upper().replace("CAT", "cat").replace("DOG", "dog"),
    ],
)
def test_a_table(text: str) -> None:
    one = read_logits("T.csv", text.encode(), LIMIT)
    assert one.classes == ("cat", "dog")
    assert one.labels.tolist() == [0, 1]
    assert one.logits["teacher"].tolist() == [[1, 2], [-5, 6]]
    assert one.logits["student"].tolist() == [[40, 30], [0.125, 70]]


def test_labels_that_are_names_win_over_numbers() -> None:
    text = "label,teacher:1,teacher:0,student:1,student:0\n1,1,2,3,4\n0,1,2,3,4\n"
    assert read_logits("a.csv", text.encode(), LIMIT).labels.tolist() == [0, 1]


def test_what_unpacks_to_too_much_is_not_unpacked() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, **some(), images=np.zeros((12, 1, 300, 300), np.uint8))
    with pytest.raises(InputError, match="would unpack to 1 MB, and 0 MB are the most"):
        read_logits("a.npz", file.getvalue(), 20_000)


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp:6x2:dropout=0.5", "cnn:width=3"])
def test_weights_fill_the_network_they_belong_to(name: str) -> None:
    network = build(name, (1, 8, 8), 4).eval()
    content = save({key: value.contiguous() for key, value in network.state_dict().items()})
    weights = read_weights("mine.safetensors", content, LIMIT)
    assert len(weights.digest) == 12
    images = torch.rand(5, 1, 8, 8)
    filled = weights.load_into(name, (1, 8, 8), 4)
    assert not filled.training
    torch.testing.assert_close(filled(images), network(images), rtol=0, atol=0)
    for other, classes in (("mlp:7x2", 4), (name, 5), ("mlp:6x3", 4), ("resnet18", 4)):
        with pytest.raises(InputError, match=r"needs the weights .* and mine\.safetensors .*: name the network"):
            weights.load_into(other, (1, 8, 8), classes)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.float16, "F16"),
        (torch.bfloat16, "BF16"),
        (torch.float64, "F64"),
        (torch.int8, "I8"),
        (torch.float8_e4m3fn, "F8_E4M3"),
    ],
)
def test_weights_of_another_type_are_told_how_to_become_float32(dtype: torch.dtype, name: str) -> None:
    state = build("mlp:4x1", (1, 2, 2), 2).state_dict()
    content = save({key: value.to(dtype) for key, value in state.items()})
    with pytest.raises(
        InputError, match=rf"a\.st has numbers of the type {name}, .*\(F32\): .* v\.float\(\) for k, v in"
    ):
        read_weights("a.st", content, LIMIT)


@pytest.mark.parametrize("format", ["new", "old"])
def test_a_pickle_is_told_how_to_become_safetensors(format: str) -> None:
    file = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, file, _use_new_zipfile_serialization=format == "new")
    with pytest.raises(InputError, match=r"pickle or archive, never opened here: save it with safetensors\.torch"):
        read_weights("model.pt", file.getvalue(), LIMIT)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            {str(key): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for key in range(5001)},
            "has 5,001 tensors",
        ),
        ({"a": {"dtype": "F32", "shape": [0] * 9, "data_offsets": [0, 0]}}, "is damaged"),
        ({"a" * 1_000_000: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}, "is longer than 1,000,000 bytes"),
    ],
    ids=["many tensors", "many dimensions", "a long header"],
)
def test_weights_that_safetensors_opens_and_kdlab_refuses(header: dict[str, Any], words: str) -> None:
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text
    assert len(deserialize(content)) == len(header)
    with pytest.raises(InputError, match=words):
        read_weights("a.safetensors", content, 2_000_000)


def test_weights_that_are_not_finite() -> None:
    state = {
        key: torch.full_like(value, torch.nan) for key, value in build("mlp:4x1", (1, 2, 2), 2).state_dict().items()
    }
    with pytest.raises(InputError, match="are not finite"):
        read_weights("a", save(state), LIMIT).load_into("mlp:4x1", (1, 2, 2), 2)


# --- names and sizes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("C:\\Users\\me\\a.npz", "a.npz"),
        ("../../etc/passwd", "passwd"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("\0\n", "The file"),
        ("", "The file"),
        ("<img src=x>", "<img src=x>"),  # shown as text
        ("a" * 10_000, "a" * 49 + "…"),
    ],
)
def test_names_of_files(name: str, title: str) -> None:
    assert file_title(name) == title


def test_a_limit_of_bytes() -> None:
    check_size("a", LIMIT, LIMIT)
    for size, words in ((0, "is empty"), (LIMIT + 1, "has 1,000,001 bytes, and 1,000,000 are the most")):
        with pytest.raises(InputError, match=words):
            check_size("a", size, LIMIT)
    assert sanitize_text(" a\t\u200bb ") == "a b"
