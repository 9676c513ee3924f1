"""The server of runs with real workers: turns, subscribers, finding again, resuming, and what it saves."""

import os
import queue
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from dask_cluster import DaskCluster
from fake_events import Tally
from full_disk import full_disk
from receiver import Receiver, register_tally, subscribed, tally

from kdlab.registry import InputError
from kdlab.runs import server_process
from kdlab.runs.active_run import redact
from kdlab.runs.connection import ServerConnection
from kdlab.runs.executors.dask import DaskExecutor
from kdlab.runs.executors.local import LocalExecutor
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, Executor, Status
from kdlab.runs.run_writer import RunWriter
from kdlab.runs.server import RunServer
from kdlab.runs.server_process import serve
from kdlab.runs.store import RunStore

Servers = Callable[..., RunServer | ServerConnection]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Dask scheduler with two workers."""
    cluster = DaskCluster(tmp_path_factory.mktemp("cluster"), workers=2)
    cluster.begin()
    yield cluster.address
    cluster.end()


@pytest.fixture(params=["local", "socket", "dask"])
def servers(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Return a function that makes a server: in this process, behind a socket, or with the workers of a cluster."""
    register_tally(tmp_path, monkeypatch)  # for runs that ended before anybody subscribed
    made: list[RunServer] = []
    ends: list[threading.Event] = []
    connections: list[ServerConnection] = []

    def make(limits: Limits | None = None, shared: bool = False) -> RunServer | ServerConnection:
        executor: Executor = LocalExecutor()
        if request.param == "dask":
            executor = DaskExecutor(request.getfixturevalue("cluster"), None)
        made.append(RunServer(executor, RunStore(tmp_path), limits, shared))
        if request.param == "local":
            return made[-1]
        address: queue.SimpleQueue[str] = queue.SimpleQueue()
        ends.append(threading.Event())
        threading.Thread(target=serve, args=(made[-1], "", address.put, ends[-1]), daemon=True).start()
        connections.append(ServerConnection(address.get(timeout=30)))
        return connections[-1]

    yield make
    for connection in connections:
        connection.close()
    for end in ends:
        end.set()
    for server in made:
        server.close()


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_run_is_heard_recorded_and_kept(servers: Servers) -> None:
    server = servers()
    run = server.submit(tally("count", 5))
    receiver, snapshot = subscribed(server, run)
    assert (snapshot.run, snapshot.kind, snapshot.mine) == (run, "tally", True)
    assert receiver.state(*ENDS).state == "done"
    assert snapshot.record.values + receiver.values() == [("", number) for number in range(5)]
    (row,) = server.runs()
    assert (row.run, row.state, row.summary, row.resumable) == (run, "done", {"units": 5}, False)
    again, snapshot = subscribed(server, run)
    assert [value[1] for value in snapshot.record.values] == list(range(5))
    assert again.state("done")


def test_who_comes_later_hears_all_of_it(servers: Servers) -> None:
    server = servers()
    run = server.submit(tally("endless"), paused=True)
    first, _ = subscribed(server, run)
    first.state("paused")
    for _ in range(3):
        server.send_command(run, "step")
    first.until(lambda _: len(first.values()) == 3)
    second, snapshot = subscribed(server, run)
    assert len(snapshot.record.values) == 3
    server.send_command(run, "step")
    for receiver in (first, second):
        receiver.value(lambda value: value == ("", 3))
    server.send_command(run, "stop")
    assert first.state(*ENDS).state == second.state(*ENDS).state == "stopped"


def test_what_is_turned_reaches_the_run(servers: Servers) -> None:
    server = servers()
    run = server.submit(tally("echo"), paused=True)
    receiver, _ = subscribed(server, run)
    receiver.state("paused")
    server.send_command(run, "step")
    receiver.value()
    server.send_command(run, "set_params", {"temperature": 2.0})
    server.send_command(run, "step")
    receiver.value(lambda value: value == {"temperature": 2.0})


