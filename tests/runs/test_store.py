"""Runs are stored whatever befalls the disk, the files and the processes that write; several stores share a folder."""

import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kdlab.registry import InputError
from kdlab.runs import run_files, store
from kdlab.runs.run_info import RunInfo
from kdlab.runs.store import RunStore

TIMES = 12  # that each of several processes writes
FILES = {"history.npz": b"\x00\x01" * 500, "spec.json": b"{}"}


def begin(kept: RunStore, run: str, visitor: str = "me", **about: Any) -> None:
    kept.create(run, visitor=visitor, kind="distil", label=f"digits {run}", page="distil", config=about)


def contents(folder: Path) -> list[str]:
    """Names of all files of runs, also of those that are not to be seen."""
    return sorted(f"{path.relative_to(folder / 'files')}" for path in (folder / "files").rglob("*") if path.is_file())


@pytest.fixture
def kept(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def test_a_run_from_its_beginning_to_its_end(kept: RunStore) -> None:
    begin(kept, "a", spec={"epochs": 3, "temperature": 4.5})
    row = kept.info("a")
    assert isinstance(row, RunInfo)
    assert (row.state, row.config, row.ended, row.resumable) == (
        "queued",
        {"spec": {"epochs": 3, "temperature": 4.5}},
        None,
        False,
    )
    assert abs(row.created - time.time()) < 60
    kept.update("a", state="running")
    kept.put("a", "checkpoint", FILES)
    kept.update("a", state="running", summary={"student": 12, "rate": float("nan")}, seconds=2.5)
    row = kept.info("a")
    assert (row.state, row.summary, row.seconds, row.resumable) == ("running", {"student": 12, "rate": None}, 2.5, True)
    kept.put("a", "result", {"result.json": b"1"})
    kept.update("a", state="failed", message="Diverged.")
    row = kept.info("a")
    assert (row.state, row.message, row.ended >= row.created) == ("failed", "Diverged.", True)
    assert kept.files("a", "checkpoint") == FILES
    assert kept.files("a", "result") == {"result.json": b"1"}
    assert kept.size() > 1000
    kept.put("a", "checkpoint", {})
    assert (kept.files("a", "checkpoint"), kept.info("a").resumable) == (None, False)
    kept.update("a", state="queued")  # gone on with
    assert kept.info("a").ended is None


def test_the_newest_first_and_only_ones_own(kept: RunStore) -> None:
    for number in range(5):
        begin(kept, f"run-{number}", visitor="me" if number % 2 else "you")
    assert [row.run for row in kept.runs("me")] == ["run-3", "run-1"]
    assert [row.run for row in kept.runs(None, limit=3)] == ["run-4", "run-3", "run-2"]
    assert kept.runs("nobody") == []


def test_what_is_not_there(kept: RunStore) -> None:
    assert kept.info("none") is None
    assert kept.files("none", "result") is None
    kept.delete("none")
    kept.update("none", state="done")
    assert kept.runs(None) == []
    with pytest.raises(InputError, match="not kept any more"):
        kept.put("none", "result", FILES)
    begin(kept, "a")
    with pytest.raises(InputError, match="already"):
        begin(kept, "a")
    assert kept.info("a") is not None


def test_a_deleted_run_is_gone_and_stays_so(kept: RunStore, tmp_path: Path) -> None:
    begin(kept, "a")
    kept.put("a", "result", FILES)
    kept.delete("a")
    kept.update("a", state="done", summary={"student": 1})  # whoever trains it may not have heard of it
    with pytest.raises(InputError, match="not kept any more"):
        kept.put("a", "result", FILES)
    assert contents(tmp_path) == []
    again = RunStore(tmp_path)
    assert again.runs(None) == []


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "..", ".", "a\\b", "x" * 300, "a\n", "a\0", "ü", "C:x"])
def test_hostile_ids_and_names(kept: RunStore, tmp_path: Path, bad: str) -> None:
    begin(kept, "a")
    before = contents(tmp_path)
    for attempt in (
        lambda: begin(kept, bad),
        lambda: kept.put(bad, "result", FILES),
        lambda: kept.put("a", "result", {bad: b""}),
        lambda: kept.put("a", bad, FILES),
        lambda: kept.files(bad, "result"),
        lambda: kept.files("a", bad),
        lambda: kept.delete(bad),
    ):
        with pytest.raises(InputError) as refused:
            attempt()
        assert f"{refused.value}".count("\n") == 0
        assert len(f"{refused.value}") < 400
    kept.update(bad, state="done")
    assert kept.info(bad) is None
    assert contents(tmp_path) == before
    assert [row.run for row in kept.runs(None)] == ["a"]


