"""The desk with real worker processes: turns, watching, finding again, going on, and what it keeps."""

import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_events import Tally, Unit

from kdlab.registry import InputError
from kdlab.runs.active_run import redact
from kdlab.runs.connection import ServerConnection
from kdlab.runs.executors.local import LocalExecutor
from kdlab.runs.keeper import Keeper
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import RunMessage, RunRequest, RunSnapshot, RunWarning
from kdlab.runs.server import RunServer
from kdlab.runs.server_process import serve
from kdlab.runs.store import RunStore
from kdlab.runs.worker import ENDS, Happened, Status

Desks = Callable[..., RunServer | ServerConnection]


def job(target: str, *arguments: Any, **asks: Any) -> RunRequest:
    return RunRequest("tally", f"fake_events:{target}", arguments, "fake_events:Tally", Unit, "A tally", "distil", asks)


class Ear:
    """Hears of one run."""

    def __init__(self) -> None:
        self.said: list[RunMessage] = []
        self._news: queue.SimpleQueue[RunMessage] = queue.SimpleQueue()

    def __call__(self, message: RunMessage) -> None:
        self._news.put(message)

    def until(self, wanted: Callable[[RunMessage], Any]) -> RunMessage:
        while True:
            self.said.append(message := self._news.get(timeout=60))
            if wanted(message):
                return message

    def state(self, *states: str) -> Status:
        found = self.until(lambda message: isinstance(message, Status) and message.state in states)
        assert isinstance(found, Status)
        return found

    def values(self) -> list[Any]:
        return [message.event.value for message in self.said if isinstance(message, Happened)]


