"""Files are written completely or not at all: on a full disk, by a writer that fails, and by one that is killed."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from full_disk import full_disk

from kdlab.atomic import write_atomic

CONTENTS = [b"x" * 100_000, lambda file: [file.write(b"x" * 50_000) for _ in range(2)]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", CONTENTS, ids=["bytes", "function"])
@pytest.mark.parametrize("name", ["a.bin", "a" * 255])
def test_a_file_is_made_and_replaced(tmp_path: Path, content: Any, name: str) -> None:
    path = tmp_path / name
    for _ in range(2):
        write_atomic(path, content)
        assert path.read_bytes() == b"x" * 100_000
        assert names(tmp_path) == [name]
        path.write_bytes(b"before")
    (tmp_path / "usual").touch()
    write_atomic(path, content)
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode  # what the person's umask makes of a file


@pytest.mark.parametrize("content", CONTENTS, ids=["bytes", "function"])
def test_a_full_disk(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.bin"
    for existing in ([], ["a.bin"]):
        with full_disk(60_000), pytest.raises(OSError, match="File too large"):
            write_atomic(path, content)
        assert names(tmp_path) == existing
        path.write_bytes(b"before")
    with full_disk(60_000), pytest.raises(OSError, match="File too large"):
        write_atomic(path, content)
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_function_that_fails(tmp_path: Path, failure: type[BaseException]) -> None:
    def fail(file: IO[bytes]) -> None:
        file.write(b"half")
        raise failure

    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    with pytest.raises(failure):
        write_atomic(path, fail)
    assert (path.read_bytes(), names(tmp_path)) == (b"before", ["a.bin"])


@pytest.mark.parametrize("place", ["nowhere/a.bin", "file/a.bin", "folder"])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"Errno"):
        write_atomic(tmp_path / place, b"x")
    assert names(tmp_path) == ["file", "folder"]


def die_half_way(file: IO[bytes]) -> None:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.process
@pytest.mark.parametrize("content", [b"before", None])
def test_a_writer_that_is_killed(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.bin"
    if content is not None:
        path.write_bytes(content)
    process = multiprocessing.get_context("spawn").Process(target=write_atomic, args=(path, die_half_way))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert path.read_bytes() == content if content is not None else not path.exists()
    (left,) = set(names(tmp_path)) - {"a.bin"}
    assert left.startswith(".kdlab-")
    write_atomic(path, b"after")
    assert path.read_bytes() == b"after"


def test_files_are_synced_before_they_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, bytes]] = []
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    sync: Callable[[int], None] = os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        synced.append((os.fstat(descriptor).st_size, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", noted)
    write_atomic(path, b"content")
    assert synced[0] == (len(b"content"), b"before")  # all of it, while the old file is still there
    assert [content for _, content in synced[1:]] == [b"content"]  # the folder, with the new file in it