def test_each_visitor_has_one_run_and_all_have_turns(servers: Servers) -> None:
    server = servers(shared=True)
    first = server.submit(tally("endless"), "ann", True)
    second = server.submit(tally("endless"), "ann", True)
    third = server.submit(tally("endless"), "bob", True)
    fourth = server.submit(tally("endless"), "cid", True)
    receivers = {run: subscribed(server, run, "dee")[0] for run in (first, second, third, fourth)}
    for run in (first, third):
        receivers[run].state("paused")
    # Ann asked for her second before Cid for his first, and waits behind him.
    assert "next" in receivers[fourth].state("queued").message
    assert (
        "one run"
        in receivers[second].until(lambda said: isinstance(said, Status) and "one run" in said.message).message
    )
    server.send_command(first, "stop", visitor="ann")
    receivers[fourth].state("paused")
    server.send_command(second, "stop", visitor="ann")
    assert receivers[second].state(*ENDS).state == "stopped"
    for run, visitor in ((third, "bob"), (fourth, "cid")):
        server.send_command(run, "stop", visitor=visitor)
        receivers[run].state("stopped")


def test_others_runs_can_be_seen_and_nothing_else(servers: Servers) -> None:
    server = servers(shared=True)
    run = server.submit(tally("endless"), "ann")
    receiver, snapshot = subscribed(server, run, "bob")
    assert not snapshot.mine
    receiver.state("running")
    server.send_command(run, "stop", visitor="bob")
    server.send_command(run, "pause", visitor="ann")
    assert receiver.state("paused", *ENDS).state == "paused"
    assert server.runs("bob") == []
    server.send_command(run, "stop", visitor="ann")
    receiver.state("stopped")
    for refused in (lambda: server.delete(run, "bob"), lambda: server.submit(tally("endless"), "bob", resumed_run=run)):
        with pytest.raises(InputError, match="not among yours"):
            refused()
    server.delete(run, "ann")
    with pytest.raises(InputError, match="not here any more"):
        server.subscribe("nothing", receiver, "ann")


def test_a_dead_worker_is_told_and_the_run_goes_on_from_its_checkpoint(servers: Servers) -> None:
    server = servers()
    run = server.submit(tally("endless"))
    receiver, _ = subscribed(server, run)
    pid = receiver.value()
    os.kill(pid, signal.SIGKILL)
    end = receiver.state(*ENDS)
    assert (end.state, end.kind) == ("failed", "WorkerDied")
    run = server.submit(tally("saving", 200_000))
    receiver, _ = subscribed(server, run)
    receiver.value(lambda value: value > 3)
    server.send_command(run, "stop")
    receiver.state("stopped")
    (row, _) = server.runs()
    assert row.resumable
    reached = receiver.values()[-1]
    assert server.submit(tally("saving", reached + 2), resumed_run=run) == run
    before = len(receiver.values())
    assert server.runs()[0].summary["units"] >= 3  # what it had stays on the list
    assert receiver.state(*ENDS).state == "done"
    assert receiver.values()[before] > 3
    assert receiver.values()[-1] == reached + 2
    kept = subscribed(server, run)[1].record.values
    assert kept == ["finished"] or kept[-2:] == receiver.values()[-2:]
    assert not server.runs()[0].resumable


def test_limits_are_said(servers: Servers) -> None:
    server = servers(Limits(epochs=5, queue_each=1, seconds=1, runs_at_once=1), shared=True)
    with pytest.raises(InputError, match="5 epochs"):
        server.submit(tally("count", 1, epochs=6), "ann")
    run = server.submit(tally("endless"), "ann")
    server.submit(tally("count", 1), "ann")
    with pytest.raises(InputError, match="1 of your runs wait"):
        server.submit(tally("count", 1), "ann")
    receiver, _ = subscribed(server, run, "ann")
    end = receiver.state(*ENDS)
    assert (end.state, end.kind) == ("stopped", "Limit")
    assert "1 seconds" in end.message


def test_what_cannot_be_kept_stays_on_the_page_and_is_kept_when_there_is_room(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdlab.runs.server.HEARTBEAT_INTERVAL", 0.1)
    server = servers()
    run = server.submit(tally("endless"), paused=True)
    receiver, _ = subscribed(server, run)
    receiver.state("paused")
    server.send_command(run, "step")
    receiver.value()
    # The system refuses to write a byte more to any file of this process, as a full disk does.
    before, trap = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        server.send_command(run, "stop")
        notice = receiver.warning()
        assert "stay on this page" in notice
        assert receiver.state(*ENDS).state == "stopped"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, trap)
    wait_for(tmp_path / "files" / run / "result.zip")
    assert server.files(run, "result")


