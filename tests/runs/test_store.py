"""Runs are kept whatever befalls the disk, the database and the processes that write."""

import contextlib
import importlib.util
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from kdlab.registry import InputError
from kdlab.runs import run_files, store
from kdlab.runs.run_info import RunInfo
from kdlab.runs.store import RunStore

TIMES = 12  # that each of several processes writes
FILES = {"history.npz": b"\x00\x01" * 500, "spec.json": b"{}"}


def begin(kept: RunStore, run: str, visitor: str = "me", **about: Any) -> None:
    kept.begin(run, visitor=visitor, kind="distil", label=f"digits {run}", page="distil", about=about)


def contents(folder: Path) -> list[str]:
    """Names of all files of runs, also of those that are not to be seen."""
    return sorted(f"{path.relative_to(folder / 'files')}" for path in (folder / "files").rglob("*") if path.is_file())


def opened(folder: Path) -> contextlib.closing[RunStore]:
    return contextlib.closing(RunStore(folder))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[RunStore]:
    with opened(tmp_path) as made:
        yield made


def test_a_run_from_its_beginning_to_its_end(kept: RunStore) -> None:
    begin(kept, "a", spec={"epochs": 3, "temperature": 4.5})
    row = kept.one("a")
    assert isinstance(row, RunInfo)
    assert (row.state, row.about, row.ended, row.resumable) == (
        "queued",
        {"spec": {"epochs": 3, "temperature": 4.5}},
        None,
        False,
    )
    assert abs(row.created - time.time()) < 60
    kept.note("a", state="running")
    kept.put("a", "checkpoint", FILES)
    kept.note("a", summary={"student": 12, "rate": float("nan")}, seconds=2.5)
    row = kept.one("a")
    assert (row.state, row.summary, row.seconds, row.resumable) == ("running", {"student": 12, "rate": None}, 2.5, True)
    kept.put("a", "result", {"result.json": b"1"})
    kept.note("a", state="failed", message="Diverged.")
    row = kept.one("a")
    assert (row.state, row.message, row.ended >= row.created) == ("failed", "Diverged.", True)
    assert kept.files("a", "checkpoint") == FILES
    assert kept.files("a", "result") == {"result.json": b"1"}
    assert kept.size() > 1000
    kept.put("a", "checkpoint", {})
    assert (kept.files("a", "checkpoint"), kept.one("a").resumable) == (None, False)
    kept.note("a", state="queued")  # gone on with
    assert kept.one("a").ended is None


def test_the_newest_first_and_only_ones_own(kept: RunStore) -> None:
    for number in range(5):
        begin(kept, f"run-{number}", visitor="me" if number % 2 else "you")
    assert [row.run for row in kept.rows("me")] == ["run-3", "run-1"]
    assert [row.run for row in kept.rows(None, limit=3)] == ["run-4", "run-3", "run-2"]
    assert kept.rows("nobody") == []


def test_what_is_not_there(kept: RunStore) -> None:
    assert kept.one("none") is None
    assert kept.files("none", "result") is None
    kept.delete("none")
    kept.note("none", state="done")
    assert kept.rows(None) == []
    with pytest.raises(InputError, match="not kept any more"):
        kept.put("none", "result", FILES)
    begin(kept, "a")
    with pytest.raises(InputError, match="already"):
        begin(kept, "a")
    assert kept.one("a") is not None


def test_a_deleted_run_is_gone_and_stays_so(kept: RunStore, tmp_path: Path) -> None:
    begin(kept, "a")
    kept.put("a", "result", FILES)
    kept.delete("a")
    kept.note("a", state="done", summary={"student": 1})  # whoever trains it may not have heard of it
    with pytest.raises(InputError, match="not kept any more"):
        kept.put("a", "result", FILES)
    assert contents(tmp_path) == []
    with opened(tmp_path) as again:
        assert again.rows(None) == []


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
    kept.note(bad, state="done")
    assert kept.one(bad) is None
    assert contents(tmp_path) == before
    assert [row.run for row in kept.rows(None)] == ["a"]


def test_texts_that_a_database_cannot_hold(kept: RunStore) -> None:
    kept.begin("a", visitor="v\0", kind="k", label="folder:\udcff", page="p", about={"name": "\udcff\0"})
    kept.note("a", message="\0\ud800", summary={"x": float("inf")})
    row = kept.one("a")
    assert (row.visitor, row.label, row.message, row.summary) == ("v?", "folder:?", "??", {"x": None})


