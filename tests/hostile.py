"""What nobody should send: values, names and files, made anew from a seed."""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib import format as npy
from safetensors.numpy import save

__all__ = ["NAMES", "UPLOADS", "VALUES", "bombs", "mutated", "name", "value"]

NAMES = [
    "", " ", "mlp:", "mlp:1e9x3", "mlp:-1x2", "mlp:0x0", "mlp:32x1:dropout=2", "mlp:32x1:dropout=nan", "mlp:32x1:x=1",
    "mlp:99999999999999999999x1",
    "mlp:٣٢x1", "cnn:width=-1", "cnn:width=1e400", "cnn:width", "cnn:=", "cnn:width=1:width",
    "resnet18:width=3", "resnet18:", "mobilenet", "module:os.system", "../../etc/passwd", "folder:/etc/passwd",
    "folder:\0", "digits:5", "digits\0", "DIGITS", "none:1", "shift:pixels=9999", "affine:views=0", "hinton:x", "\n",
    "{}", "${HOME}", "{0.__class__}", "%s%n", "<script>alert(1)</script>", "\u202edigits", "dig\u200bits", "\ud800",
    "😀" * 100,
    "a" * 10_000, "mlp:" + "9" * 5_000 + "x1", "mlp:" + ":" * 5_000, "\0" * 50, "\x1b[31mred", "'; DROP TABLE runs",
]  # fmt: skip
VALUES: list[Any] = [
    None, True,
    [], {}, [[]], {"a": {}}, b"bytes", "x", "", "nan", "1e999", "１２", "9" * 10_000, -1, 0.5, 1e308, -1e308,
    float("nan"), float("inf"),
    10**400, -(10**400), 2**63, 1j, object(), np.zeros(3), np.array("x"), range(3), "\u202e1",
    "0x10", "1_000", "1\n2", ("a",) * 2_000,
]  # fmt: skip


def name(rng: random.Random) -> str:
    """Return a name that few take, and sometimes a random one."""
    if rng.random() < 0.7:
        return rng.choice(NAMES)
    letters = "mlpcnx:=0123456789.,-_/\\ \t\"'<>&\u202e\u0000é漢"
    return rng.choice(["", "mlp:", "cnn:", "shift:", "affine:"]) + "".join(rng.choices(letters, k=rng.randrange(1, 40)))


def value(rng: random.Random) -> Any:
    """Return a value of any kind."""
    return rng.choice(VALUES) if rng.random() < 0.6 else name(rng)


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Return a file damaged somewhere: cut, flipped, overwritten, doubled, or with bytes put in."""
    damaged, at = bytearray(content), rng.randrange(len(content))
    match rng.randrange(6):
        case 0:
            del damaged[at:]
        case 1:
            for _ in range(rng.randrange(1, 20)):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        case 2:
            damaged[at : at + 8] = rng.randbytes(min(8, len(damaged) - at))
        case 3:
            damaged[at:at] = rng.randbytes(rng.randrange(1, 100))
        case 4:
            del damaged[at : at + rng.randrange(1, 100)]
        case 5:
            head = rng.randrange(min(120, len(damaged)))  # where headers are
            damaged[head] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(damaged)


# --- files that are whole ---------------------------------------------------------------------------------------------


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return file.getvalue()


def _arrays(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    logits = {role: rng.normal(size=(30, 3)).astype(np.float32) for role in ("teacher", "student")}
    return {"labels": np.arange(30) % 3, **logits, "classes": np.array(["a", "b", "c"]), **changes}


def good_npz() -> bytes:
    return npz(**_arrays())


def good_csv() -> bytes:
    rows = [f"{'cat' if at % 2 else 'dog'},{at},{-at},0.5,1e-3" for at in range(40)]
    return "\n".join(["label,teacher:cat,teacher:dog,student:cat,student:dog", *rows]).encode()


def good_weights() -> bytes:
    shapes = {"1.weight": (4, 64), "1.bias": (4,), "3.weight": (10, 4), "3.bias": (10,)}
    return save({key: np.full(shape, 0.1, np.float32) for key, shape in shapes.items()})


def _safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _header(descr: str, shape: str, data: bytes = bytes(48)) -> bytes:
    """An .npy member whose header says what it likes."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return npy.magic(1, 0) + struct.pack("<H", len(text) + 1) + text + b"\n" + data