def test_what_outgrows_the_room_is_not_kept_until_there_is_some(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdlab.runs.server.HEARTBEAT_INTERVAL", 0.1)
    server = servers(Limits(disk_bytes=15_000))

    def full(target: str, *arguments: Any) -> tuple[str, Receiver]:
        run = server.submit(tally(target, *arguments), paused=True)
        receiver, _ = subscribed(server, run)
        server.send_command(run, "resume")
        notice = receiver.warning()
        assert notice.startswith("This site has no room to keep more of this run: delete some of yours. The run's")
        return run, receiver

    first = server.submit(tally("count", 10, "x" * 1000))
    subscribed(server, first)[0].state("done")
    assert server.files(first, "result")
    second, receiver = full("count", 10, "y" * 1000)
    assert receiver.state(*ENDS).state == "done"
    assert not (tmp_path / "files" / second / "result.zip").exists()
    assert server.files(second, "result")  # from memory
    assert len(subscribed(server, second)[1].record.values) == 10
    with pytest.raises(InputError, match="no room to keep another run"):  # what waits to be kept is to have room, too
        server.submit(tally("count", 1))
    server.delete(first)
    wait_for(tmp_path / "files" / second / "result.zip")
    assert server.files(second, "result")
    subscribed(server, server.submit(tally("count", 1)))[0].state("done")


def test_a_run_whose_checkpoints_have_no_room_goes_on(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdlab.runs.server.HEARTBEAT_INTERVAL", 0.1)
    server = servers(
        Limits(disk_bytes=20)
    )  # less than what the store writes about a run, as is found out when it is there
    run = server.submit(tally("saving", 200_000))
    receiver, _ = subscribed(server, run)
    notice = receiver.warning()
    assert "no room" in notice
    reached = receiver.values()[-1]
    receiver.value(lambda value: value > reached + 3)
    server.send_command(run, "stop")
    assert receiver.state(*ENDS).state == "stopped"


def test_what_could_not_be_kept_does_not_come_after_what_is_newer(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.create("run", visitor="", kind="tally", label="", page="", config={})
    writer = RunWriter(store, Limits(disk_bytes=2000), None)
    assert writer.save("run", "result", {"old": bytes(2001)})
    assert writer.is_unsaved("run")
    assert writer.save("run", "result", {"new": bytes(1)}) == ""
    assert (writer.is_unsaved("run"), writer.retry()) == (False, [])
    assert store.files("run", "result") == {"new": bytes(1)}
    writer.close()


def test_a_page_that_does_not_read_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "MAX_UNREAD_MESSAGES", 50)
    outbox: server_process.Outbox = queue.SimpleQueue()
    server = RunServer(LocalExecutor(), RunStore(tmp_path))
    try:
        run = server.submit(tally("saving", 200))
        receiver, _ = subscribed(server, run)
        server.subscribe(run, server_process._Subscription(outbox, -1))
        receiver.state("done")
    finally:
        server.close()
    assert outbox.qsize() == 51
    *_, last = (outbox.get() for _ in range(51))
    assert last == (-1, Status("interrupted", "ServerLost", server_process.UNREAD))


def test_a_run_that_does_not_stop_loses_its_worker(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdlab.runs.scheduler.KILL_AFTER", 0.5)
    server = servers(Limits(runs_at_once=1))
    run = server.submit(tally("endless"))
    receiver, _ = subscribed(server, run)
    pid = receiver.value()
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:  # it receives nothing from now on
        time.sleep(0.01)
    server.send_command(run, "stop")
    assert receiver.state(*ENDS).kind == "WorkerDied"
    receiver, _ = subscribed(server, server.submit(tally("count", 1)))
    assert receiver.state(*ENDS).state == "done"


class Clumsy(Tally):
    """A record that can take nothing."""

    def append(self, event: Any) -> None:
        raise TypeError("clumsy")


@pytest.mark.parametrize("target", ["awkward", "hanging"])
def test_a_record_that_fails_ends_its_run_and_no_other(
    servers: Servers, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdlab.runs.scheduler.KILL_AFTER", 0.5)
    server = servers()
    other, _ = subscribed(server, server.submit(tally("endless"), paused=True))
    run = server.submit(replace(tally(target), record=f"{__name__}:{Clumsy.__name__}"), paused=True)
    receiver, _ = subscribed(server, run)
    waiting, _ = subscribed(server, server.submit(tally("count", 3)))
    receiver.state("paused")
    server.send_command(run, "resume")
    assert receiver.state(*ENDS).state == "failed"
    assert waiting.state(*ENDS).state == "done"  # begun when the worker was free, which may be later
    assert other.state("paused", *ENDS).state == "paused"


@pytest.mark.parametrize("record", ["Unsummarized", "Unwritable"])
def test_a_record_that_fails_at_the_end_leaves_no_slot_taken(servers: Servers, record: str) -> None:
    server = servers(Limits(runs_at_once=1))
    run = server.submit(replace(tally("count", 3), record=f"fake_events:{record}"))
    receiver, _ = subscribed(server, run)
    end = receiver.state(*ENDS)
    assert (end.state, end.kind) == ("failed", "ArithmeticError")
    assert server.info(run).state == "failed"
    after, _ = subscribed(server, server.submit(tally("count", 1)))
    assert after.state(*ENDS).state == "done"


def test_a_state_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.create("run", visitor="", kind="tally", label="", page="", config={})
    writer = RunWriter(store, Limits(), None)
    with full_disk(0):
        assert writer.update("run", {"state": "done", "summary": {"units": 3}})
    assert (writer.is_unsaved("run"), store.info("run").state) == (True, "queued")
    assert writer.retry() == ["run"]
    assert (store.info("run").state, store.info("run").summary) == ("done", {"units": 3})
    writer.close()


def test_what_a_lost_run_would_save_does_not_replace_the_new_owners(tmp_path: Path) -> None:
    lost, owner = RunStore(tmp_path), RunStore(tmp_path)
    lost.create("run", visitor="", kind="tally", label="", page="", config={})
    lost.update("run", state="stopped")
    owner.claim("run")
    owner.put("run", "result", {"own": b"1"})
    writer = RunWriter(lost, Limits(), None)
    assert writer.save("run", "result", {"lost": b"2"}) == ""
    assert writer.save("run", "checkpoint", {"lost": b"2"}) == ""
    assert owner.files("run", "result") == {"own": b"1"}
    assert owner.files("run", "checkpoint") is None
    writer.close()


def test_a_client_that_stays_silent_keeps_no_other_out(tmp_path: Path) -> None:
    server, address, until = RunServer(LocalExecutor(), RunStore(tmp_path)), queue.SimpleQueue[str](), threading.Event()
    threading.Thread(target=serve, args=(server, "", address.put, until), daemon=True).start()
    place = address.get(timeout=30)
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(place.rpartition("#")[0])
    wrong = ServerConnection(f"{place.rpartition('#')[0]}#{'00' * 16}")
    with pytest.raises(InputError, match="does not answer"):
        wrong.runs()
    connection = ServerConnection(place)
    assert connection.runs() == []
    connection.close()
    silent.close()
    until.set()
    server.close()


def test_who_does_not_say_who_they_are_has_no_runs(servers: Servers, tmp_path: Path) -> None:
    server = servers()
    run = server.submit(tally("count", 1))
    receiver, _ = subscribed(server, run)
    receiver.state("done")
    public = servers(shared=True)
    for refused in (
        lambda: public.runs(), lambda: public.delete(run, ""), lambda: public.submit(tally("count", 1)),
        lambda: public.delete(run, "ann"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            refused()
    assert public.runs("ann") == []


def test_a_desk_that_ends_says_so_and_its_runs_are_found_by_the_next(tmp_path: Path) -> None:
    server = RunServer(LocalExecutor(), RunStore(tmp_path))
    run = server.submit(tally("saving", 200_000))
    receiver, _ = subscribed(server, run)
    receiver.value(lambda value: value > 3)
    server.close()
    assert receiver.state(*ENDS).state == "interrupted"
    with pytest.raises(InputError, match="is being closed"):
        server.submit(tally("count", 1))
    with pytest.MonkeyPatch.context() as patch:
        register_tally(tmp_path, patch)
        server = RunServer(LocalExecutor(), RunStore(tmp_path))
        try:
            receiver, snapshot = subscribed(server, run)
            assert isinstance(snapshot.record, Tally)
            assert receiver.state(*ENDS).state == "interrupted"
            assert server.runs()[0].resumable
            server.submit(tally("saving", 200_000), resumed_run=run)
            receiver.state("running")
            assert receiver.value() > 3
        finally:
            server.close()


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
    server = RunServer(LocalExecutor(), RunStore(tmp_path / "runs"), Limits(keep_days=1, disk_bytes=1000), True, pieces)
    try:
        with pytest.raises(InputError, match="no room"):
            server.submit(tally("count", 1), "ann")
        for _ in range(600):
            if not (pieces / "old").exists():
                break
            threading.Event().wait(0.1)
        assert [one.name for one in pieces.iterdir()] == ["new"]
    finally:
        server.close()