def test_texts_that_a_file_cannot_hold(kept: RunStore) -> None:
    kept.create("a", visitor="v\0", kind="k", label="folder:\udcff", page="p", config={"name": "\udcff\0"})
    kept.update("a", state="running", message="\0\ud800", summary={"x": float("inf")})
    row = kept.info("a")
    assert (row.visitor, row.label, row.message, row.summary) == ("v?", "folder:?", "??", {"x": None})


def test_a_run_whose_process_is_gone_reads_as_interrupted(kept: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(kept, "a")
    kept.update("a", state="running")
    begin(kept, "b")
    kept.update("b", state="done")
    now = time.time()
    monkeypatch.setattr(store.time, "time", lambda: now + store.HEARTBEAT_TIMEOUT + 1)
    row = kept.info("a")
    assert (row.state, row.message, row.ended < now + 1) == ("interrupted", store.ORPHANED, True)
    assert kept.info("b").state == "done"
    kept.heartbeat("a")  # a sign of life
    assert (kept.info("a").state, kept.info("a").message) == ("running", "")


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where this may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", f"{place}"]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", f"{place}"], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    kept = RunStore(small_disk)
    begin(kept, "a")
    kept.put("a", "checkpoint", FILES)
    before = contents(small_disk)
    with pytest.raises(InputError, match=r"No space left on device.*make room"):
        kept.put("a", "checkpoint", {"weights": bytes(2_000_000)})
    assert contents(small_disk) == before
    assert kept.files("a", "checkpoint") == FILES
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):  # to the last byte
            pass
    with pytest.raises(InputError, match="make room"):
        begin(kept, "b")
    with pytest.raises(InputError, match="make room"):
        kept.put("a", "result", FILES)
    assert contents(small_disk) == before
    assert [row.run for row in kept.runs(None)] == ["a"]  # reading needs no room
    filler.unlink()
    begin(kept, "b")
    kept.put("b", "result", FILES)
    kept.update("a", state="done")
    assert {row.run: row.state for row in kept.runs(None)} == {"a": "done", "b": "queued"}


def limited(folder: Path, told: Any) -> None:
    kept = RunStore(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        kept.put("a", "result", {"weights": bytes(200_000)})
    except InputError as error:
        told.put(f"{error}")


def test_a_file_that_may_not_grow(kept: RunStore, tmp_path: Path) -> None:
    begin(kept, "a")
    kept.put("a", "result", FILES)
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    process = context.Process(target=limited, args=(tmp_path, told))
    process.start()
    assert "File too large" in told.get(timeout=60)
    process.join()
    assert contents(tmp_path) == ["a/about.json", "a/claim-000001", "a/result.zip"]
    assert kept.files("a", "result") == FILES


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"Runs cannot be kept in .*: name another folder"):
        RunStore(tmp_path / "file" / "runs")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    code = (
        "import os, sys; from pathlib import Path; from kdlab.runs.store import RunStore;"
        "RunStore(Path(sys.argv[1]));"
        "os.geteuid() or os.setuid(65534); RunStore(Path(sys.argv[2]))"  # root may write anywhere
    )
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    folders = [f"{tmp_path / 'open'}", f"{closed}"]
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True)
    assert "StoreError: Runs cannot be kept in" in done.stderr, done.stderr
    assert "Permission denied" in done.stderr
    assert list(closed.iterdir()) == []


# --- damage -----------------------------------------------------------------------------------------------------------


def test_a_truncated_checkpoint(kept: RunStore, tmp_path: Path) -> None:
    for run in "ab":
        begin(kept, run)
        kept.put(run, "checkpoint", FILES)
    path = tmp_path / "files" / "a" / "checkpoint.zip"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="The checkpoint of this run is damaged"):
            kept.files("a", "checkpoint")
    assert kept.files("b", "checkpoint") == FILES
    kept.put("a", "checkpoint", FILES)
    assert kept.files("a", "checkpoint") == FILES


def test_any_byte_of_a_part_that_is_altered(kept: RunStore, tmp_path: Path) -> None:
    begin(kept, "a")
    kept.put("a", "result", FILES)
    path = tmp_path / "files" / "a" / "result.zip"
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            assert kept.files("a", "result") == FILES  # a date, for example
        except InputError:
            refused += 1
    assert refused > 1000


DAMAGE = ["", "{", "[]", '{"run": "a"}', "null", "[" * 100_000, "\udcff"]