def odd_npz(rng: random.Random) -> bytes:
    """Return an NPZ that is in order as a zip, and not as a file of logits."""
    odd: list[Callable[[], bytes]] = [
        lambda: npz(**_arrays(labels=np.array([{"a": 1}] * 30, dtype=object))),
        lambda: npz(**_arrays(teacher=np.full((30, 3), np.nan))),
        lambda: npz(**_arrays(teacher=np.full((30, 3), 1e300))),
        lambda: npz(**_arrays(teacher=np.zeros((30, 4)))),
        lambda: npz(**_arrays(teacher=np.zeros((29, 3)))),
        lambda: npz(**_arrays(teacher=np.zeros((1,) * 30 + (3,)))),
        lambda: npz(**_arrays(teacher=np.zeros(0))),
        lambda: npz(**_arrays(teacher=np.zeros((30, 3), complex))),
        lambda: npz(**_arrays(teacher=np.zeros((30, 3), "S4"))),
        lambda: npz(**_arrays(teacher=np.zeros((30, 3), [("a", "f4")]))),
        lambda: npz(**_arrays(labels=np.arange(30))),
        lambda: npz(**_arrays(labels=np.arange(30) - 1)),
        lambda: npz(**_arrays(labels=np.full(30, 0.5))),
        lambda: npz(**_arrays(classes=np.array(["a", "a", "a"]))),
        lambda: npz(**_arrays(classes=np.array(["a\u202e" * 9_000, "\0", "\n<b>"]))),
        lambda: npz(**_arrays(classes=np.array("abc"))),
        lambda: npz(**_arrays(images=np.zeros((30, 1, 0, 9), np.uint8))),
        lambda: npz(**_arrays(images=np.zeros((30, 2, 5, 5), np.uint8))),
        lambda: npz(**_arrays(images=np.zeros((30, 1, 5, 5)))),
        lambda: npz(**_arrays(about=np.array("[" * 5_000))),
        lambda: npz(**_arrays(about=np.array('{"classes": {"a": 1}, "label": ["x"]}'))),
        lambda: npz(**_arrays(**{"more_teachers/0": np.zeros((3, 3))})),
        lambda: npz(labels=np.zeros(1), teacher=np.zeros((1, 1)), student=np.zeros((1, 1))),
        lambda: npz(**{name(rng)[:200] or "x": np.zeros(3)}),
        lambda: npz(labels=np.zeros(1)),
        lambda: zipped(**{"../../labels.npy": b"", "/etc/passwd": b"", "labels.npy": b"x"}),
        lambda: zipped(**{"labels.npy": zipped(a=b"x")}),
        lambda: zipped(**{f"{at}.npy": b"" for at in range(rng.randrange(2, 300))}),
        lambda: zipped(**{"labels.npy": _header("'<f8'", "(1000000000, 1000000000)")}),
        lambda: zipped(**{"labels.npy": _header("'<f8'", "(-1,)")}),
        lambda: zipped(**{"labels.npy": _header("'|O'", "(3,)")}),
        lambda: zipped(**{"labels.npy": _header("'<V999999999'", "(3,)")}),
        lambda: zipped(**{"labels.npy": _header("'<f8'", "(" * 3_000)}),
        lambda: zipped(**{"labels.npy": _header("'<f8'", "-" * 9_000 + "1")}),
        lambda: zipped(**{"labels.npy": _header("__import__('os').system('x')", "(3,)")}),
        lambda: zipped(**{"labels.npy": npy.magic(9, 9)}),
        lambda: np.lib.format.magic(1, 0) + bytes(100),
        lambda: b"\x80\x04\x95\x20\x00\x00cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
        lambda: b"\x1f\x8b\x08" + rng.randbytes(100),
    ]  # fmt: skip
    return rng.choice(odd)()


def odd_csv(rng: random.Random) -> bytes:
    """Return text that is no table of logits."""
    lines = good_csv().decode().splitlines()
    at = rng.randrange(len(lines))
    bad = rng.choice(
        ["", "\0", '"', ",", "a,b", "cat,1,2,3", "cat,nan,1,1,1", "cow,1,1,1,1", "cat,1;5,2,2,2", "9" * 9_000]
    )
    odd: list[Callable[[], str]] = [
        lambda: "\n".join([*lines[:at], bad, *lines[at + 1 :]]),
        lambda: "\n".join([name(rng), *lines[1:]]),
        lambda: "\n".join([lines[0].replace("dog", name(rng)[:50].replace("\n", "") or "cat"), *lines[1:]]),
        lambda: lines[0],
        lambda: "\n" * rng.randrange(500_000),
        lambda: '"' * rng.randrange(500_000),
        lambda: "label," * rng.randrange(100_000),
        lambda: "label,teacher:a" + ",teacher:a" * 3 + "\n1,2,3,4",
    ]
    text = rng.choice(odd)()
    return text.encode(rng.choice(["utf-8", "utf-8", "utf-16", "utf-8-sig"]), "replace")


