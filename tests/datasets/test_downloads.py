"""Downloads from a real server on this machine, with everything that can go wrong on the way."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refusal
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10, CIFAR100, MNIST

from kdlab.datasets import download, load, load_events, loading
from kdlab.progress import Progress
from kdlab.registry import InputError

pytestmark = pytest.mark.process
RAW = Path("MNIST", "raw")
PIXELS, LABELS = load_digits(return_X_y=True)
IMAGES = (PIXELS * 15).astype(np.uint8).reshape(-1, 8, 8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


FILES = {
    "train-images-idx3-ubyte": idx(IMAGES[:300]),
    "train-labels-idx1-ubyte": idx(LABELS[:300]),
    "t10k-images-idx3-ubyte": idx(IMAGES[300:400]),
    "t10k-labels-idx1-ubyte": idx(LABELS[300:400]),
}
ARCHIVES = {f"{name}.gz": gzip.compress(data) for name, data in FILES.items()}


class Server(ThreadingHTTPServer):
    """Serves `files`; a file named in `broken` breaks off half way, one in `silent` never comes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = dict(ARCHIVES)
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        if name in self.server.silent:
            self.server.closing.wait()
        elif name not in self.server.files:
            self.send_error(404)
        else:
            data = self.server.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if name in self.server.broken else data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.closing.set()
        server.shutdown()