@pytest.mark.parametrize("content", DAMAGE, ids=range(len(DAMAGE)))
def test_a_run_whose_about_file_is_damaged_is_left_out(kept: RunStore, tmp_path: Path, content: str) -> None:
    for run in "ab":
        begin(kept, run)
    assert len(kept.runs(None)) == 2
    (tmp_path / "files" / "a" / "about.json").write_bytes(content.encode(errors="surrogateescape"))
    for store_ in (kept, RunStore(tmp_path)):
        assert [info.run for info in store_.runs(None)] == ["b"]
        assert store_.info("a") is None
    kept.delete_old(0)
    assert (tmp_path / "files" / "a" / "about.json").exists()  # somebody may mend it


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created", "now"),
        ("created", 1e300),
        ("created", float("nan")),
        ("seconds", -1),
        ("state", "gone"),
        ("state", 3),
        ("run", "b"),
        ("about", []),
        ("ended", "x"),
        ("label", None),
    ],
)
def test_a_field_of_another_type_leaves_a_run_out(kept: RunStore, tmp_path: Path, field: str, value: object) -> None:
    for run in "ab":
        begin(kept, run)
    path = tmp_path / "files" / "a" / "about.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert [info.run for info in kept.runs(None)] == ["b"]


def test_runs_of_an_earlier_kdlab_are_listed(kept: RunStore, tmp_path: Path) -> None:
    """They have no claim, and "seen" in the file about them."""
    begin(kept, "a", epochs=3)
    kept.update("a", state="done")
    folder = tmp_path / "files" / "a"
    about = json.loads((folder / "about.json").read_text())
    del about["claim"]
    (folder / "about.json").write_text(json.dumps(about))
    (folder / "claim-000001").unlink()
    again = RunStore(tmp_path)
    info = again.info("a")
    assert (info.state, info.config) == ("done", {"epochs": 3})
    again.claim("a")
    assert again.info("a").state == "queued"


# --- several at once --------------------------------------------------------------------------------------------------


def test_one_of_many_stores_gets_an_ended_run(tmp_path: Path) -> None:
    first = RunStore(tmp_path)
    begin(first, "a")
    with pytest.raises(InputError, match="Another kdlab"):
        RunStore(tmp_path).claim("a")
    first.update("a", state="stopped")
    stores = [RunStore(tmp_path) for _ in range(8)]
    claimed: list[RunStore] = []
    begins = threading.Barrier(len(stores))

    def claim(taker: RunStore) -> None:
        begins.wait()
        with contextlib.suppress(InputError):
            taker.claim("a")
            claimed.append(taker)

    threads = [threading.Thread(target=claim, args=(taker,)) for taker in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (owner,) = claimed
    assert not first.heartbeat("a")
    assert not first.update("a", state="done")
    assert [other.update("a", state="done") for other in stores if other is not owner] == [False] * 7
    assert owner.info("a").state == "queued"
    assert owner.update("a", state="running")
    assert first.info("a").state == "running"


def test_a_store_that_slept_cannot_take_a_run_that_others_had_meanwhile(tmp_path: Path) -> None:
    sleeper, other = RunStore(tmp_path), RunStore(tmp_path)
    begin(sleeper, "a")
    sleeper.update("a", state="stopped")
    last, _ = sleeper._files.last_claim("a")  # what a claim reads first
    for _ in range(2):
        other.claim("a")
        other.update("a", state="stopped")
    with pytest.raises(FileExistsError):
        sleeper._files.claim("a", last + 1)
    assert other.heartbeat("a")


def test_a_run_of_a_dead_store_can_be_taken(tmp_path: Path) -> None:
    dead, other = RunStore(tmp_path), RunStore(tmp_path)
    begin(dead, "a")
    dead.update("a", state="running")
    os.utime(tmp_path / "files" / "a" / "claim-000001", (time.time() - store.HEARTBEAT_TIMEOUT - 1,) * 2)
    assert other.info("a").state == "interrupted"
    other.claim("a")
    assert other.info("a").state == "queued"
    assert not dead.update("a", state="done")  # it was only asleep
    assert other.info("a").state == "queued"


def create_and_exit(folder: Path) -> None:
    kept = RunStore(folder)
    begin(kept, "a")
    kept.update("a", state="running")


def test_a_run_of_a_process_that_has_ended_here_can_be_taken_at_once(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=create_and_exit, args=(tmp_path,))
    process.start()
    process.join()
    other = RunStore(tmp_path)
    assert other.info("a").state == "interrupted"
    other.claim("a")
    assert other.info("a").state == "queued"


def write_many(folder: Path, writer: int) -> None:
    kept = RunStore(folder)
    for number in range(TIMES):
        run = f"{writer}-{number}"
        begin(kept, run, visitor=f"{writer}")
        kept.put(run, "result", {"own": run.encode() * 1000})
        kept.update(run, state="done", summary={"number": number})
        kept.put("shared", "checkpoint", {"one": bytes([writer]) * 10_000, "two": bytes([writer]) * 10_000})


def test_processes_that_write_at_once(tmp_path: Path) -> None:
    """Four processes write, and this one reads, all the time."""
    kept = RunStore(tmp_path)
    begin(kept, "shared")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(tmp_path, writer)) for writer in range(4)]
    for writer in writers:
        writer.start()
    number = 0
    while any(writer.is_alive() for writer in writers):
        if files := kept.files("shared", "checkpoint"):
            assert files["one"] == files["two"]  # never a mixture
            assert len(set(files["one"])) == 1
        assert all(info.label == f"digits {info.run}" for info in kept.runs(None))
        number += 1
        assert kept.update("shared", state="running", summary={"number": number})
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(kept.runs(None)) == 4 * TIMES + 1
    for writer in range(4):
        own = kept.runs(f"{writer}")
        assert [info.run for info in own] == [f"{writer}-{number}" for number in reversed(range(TIMES))]
        for info in own:
            assert (info.state, kept.files(info.run, "result")) == ("done", {"own": info.run.encode() * 1000})
    assert kept.info("shared").summary == {"number": number}
    assert [name for name in contents(tmp_path) if "/." in name or name.startswith(".")] == []