def odd_weights(rng: random.Random) -> bytes:
    """Return what looks like safetensors, or like what people take for weights."""
    tensor = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    odd: list[Callable[[], bytes]] = [
        lambda: zipped(**{"archive/data.pkl": b"\x80\x02"}),
        lambda: b"\x80\x02}q\x00." + rng.randbytes(50),
        lambda: b"\x89HDF\r\n\x1a\n" + bytes(50),
        lambda: struct.pack("<Q", rng.choice([2**63, 2**40, 0])) + b"{}",
        lambda: _safetensors(b"{" * rng.randrange(1, 5_000)),
        lambda: _safetensors(b'{"a":' + b"[" * 50_000),
        lambda: _safetensors({}),
        lambda: _safetensors({"a": tensor}, bytes(15)),
        lambda: _safetensors({"a": tensor, "b": tensor}, bytes(16)),
        lambda: _safetensors({"a": {**tensor, "shape": [10**10]}}, bytes(16)),
        lambda: _safetensors({"a": {**tensor, "shape": [10**10, 10**10], "data_offsets": [0, 4 * 10**20]}}, bytes(16)),
        lambda: _safetensors({"a": {**tensor, "shape": [-4], "data_offsets": [16, 0]}}, bytes(16)),
        lambda: _safetensors({"a": {**tensor, "shape": [4.0]}}, bytes(16)),
        lambda: _safetensors({"a": {**tensor, "shape": [True] * 4}}, bytes(16)),
        lambda: _safetensors({"a": {**tensor, "dtype": rng.choice(["O", "F99", None, [], {}])}}, bytes(16)),
        lambda: _safetensors({"a": {**tensor, "data_offsets": rng.choice([None, "ab", [0], [0, 16, 32]])}}, bytes(16)),
        lambda: _safetensors({"a": None}),
        lambda: _safetensors(b'{"a":1e999999}'),
        lambda: _safetensors(b'{"a":' + b"9" * 9_000 + b"}"),
        lambda: _safetensors(b'{"\xff\xfe":1}'),
        lambda: _safetensors({str(at): {**tensor, "shape": [0], "data_offsets": [0, 0]} for at in range(6_000)}),
        lambda: _safetensors(b'{"a":{},"a":{}}'),
        lambda: rng.randbytes(rng.randrange(1, 2_000)),
    ]
    return rng.choice(odd)()


UPLOADS: dict[str, tuple[Callable[..., bytes], Callable[[random.Random], bytes]]] = {
    "npz": (good_npz, odd_npz),
    "csv": (good_csv, odd_csv),
    "weights": (good_weights, odd_weights),
}


# --- files that are small and say they are large ----------------------------------------------------------------------


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield the kind and the content of files that would take gigabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    for says in (10**10, 240):  # what is said of the size; then what is read stays within that
        yield "npz", _bomb(piece * 1_000 + b"\x03\x00", says)
    yield "npz", zipped(**{"labels.npy": _header("'<f8'", f"({10**9}, 1)")})
    yield "csv", b"," * 7_900_000
    yield "csv", b'label,"' + b"x" * 7_900_000
    yield "weights", _safetensors({"a": {"dtype": "F32", "shape": [10**9, 3], "data_offsets": [0, 12 * 10**9]}})
    yield "weights", struct.pack("<Q", 10**10) + b"{"


def _bomb(packed: bytes, says: int) -> bytes:
    """A zip of one member labels.npy that unpacks to 10 GB, whatever it `says`."""
    member = b"labels.npy"
    sizes = struct.pack("<III", 0, len(packed), min(says, 2**32 - 1))
    extra = struct.pack("<HHQ", 1, 8, says) if says >= 2**32 else b""
    local = struct.pack("<IHHHHH", 0x04034B50, 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", len(member), 0) + member
    entry = struct.pack("<IHHHHHH", 0x02014B50, 20, 20, 0, 8, 0, 0) + sizes
    entry += struct.pack("<HHHHHII", len(member), len(extra), 0, 0, 0, 0, 0) + member + extra
    begin = len(local) + len(packed)
    return local + packed + entry + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(entry), begin, 0)