def test_a_run_whose_process_is_gone_reads_as_interrupted(kept: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(kept, "a")
    kept.note("a", state="running")
    begin(kept, "b")
    kept.note("b", state="done")
    now = time.time()
    monkeypatch.setattr(store.time, "time", lambda: now + store.HEARTBEAT_TIMEOUT + 1)
    row = kept.one("a")
    assert (row.state, row.message, row.ended < now + 1) == ("interrupted", store.ORPHANED, True)
    assert kept.one("b").state == "done"
    kept.note("a")  # a sign of life
    assert (kept.one("a").state, kept.one("a").message) == ("running", "")


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
    assert [row.run for row in kept.rows(None)] == ["a"]  # reading needs no room
    filler.unlink()
    begin(kept, "b")
    kept.put("b", "result", FILES)
    kept.note("a", state="done")
    assert {row.run: row.state for row in kept.rows(None)} == {"a": "done", "b": "queued"}
    kept.close()


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
    assert contents(tmp_path) == ["a/about.json", "a/result.zip"]
    assert kept.files("a", "result") == FILES


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"Runs cannot be kept in .*: name another folder"):
        RunStore(tmp_path / "file" / "runs")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    code = (
        "import os, sys; from pathlib import Path; from kdlab.runs.store import Store;"
        "RunStore(Path(sys.argv[1])).close();"
        "os.geteuid() or os.setuid(65534); RunStore(Path(sys.argv[2]))"  # root may write anywhere
    )
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    folders = [f"{tmp_path / 'open'}", f"{closed}"]
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True)
    assert "InputError: Runs cannot be kept in" in done.stderr, done.stderr
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


def garbage(file: Path) -> None:
    file.write_bytes(b"this is no database " * 1000)


def hole(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    file.write_bytes(content)


def half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def nothing(file: Path) -> None:
    file.write_bytes(b"")


def away(file: Path) -> None:
    file.unlink(missing_ok=True)


@pytest.mark.parametrize("in_use", [False, True], ids=["opened anew", "while it is open"])
@pytest.mark.parametrize("harm", [garbage, hole, half, nothing, away])
def test_a_damaged_database(tmp_path: Path, harm: Any, in_use: bool) -> None:
    kept = RunStore(tmp_path)
    for number in range(20):
        begin(kept, f"run-{number}", spec={"epochs": number})
        kept.put(f"run-{number}", "result", FILES)
        kept.note(f"run-{number}", state="done", summary={"student": number}, seconds=1.5)
    before = kept.rows("me")
    if in_use:
        harm(tmp_path / "runs.db")
    if not in_use or harm in (
        nothing,
        away,
    ):  # an empty database is a sound one: what was lost is seen at the next start
        kept.close()
        harm(tmp_path / "runs.db")
        kept = RunStore(tmp_path)
    assert kept.rows("me") == before
    assert kept.files("run-7", "result") == FILES
    begin(kept, "another")
    assert kept.rows("me")[0].run == "another"
    if harm in (garbage, hole, half) and not in_use:  # while it is open, what is beside the file may still tell all
        assert "was damaged" in kept.trouble
        assert "20 were read back" in kept.trouble
        (aside,) = tmp_path.glob("damaged-*-runs.db")
        assert aside.name in kept.trouble
    kept.close()


def test_a_row_that_was_altered(kept: RunStore, tmp_path: Path) -> None:
    begin(kept, "a", spec="telling")
    kept.close()
    file = tmp_path / "runs.db"
    file.write_bytes(file.read_bytes().replace(b'"telling"', b'"telling}'))  # no page is damaged, but it is no JSON
    assert kept.one("a").about == {"spec": "telling"}
    assert "was damaged" in kept.trouble


def test_an_end_that_only_the_files_know(tmp_path: Path) -> None:
    kept = RunStore(tmp_path)
    begin(kept, "a")
    kept.note("a", state="running")
    kept.close()
    older = (tmp_path / "runs.db").read_bytes()
    kept.note("a", state="done", summary={"student": 3})
    (tmp_path / "runs.db").write_bytes(older)  # as if the machine had lost its power
    kept.close()
    with opened(tmp_path) as again:
        assert (again.one("a").state, again.one("a").summary) == ("done", {"student": 3})


def test_a_run_whose_about_file_is_damaged_is_left_out(tmp_path: Path) -> None:
    kept = RunStore(tmp_path)
    for run in "abcd":
        begin(kept, run)
    kept.close()
    (tmp_path / "files" / "a" / "about.json").write_text("{")
    (tmp_path / "files" / "b" / "about.json").write_text('{"run": "b"}')
    (tmp_path / "files" / "c" / "about.json").write_text("[]")
    (tmp_path / "runs.db").unlink()
    with opened(tmp_path) as again:
        assert [row.run for row in again.rows(None)] == ["d"]


def test_a_run_deleted_while_it_is_read_back_stays_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as kept:
        begin(kept, "a")
        begin(kept, "b")
    (tmp_path / "runs.db").unlink()
    read, seen = run_files.RunFiles.about, []

    def about(self: run_files.RunFiles, run: str) -> dict[str, Any] | None:
        found = read(self, run)
        if run == "a" and not seen:
            seen.append(run)
            self.remove(run)  # as another process may, just after this one has looked
        return found

    monkeypatch.setattr(run_files.RunFiles, "about", about)
    with opened(tmp_path) as kept:
        assert [row.run for row in kept.rows(None)] == ["b"]


# --- several at once --------------------------------------------------------------------------------------------------


def write_many(folder: Path, writer: int, address: str | None) -> None:
    kept = RunStore(folder, address)
    for number in range(TIMES):
        run = f"{writer}-{number}"
        begin(kept, run, visitor=f"{writer}")
        kept.put(run, "result", {"own": run.encode() * 1000})
        kept.note(run, state="done", summary={"number": number})
        kept.put("shared", "checkpoint", {"one": bytes([writer]) * 10_000, "two": bytes([writer]) * 10_000})
        kept.note("shared", state="running", summary={"writer": writer, "number": number})
    kept.close()


def at_once(folder: Path, address: str | None = None) -> None:
    """Four processes write, and this one reads, all the time."""
    kept = RunStore(folder, address)
    begin(kept, "shared")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(folder, writer, address)) for writer in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if files := kept.files("shared", "checkpoint"):
            assert files["one"] == files["two"]  # never a mixture
            assert len(set(files["one"])) == 1
        assert all(row.label == f"digits {row.run}" for row in kept.rows(None))
        kept.note("shared")
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(kept.rows(None)) == 4 * TIMES + 1
    for writer in range(4):
        assert [row.run for row in kept.rows(f"{writer}")] == [
            f"{writer}-{number}" for number in reversed(range(TIMES))
        ]
        for row in kept.rows(f"{writer}"):
            assert (row.state, kept.files(row.run, "result")) == ("done", {"own": row.run.encode() * 1000})
    assert kept.one("shared").summary["number"] == TIMES - 1
    assert [name for name in contents(folder) if "/." in name or name.startswith(".")] == []
    kept.close()