@pytest.fixture
def root(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder; MNIST comes from the server."""
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(loading, "_last", {})
    monkeypatch.setattr(MNIST, "mirrors", [server.url])
    sums = [(name, hashlib.md5(data).hexdigest()) for name, data in ARCHIVES.items()]
    monkeypatch.setattr(MNIST, "resources", sums)
    return tmp_path / "data"


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def load_refusal(name: str, root: Path) -> str:
    """Return the sentence with which loading is refused, when the data folder is as it was."""
    before = contents(root), set(root.rglob("*"))
    message = refusal(load, name)
    assert (contents(root), set(root.rglob("*"))) == before
    return message


def test_mnist_is_downloaded_once(root: Path, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    events = list(load_events("mnist"))
    downloading = [event for event in events if event.label == "Downloading MNIST"]
    assert all(isinstance(event, Progress) for event in events)
    assert [downloading[0].done, downloading[-1].done] == [0, sum(map(len, ARCHIVES.values()))]
    assert (downloading[0].total, downloading[0].unit) == (11_594_722, "B")
    assert contents(root) == {str(RAW / name): data for name, data in FILES.items()}
    server.files.clear()
    loading._last.clear()
    mnist = load("mnist")
    assert (len(mnist.train), len(mnist.validation), len(mnist.test), mnist.shape) == (270, 30, 100, (1, 8, 8))
    assert torch.equal(mnist.test.images[:, 0], torch.from_numpy(IMAGES[300:400]))
    assert mnist.test.labels.tolist() == LABELS[300:400].tolist()
    assert capfd.readouterr() == ("", "")


def test_progress_is_told_while_a_file_comes(root: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PROGRESS_INTERVAL", 0.0)
    monkeypatch.setattr(download, "CHUNK_BYTES", 1_000)
    done = [event.done for event in load_events("mnist") if event.unit == "B"]
    assert done == sorted(done)
    assert len(done) > len(ARCHIVES["train-images-idx3-ubyte.gz"]) // 1_000


def test_an_incomplete_folder_is_completed_and_nothing_else_in_it_is_touched(root: Path, server: Server) -> None:
    (root / RAW).mkdir(parents=True)
    (root / RAW / "notes.txt").write_text("mine")
    (root / RAW / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[1:301]))  # of another, reordered MNIST
    load("mnist")
    assert contents(root) == {str(RAW / "notes.txt"): b"mine"} | {str(RAW / name): data for name, data in FILES.items()}


def test_the_second_mirror_is_asked_when_the_first_fails(
    root: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MNIST, "mirrors", [f"{server.url}gone/", server.url])
    assert len(load("mnist").test) == 100


@pytest.mark.parametrize("half_there", [False, True])
def test_without_network_the_message_says_where_the_files_belong(root: Path, server: Server, half_there: bool) -> None:
    if half_there:
        (root / RAW).mkdir(parents=True)
        (root / RAW / "t10k-labels-idx1-ubyte").write_bytes(FILES["t10k-labels-idx1-ubyte"])
    server.shutdown()
    server.server_close()
    message = load_refusal("mnist", root)
    assert "Connection refused" in message
    assert f"not in {root / RAW}" in message
    assert "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels" in message
    assert "KDLAB_DATA" in message


def test_no_such_server(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MNIST, "mirrors", ["http://nowhere.invalid/"])
    assert "nowhere.invalid: " in load_refusal("mnist", root)


def test_a_wrong_checksum(root: Path, server: Server) -> None:
    server.files["t10k-images-idx3-ubyte.gz"] = gzip.compress(b"something else")
    assert "t10k-images-idx3-ubyte.gz came with a wrong checksum" in load_refusal("mnist", root)


def test_a_download_that_breaks_half_way(root: Path, server: Server) -> None:
    server.broken.add("train-labels-idx1-ubyte.gz")
    size = len(ARCHIVES["train-labels-idx1-ubyte.gz"])
    assert f"the connection broke after {size // 2} of {size} bytes" in load_refusal("mnist", root)


def test_a_file_that_the_server_does_not_have(root: Path, server: Server) -> None:
    del server.files["t10k-labels-idx1-ubyte.gz"]
    assert "404" in load_refusal("mnist", root)


def test_a_server_that_falls_silent(root: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.1)
    server.silent.add("t10k-images-idx3-ubyte.gz")
    assert "timed out" in load_refusal("mnist", root)


def test_stopping_leaves_nothing_behind(root: Path) -> None:
    events = load_events("mnist")
    while not next(events).label.startswith("Downloading"):
        pass
    assert list(root.iterdir())
    events.close()
    assert not list(root.iterdir())


def test_a_data_folder_that_cannot_be(root: Path) -> None:
    root.write_text("a file is in the way")
    with pytest.raises(InputError, match=r"cannot be saved there \(File exists\): set .* KDLAB_DATA to"):
        load("mnist")
    assert root.read_text() == "a file is in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_data_folder(root: Path) -> None:
    root.mkdir(mode=0o555)
    assert "cannot be saved there (Permission denied)" in load_refusal("mnist", root)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("train-images-idx3-ubyte", FILES["train-images-idx3-ubyte"][:-1]),
        ("train-images-idx3-ubyte", FILES["train-images-idx3-ubyte"][:3]),
        ("train-images-idx3-ubyte", b""),
        ("train-images-idx3-ubyte", b"<html>Sign in to this network</html>"),
        ("t10k-labels-idx1-ubyte", b""),
        ("t10k-labels-idx1-ubyte", idx(LABELS[:99])),
        ("t10k-labels-idx1-ubyte", idx(np.full(100, 200))),
    ],
    ids=["truncated", "header only", "empty", "web page", "no labels", "a label too few", "no such class"],
)
def test_a_damaged_file_names_the_folder_to_delete(root: Path, name: str, data: bytes) -> None:
    load("mnist")
    loading._last.clear()
    (root / RAW / name).write_bytes(data)
    assert f"MNIST in {root / RAW} is damaged or cut off: delete that folder and run again" in load_refusal(
        "mnist", root
    )


@pytest.mark.parametrize(("name", "kind", "fine"), [("cifar10", CIFAR10, ""), ("cifar100", CIFAR100, "fine_")])
def test_cifar(name: str, kind: type, fine: str, root: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = [f"kind {number}" for number in range(4)]
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3 * 32 * 32), dtype=np.uint8)
    batch = {"data": pixels, f"{fine}labels": [0, 1, 2, 3] * 5}
    meta = pickle.dumps({f"{fine}label_names": classes})
    records = {"train": pickle.dumps(batch), "test": pickle.dumps(batch), "meta": meta}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for record, data in records.items():
            item = tarfile.TarInfo(f"{kind.base_folder}/{record}")
            item.size = len(data)
            tar.addfile(item, io.BytesIO(data))
    server.files["cifar.tar.gz"] = archive.getvalue()
    sums = {record: hashlib.md5(data).hexdigest() for record, data in records.items()}
    monkeypatch.setattr(kind, "url", f"{server.url}cifar.tar.gz")
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive.getvalue()).hexdigest())
    monkeypatch.setattr(kind, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(kind, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(kind, "meta", {"filename": "meta", "key": f"{fine}label_names", "md5": sums["meta"]})

    cifar = load(name)
    assert (cifar.classes, cifar.shape, len(cifar.train), len(cifar.validation)) == (tuple(classes), (3, 32, 32), 16, 4)
    assert np.array_equal(cifar.test.images.numpy(), pixels.reshape(20, 3, 32, 32))
    assert cifar.test.labels.tolist() == batch[f"{fine}labels"]
    assert contents(root) == {f"{kind.base_folder}/{record}": data for record, data in records.items()}

    loading._last.clear()
    (root / kind.base_folder / "test").write_bytes(records["test"][:-10])
    assert f"{root / kind.base_folder} is damaged" in load_refusal(name, root)
