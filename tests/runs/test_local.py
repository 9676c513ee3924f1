"""Runs in worker processes of this machine: slots, memory, and a notebook that is busy."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from receiver import subscribed, tally

from kdlab.runs.executors.local import LocalExecutor
from kdlab.runs.protocol import ENDS, RunRequest
from kdlab.runs.server import RunServer
from kdlab.runs.store import RunStore


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunServer]:
    executor = LocalExecutor(slots=3, threads=1, worker_memory_bytes=250_000_000)
    server = RunServer(executor, RunStore(tmp_path), shared=True)
    yield server
    server.close()


def test_as_many_runs_at_once_as_slots_each_in_its_own_process(server: RunServer) -> None:
    runs = {server.submit(tally("endless"), visitor): visitor for visitor in ("ann", "bob", "cid", "dee")}
    receivers = {run: subscribed(server, run, visitor)[0] for run, visitor in runs.items()}
    *trained, waiting = runs
    pids = {receivers[run].value() for run in trained}
    assert len(pids) == 3
    assert "next" in receivers[waiting].state("queued").message
    server.send_command(trained[0], "stop", visitor="ann")
    assert receivers[waiting].value() in pids  # the process that is free, with its imported modules


def test_a_worker_that_takes_too_much_memory_is_ended_and_no_other(server: RunServer) -> None:
    beside, _ = subscribed(server, server.submit(tally("endless"), "bob"), "bob")
    hoard = RunRequest("tally", "pool_events:hoarding", (), "fake_events:Tally", object, "Hoard", "distil")
    receiver, _ = subscribed(server, server.submit(hoard, "ann"), "ann")
    end = receiver.state(*ENDS)
    assert (end.state, end.kind) == ("failed", "WorkerDied")
    assert "more memory than a worker may have" in end.message
    again, _ = subscribed(server, server.submit(tally("count", 1), "ann"), "ann")
    assert again.state(*ENDS).state == "done"
    number = beside.values()[-1] if beside.values() else 0
    assert beside.value(lambda value: value != number)


def test_a_busy_cell_does_not_stop_a_run(tmp_path: Path) -> None:
    """In JupyterLab the server lives in the kernel, whose own thread a cell may keep busy for minutes."""
    server = RunServer(LocalExecutor(), RunStore(tmp_path))
    try:
        run = server.submit(tally("saving", 50))
        began = time.process_time()
        while time.process_time() - began < 0.5 or not (tmp_path / "files" / run / "result.zip").exists():
            pass
        while server.info(run).state != "done":
            pass
    finally:
        server.close()


def test_closing_ends_all_processes(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    server = RunServer(LocalExecutor(), RunStore(tmp_path))
    receiver, _ = subscribed(server, server.submit(tally("endless")))
    pid = receiver.value()
    server.close()
    server.close()
    assert receiver.state(*ENDS).state == "interrupted"
    assert not psutil.pid_exists(pid)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before | {os.getpid()}


def test_a_stopped_process_does_not_hold_up_the_end(tmp_path: Path) -> None:
    server = RunServer(LocalExecutor(), RunStore(tmp_path))
    receiver, _ = subscribed(server, server.submit(tally("endless")))
    pid = receiver.value()
    os.kill(pid, signal.SIGSTOP)
    server.close()
    assert receiver.state(*ENDS).state == "interrupted"
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_leaves_the_end_to_the_server(tmp_path: Path, number: signal.Signals) -> None:
    server = RunServer(LocalExecutor(), RunStore(tmp_path))
    try:
        run = server.submit(tally("endless"), paused=True)
        receiver, _ = subscribed(server, run)
        while not (
            children := [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
        ):
            pass
        for child in children:  # before it has imported anything, too
            child.send_signal(number)
        receiver.state("paused")
        server.send_command(run, "stop")
        assert receiver.state(*ENDS).state == "stopped"
    finally:
        server.close()