def test_processes_that_write_at_once(tmp_path: Path) -> None:
    at_once(tmp_path)


def test_threads_that_write_at_once(kept: RunStore) -> None:
    failures = []

    def write(thread: int) -> None:
        try:
            for number in range(15):
                begin(kept, f"{thread}-{number}")
                kept.note(f"{thread}-{number}", state="done")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {row.state for row in kept.rows(None)} == {"done"}
    assert len(kept.rows(None)) == 90


def test_stores_that_open_a_damaged_database_at_once(tmp_path: Path) -> None:
    first = RunStore(tmp_path)
    for number in range(10):
        begin(first, f"{number}")
    first.close()
    garbage(tmp_path / "runs.db")
    found: list[int] = []

    def look() -> None:
        with opened(tmp_path) as again:
            found.append(len(again.rows(None)))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [10] * 6
    assert len(list(tmp_path.glob("damaged-*-runs.db"))) == 1


def put_for_ever(folder: Path) -> None:
    kept = RunStore(folder)
    number = 0
    while True:
        number += 1
        kept.put("a", "checkpoint", {"one": bytes([number % 256]) * 300_000, "two": bytes([number % 256]) * 300_000})
        kept.note("a", state="running", summary={"number": number})


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
        assert kept.one("a").state in ("queued", "running")
    kept.put("a", "checkpoint", FILES)
    assert kept.files("a", "checkpoint") == FILES
    with opened(tmp_path) as again:
        assert [row.run for row in again.rows(None)] == ["a"]


# --- tidying ----------------------------------------------------------------------------------------------------------