def register_tally(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs of the kind "tally" have their record, as an installed package would."""
    metadata = folder / "site" / "tally-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tally\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[kdlab.records]\ntally = fake_events:Tally\n")
    monkeypatch.syspath_prepend(metadata.parent)


@pytest.fixture(params=["here", "elsewhere"])
def desks(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desks]:
    """Return a function that makes a desk, in this process or behind a socket."""
    register_tally(tmp_path, monkeypatch)  # for runs that ended before anybody looked
    made: list[RunServer] = []
    ends: list[threading.Event] = []
    guests: list[ServerConnection] = []

    def make(limits: Limits | None = None, shared: bool = False) -> RunServer | ServerConnection:
        made.append(RunServer(LocalExecutor(), RunStore(tmp_path), limits, shared))
        if request.param == "here":
            return made[-1]
        address: queue.SimpleQueue[str] = queue.SimpleQueue()
        ends.append(threading.Event())
        threading.Thread(target=serve, args=(made[-1], "", address.put, ends[-1]), daemon=True).start()
        guests.append(ServerConnection(address.get(timeout=30)))
        return guests[-1]

    yield make
    for guest in guests:
        guest.close()
    for end in ends:
        end.set()
    for desk in made:
        desk.close()


def watched(desk: RunServer | ServerConnection, run: str, visitor: str = "") -> tuple[Ear, RunSnapshot]:
    ear = Ear()
    desk.watch(run, ear, visitor)
    found = ear.until(lambda message: isinstance(message, RunSnapshot))
    assert isinstance(found, RunSnapshot)
    return ear, found


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_run_is_heard_recorded_and_kept(desks: Desks) -> None:
    desk = desks()
    run = desk.submit(job("count", 5))
    ear, begun = watched(desk, run)
    assert (begun.run, begun.kind, begun.mine) == (run, "tally", True)
    assert ear.state(*ENDS).state == "done"
    assert begun.record.values + ear.values() == [("", number) for number in range(5)]
    (row,) = desk.rows()
    assert (row.run, row.state, row.summary, row.resumable) == (run, "done", {"units": 5}, False)
    again, found = watched(desk, run)
    assert [value[1] for value in found.record.values] == list(range(5))
    assert again.state("done")


def test_who_comes_later_hears_all_of_it(desks: Desks) -> None:
    desk = desks()
    run = desk.submit(job("endless"), paused=True)
    first, _ = watched(desk, run)
    first.state("paused")
    for _ in range(3):
        desk.tell(run, "step")
    first.until(lambda _: len(first.values()) == 3)
    second, found = watched(desk, run)
    assert len(found.record.values) == 3
    desk.tell(run, "step")
    for ear in (first, second):
        ear.until(lambda message: isinstance(message, Happened) and message.event.value == ("", 3))
    desk.tell(run, "stop")
    assert first.state(*ENDS).state == second.state(*ENDS).state == "stopped"


def test_what_is_turned_reaches_the_run(desks: Desks) -> None:
    desk = desks()
    run = desk.submit(job("echo"), paused=True)
    ear, _ = watched(desk, run)
    ear.state("paused")
    desk.tell(run, "step")
    ear.until(lambda message: isinstance(message, Happened))
    desk.tell(run, "turn", {"temperature": 2.0})
    desk.tell(run, "step")
    ear.until(lambda message: isinstance(message, Happened) and message.event.value == {"temperature": 2.0})


def test_each_visitor_has_one_run_and_all_have_turns(desks: Desks) -> None:
    desk = desks(shared=True)
    first = desk.submit(job("endless"), "ann", True)
    second = desk.submit(job("endless"), "ann", True)
    third = desk.submit(job("endless"), "bob", True)
    fourth = desk.submit(job("endless"), "cid", True)
    ears = {run: watched(desk, run, "dee")[0] for run in (first, second, third, fourth)}
    for run in (first, third):
        ears[run].state("paused")
    # Ann asked for her second before Cid for his first, and waits behind him.
    assert "next" in ears[fourth].state("queued").message
    assert "one run" in ears[second].until(lambda said: isinstance(said, Status) and "one run" in said.message).message
    desk.tell(first, "stop", visitor="ann")
    ears[fourth].state("paused")
    desk.tell(second, "stop", visitor="ann")
    assert ears[second].state(*ENDS).state == "stopped"
    for run, visitor in ((third, "bob"), (fourth, "cid")):
        desk.tell(run, "stop", visitor=visitor)
        ears[run].state("stopped")


def test_others_runs_can_be_seen_and_nothing_else(desks: Desks) -> None:
    desk = desks(shared=True)
    run = desk.submit(job("endless"), "ann")
    ear, found = watched(desk, run, "bob")
    assert not found.mine
    ear.state("running")
    desk.tell(run, "stop", visitor="bob")
    desk.tell(run, "pause", visitor="ann")
    assert ear.state("paused", *ENDS).state == "paused"
    assert desk.rows("bob") == []
    desk.tell(run, "stop", visitor="ann")
    ear.state("stopped")
    for refused in (lambda: desk.delete(run, "bob"), lambda: desk.submit(job("endless"), "bob", run=run)):
        with pytest.raises(InputError, match="not among yours"):
            refused()
    desk.delete(run, "ann")
    with pytest.raises(InputError, match="not here any more"):
        desk.watch("nothing", ear)


def test_a_dead_worker_is_told_and_the_run_goes_on_from_its_checkpoint(desks: Desks) -> None:
    desk = desks()
    run = desk.submit(job("endless"))
    ear, _ = watched(desk, run)
    pid = ear.until(lambda message: isinstance(message, Happened)).event.value
    os.kill(pid, signal.SIGKILL)
    end = ear.state(*ENDS)
    assert (end.state, end.kind) == ("failed", "WorkerDied")
    run = desk.submit(job("saving", 200_000))
    ear, _ = watched(desk, run)
    ear.until(lambda message: isinstance(message, Happened) and message.event.value > 3)
    desk.tell(run, "stop")
    ear.state("stopped")
    (row, _) = desk.rows()
    assert row.resumable
    reached = ear.values()[-1]
    assert desk.submit(job("saving", reached + 2), run=run) == run
    before = len(ear.values())
    assert desk.rows()[0].summary["units"] >= 3  # what it had stays on the list
    assert ear.state(*ENDS).state == "done"
    assert ear.values()[before] > 3
    assert ear.values()[-1] == reached + 2
    kept = watched(desk, run)[1].record.values
    assert kept == ["finished"] or kept[-2:] == ear.values()[-2:]
    assert not desk.rows()[0].resumable


def test_limits_are_said(desks: Desks) -> None:
    desk = desks(Limits(epochs=5, queue_each=1, seconds=1, runs_at_once=1), shared=True)
    with pytest.raises(InputError, match="5 epochs"):
        desk.submit(job("count", 1, epochs=6), "ann")
    run = desk.submit(job("endless"), "ann")
    desk.submit(job("count", 1), "ann")
    with pytest.raises(InputError, match="1 of your runs wait"):
        desk.submit(job("count", 1), "ann")
    ear, _ = watched(desk, run, "ann")
    end = ear.state(*ENDS)
    assert (end.state, end.kind) == ("stopped", "Limit")
    assert "1 seconds" in end.message


def test_what_cannot_be_kept_stays_on_the_page_and_is_kept_when_there_is_room(
    desks: Desks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdlab.runs.caretaker.HEARTBEAT_INTERVAL", 0.1)
    desk = desks()
    run = desk.submit(job("endless"), paused=True)
    ear, _ = watched(desk, run)
    ear.state("paused")
    desk.tell(run, "step")
    ear.until(lambda message: isinstance(message, Happened))
    # The system refuses to write a byte more to any file of this process, as a full disk does.
    before, trap = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        desk.tell(run, "stop")
        notice = ear.until(lambda message: isinstance(message, RunWarning))
        assert "stay on this page" in notice.text
        assert ear.state(*ENDS).state == "stopped"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, trap)
    wait_for(tmp_path / "files" / run / "result.zip")
    assert desk.files(run, "result")


def test_what_outgrows_the_room_is_not_kept_until_there_is_some(
    desks: Desks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdlab.runs.caretaker.HEARTBEAT_INTERVAL", 0.1)
    desk = desks(Limits(disk_bytes=15_000))

    def full(target: str, *arguments: Any) -> tuple[str, Ear]:
        run = desk.submit(job(target, *arguments), paused=True)
        ear, _ = watched(desk, run)
        desk.tell(run, "resume")
        notice = ear.until(lambda message: isinstance(message, RunWarning))
        assert isinstance(notice, RunWarning)
        assert notice.text.startswith("This site has no room to keep more of this run: delete some of yours. The run's")
        return run, ear

    first = desk.submit(job("count", 10, "x" * 1000))
    watched(desk, first)[0].state("done")
    assert desk.files(first, "result")
    second, ear = full("count", 10, "y" * 1000)
    assert ear.state(*ENDS).state == "done"
    assert desk.files(second, "result") is None
    assert len(watched(desk, second)[1].record.values) == 10
    with pytest.raises(InputError, match="no room to keep another run"):  # what waits to be kept is to have room, too
        desk.submit(job("count", 1))
    desk.delete(first)
    wait_for(tmp_path / "files" / second / "result.zip")
    assert desk.files(second, "result")
    watched(desk, desk.submit(job("count", 1)))[0].state("done")


def test_a_run_whose_checkpoints_have_no_room_goes_on(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdlab.runs.caretaker.HEARTBEAT_INTERVAL", 0.1)
    desk = desks(Limits(disk_bytes=20))  # less than what the store writes about a run, as is found out when it is there
    run = desk.submit(job("saving", 200_000))
    ear, _ = watched(desk, run)
    notice = ear.until(lambda message: isinstance(message, RunWarning))
    assert "no room" in notice.text
    reached = ear.values()[-1]
    ear.until(lambda message: isinstance(message, Happened) and message.event.value > reached + 3)
    desk.tell(run, "stop")
    assert ear.state(*ENDS).state == "stopped"


def test_what_could_not_be_kept_does_not_come_after_what_is_newer(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.begin("run", visitor="", kind="tally", label="", page="", about={})
    keeper = Keeper(store, Limits(disk_bytes=2000), None)
    assert keeper.keep("run", "result", {"old": bytes(2001)})
    assert keeper.lacks("run")
    assert keeper.keep("run", "result", {"new": bytes(1)}) == ""
    assert (keeper.lacks("run"), keeper.retry()) == (False, [])
    assert store.files("run", "result") == {"new": bytes(1)}
    store.close()


def test_a_run_that_does_not_stop_loses_its_worker(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdlab.runs.dispatch.KILL_AFTER", 0.5)
    desk = desks(Limits(runs_at_once=1))
    run = desk.submit(job("endless"))
    ear, _ = watched(desk, run)
    pid = ear.until(lambda message: isinstance(message, Happened)).event.value
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)  # it hears nothing from now on
    desk.tell(run, "stop")
    assert ear.state(*ENDS).kind == "WorkerDied"
    ear, _ = watched(desk, desk.submit(job("count", 1)))
    assert ear.state(*ENDS).state == "done"


class Clumsy(Tally):
    """A record that can take nothing."""

    def append(self, event: Any) -> None:
        raise TypeError("clumsy")


@pytest.mark.parametrize("target", ["awkward", "hanging"])
def test_a_record_that_fails_ends_its_run_and_no_other(
    desks: Desks, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdlab.runs.dispatch.KILL_AFTER", 0.5)
    desk = desks()
    other, _ = watched(desk, desk.submit(job("endless"), paused=True))
    run = desk.submit(replace(job(target), record=f"{__name__}:{Clumsy.__name__}"), paused=True)
    ear, _ = watched(desk, run)
    waiting, _ = watched(desk, desk.submit(job("count", 3)))
    ear.state("paused")
    desk.tell(run, "resume")
    assert ear.state(*ENDS).state == "failed"
    assert waiting.state(*ENDS).state == "done"  # begun when the worker was free, which may be later
    assert other.state("paused", *ENDS).state == "paused"


def test_who_does_not_say_who_they_are_has_no_runs(desks: Desks, tmp_path: Path) -> None:
    desk = desks()
    run = desk.submit(job("count", 1))
    ear, _ = watched(desk, run)
    ear.state("done")
    public = desks(shared=True)
    for refused in (
        lambda: public.rows(), lambda: public.delete(run, ""), lambda: public.submit(job("count", 1)),
        lambda: public.delete(run, "ann"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            refused()
    assert public.rows("ann") == []


def test_a_desk_that_ends_says_so_and_its_runs_are_found_by_the_next(tmp_path: Path) -> None:
    desk = RunServer(LocalExecutor(), RunStore(tmp_path))
    run = desk.submit(job("saving", 200_000))
    ear, _ = watched(desk, run)
    ear.until(lambda message: isinstance(message, Happened) and message.event.value > 3)
    desk.close()
    assert ear.state(*ENDS).state == "interrupted"
    with pytest.raises(InputError, match="is being closed"):
        desk.submit(job("count", 1))
    with pytest.MonkeyPatch.context() as patch:
        register_tally(tmp_path, patch)
        desk = RunServer(LocalExecutor(), RunStore(tmp_path))
        try:
            ear, found = watched(desk, run)
            assert isinstance(found.record, Tally)
            assert ear.state(*ENDS).state == "interrupted"
            assert desk.rows()[0].resumable
            desk.submit(job("saving", 200_000), run=run)
            ear.state("running")
            assert ear.until(lambda message: isinstance(message, Happened)).event.value > 3
        finally:
            desk.close()


def test_visitors_read_neither_paths_nor_what_was_not_meant_for_them() -> None:
    end = Status("failed", "InputError", "The data in /home/kd lab/x and /srv/data/mnist.gz are damaged: 3/4 T=1/2.")
    assert redact(end).message == "The data in … lab/x and … are damaged: 3/4 T=1/2."
    assert "secret" not in redact(Status("failed", "KeyError", "secret")).message
    assert redact(Status("done")) == Status("done")


def test_pieces_of_experiments_share_the_room_and_the_days(tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    (pieces / "old").write_bytes(bytes(10))
    (pieces / "new").write_bytes(bytes(1000))
    os.utime(pieces / "old", (0, 0))
    desk = RunServer(LocalExecutor(), RunStore(tmp_path / "runs"), Limits(keep_days=1, disk_bytes=1000), True, pieces)
    try:
        with pytest.raises(InputError, match="no room"):
            desk.submit(job("count", 1), "ann")
        for _ in range(600):
            if not (pieces / "old").exists():
                break
            threading.Event().wait(0.1)
        assert [one.name for one in pieces.iterdir()] == ["new"]
    finally:
        desk.close()