def test_threads_that_write_at_once(kept: RunStore) -> None:
    failures = []

    def write(thread: int) -> None:
        try:
            for number in range(15):
                begin(kept, f"{thread}-{number}")
                kept.update(f"{thread}-{number}", state="done")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {row.state for row in kept.runs(None)} == {"done"}
    assert len(kept.runs(None)) == 90


def put_for_ever(folder: Path) -> None:
    kept = RunStore(folder)
    number = 0
    while True:
        number += 1
        kept.put("a", "checkpoint", {"one": bytes([number % 256]) * 300_000, "two": bytes([number % 256]) * 300_000})


def test_a_process_killed_while_it_writes(kept: RunStore, tmp_path: Path) -> None:
    begin(kept, "a")
    context = multiprocessing.get_context("spawn")
    for attempt in range(4):
        process = context.Process(target=put_for_ever, args=(tmp_path,))
        before = kept.files("a", "checkpoint")
        process.start()
        while kept.files("a", "checkpoint") == before:
            assert process.is_alive()
        until = time.monotonic() + 0.013 * attempt  # at another place each time
        while time.monotonic() < until:
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        files = kept.files("a", "checkpoint")
        assert files["one"] == files["two"]
        assert len(files["one"]) == 300_000
        assert kept.info("a").state == "queued"
    kept.put("a", "checkpoint", FILES)
    assert kept.files("a", "checkpoint") == FILES
    again = RunStore(tmp_path)
    assert [row.run for row in again.runs(None)] == ["a"]


# --- tidying ----------------------------------------------------------------------------------------------------------


def test_old_runs_and_left_overs_are_tidied_away(
    kept: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for run, age, state in (("old", 9, "done"), ("new", 2, "done"), ("lost", 9, "running"), ("long", 9, "paused")):
        monkeypatch.setattr(store.time, "time", lambda age=age: now - age * 86400)
        begin(kept, run)
        kept.update(run, state=state)
        kept.put(run, "result", FILES)
    monkeypatch.undo()
    kept.heartbeat("long")  # begun long ago, but its page still holds it
    files = tmp_path / "files"
    for place, hours in ((files / "new" / ".result.zip.1", 2), (files / "new" / ".result.zip.2", 0.5)):
        place.write_bytes(b"half")
        os.utime(place, (now - hours * 3600,) * 2)
    (files / ".gone.x.1").mkdir()
    (files / ".gone.x.1" / "result.zip").write_bytes(b"left")
    os.utime(files / ".gone.x.1" / "result.zip", (now - 2 * run_files.STALE_AFTER,) * 2)
    assert kept.delete_old(0) == 0
    assert {row.run for row in kept.runs(None)} == {"old", "new", "lost", "long"}
    assert [name for name in contents(tmp_path) if "/." in name or name.startswith(".")] == ["new/.result.zip.2"]
    assert kept.delete_old(7) == 2
    assert {row.run for row in kept.runs(None)} == {"new", "long"}
    assert not (files / "old").exists()
    assert kept.files("new", "result") == FILES