def test_old_runs_and_left_overs_are_tidied_away(
    kept: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for run, age, state in (("old", 9, "done"), ("new", 2, "done"), ("lost", 9, "running"), ("long", 9, "paused")):
        monkeypatch.setattr(store.time, "time", lambda age=age: now - age * 86400)
        begin(kept, run)
        kept.note(run, state=state)
        kept.put(run, "result", FILES)
    monkeypatch.undo()
    kept.note("long")  # begun long ago, but its page still holds it
    files = tmp_path / "files"
    for place, hours in ((files / "new" / ".result.zip.1", 2), (files / "new" / ".result.zip.2", 0.5)):
        place.write_bytes(b"half")
        os.utime(place, (now - hours * 3600,) * 2)
    (files / ".gone.x.1").mkdir()
    (files / ".gone.x.1" / "result.zip").write_bytes(b"left")
    os.utime(files / ".gone.x.1" / "result.zip", (now - 2 * run_files.STALE_AFTER,) * 2)
    assert kept.tidy(0) == 0
    assert {row.run for row in kept.rows(None)} == {"old", "new", "lost", "long"}
    assert [name for name in contents(tmp_path) if "/." in name or name.startswith(".")] == ["new/.result.zip.2"]
    assert kept.tidy(7) == 2
    assert {row.run for row in kept.rows(None)} == {"new", "long"}
    assert not (files / "old").exists()
    assert kept.files("new", "result") == FILES


# --- a shared database ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The address of a server of its own, where PostgreSQL and psycopg are installed."""
    debians = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # which are in nobody's PATH
    path = os.pathsep.join([os.environ["PATH"], *map(str, debians)])
    initdb, pg_ctl = (shutil.which(program, path=path) for program in ("initdb", "pg_ctl"))
    if not initdb or not pg_ctl or not importlib.util.find_spec("psycopg"):
        missing = "no PostgreSQL: install Debian's postgresql and kdlab[test]"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="kdlab-postgresql-") as folder:  # where its user may go, unlike tmp_path
        place = Path(folder)
        user: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            user = {"user": "postgres"}
            shutil.chown(place, "postgres")
        run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": place, **user}
        data = f"{place / 'data'}"
        subprocess.run([initdb, "-D", data, "-U", "kdlab", "--auth=trust", "-E", "UTF8", "--locale=C"], **run)
        options = f"-c listen_addresses='' -c unix_socket_directories={place} -c fsync=off"
        subprocess.run([pg_ctl, "-D", data, "-w", "-o", options, "-l", f"{place / 'log'}", "start"], **run)
        yield f"postgresql+psycopg://kdlab@/postgres?host={place}"
        subprocess.run([pg_ctl, "-D", data, "-w", "-m", "immediate", "stop"], **run)


def test_a_shared_database(tmp_path: Path, postgresql: str) -> None:
    kept = RunStore(tmp_path / "one", postgresql)
    other = RunStore(tmp_path / "one", postgresql)
    begin(kept, "a", spec={"epochs": 3})
    other.note("a", state="done", summary={"student": 3, "rate": float("nan")}, message="\0", seconds=2)
    kept.put("a", "result", FILES)
    row = kept.one("a")
    assert (row.state, row.about, row.summary) == ("done", {"spec": {"epochs": 3}}, {"student": 3, "rate": None})
    assert other.files("a", "result") == FILES
    kept.begin("b", visitor="v\0", kind="k", label="folder:\udcff", page="p", about={"name": "\udcff\0"})
    with pytest.raises(InputError, match="already"):
        begin(kept, "a")
    with pytest.raises(InputError, match="cannot be read or written"):
        begin(kept, "c", visitor="v" * 500)
    assert not (tmp_path / "one" / "files" / "c").exists()
    assert not (tmp_path / "one" / "runs.db").exists()
    kept._ledger.do(lambda connection: connection.execute(sqlalchemy.delete(store.RUNS)))
    again = RunStore(tmp_path / "one", postgresql)
    assert again.one("a") == replace(row, resumable=False)
    for run in "ab":
        again.delete(run)
    for one in (kept, other, again):
        one.close()


def test_a_shared_database_with_many_writers(tmp_path: Path, postgresql: str) -> None:
    at_once(tmp_path, postgresql)


@pytest.mark.parametrize("address", ["nonsense", "nosuch://host/name", "sqlite+nosuch://", ""])
def test_an_address_that_is_none(tmp_path: Path, address: str) -> None:
    if not address:
        RunStore(tmp_path, address).close()  # as if there were none
        assert (tmp_path / "runs.db").is_file()
        return
    with pytest.raises(InputError, match="The address of the runs' database cannot be used"):
        RunStore(tmp_path, address)


def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(InputError) as refused:
        RunStore(tmp_path, "postgresql+psycopg://kdlab:secret@127.0.0.1:1/runs")
    assert "Runs cannot be kept" in f"{refused.value}"
    assert "secret" not in f"{refused.value}"
