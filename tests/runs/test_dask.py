"""Runs in workers of Dask, with made-up events: on this machine, and of a scheduler that comes and goes."""

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from dask_cluster import DaskCluster
from distributed.system import MEMORY_LIMIT
from fake_events import Note, Unit

from kdlab.registry import InputError
from kdlab.runs.executors import dask_worker
from kdlab.runs.executors.dask import DaskExecutor, DaskRun
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, Command, EventBatch, RunRequest, Status, WorkerMessage
from kdlab.runs.worker import SPIN_COUNT

PATIENCE = 60.0  # seconds after which something that should happen has failed to


class Driver:
    """A run whose messages can be waited for, event by event."""

    def __init__(self, executor: DaskExecutor) -> None:
        self.executor = executor
        self.run: DaskRun | None = None
        self.messages: queue.Queue[Any] = queue.Queue()

    def start(self, target: str, *arguments: Any, paused: bool = False, checkpoint: Any = None) -> None:
        name = target if ":" in target else f"fake_events:{target}"
        request = RunRequest("test", name, arguments, "", Unit, "", "")
        self.run = self.executor.start(request, Limits(), checkpoint, paused, self.receive)

    def receive(self, message: WorkerMessage) -> None:
        for item in message.events if isinstance(message, EventBatch) else [message]:
            self.messages.put(item)

    def send_command(self, command: Command, values: Any = None) -> None:
        assert self.run is not None
        self.run.send_command(command, values)

    def next(self) -> Any:
        """The next message: a state's name or an event; what a run waits for is left out."""
        message = self.messages.get(timeout=PATIENCE)
        if not isinstance(message, Status):
            return message
        return self.next() if message.state == "starting" and message.message else message.state

    def until(self, wanted: Any) -> list[Any]:
        seen = [self.next()]
        while seen[-1] != wanted:
            assert seen[-1] not in ENDS, seen[-3:]
            seen.append(self.next())
        return seen

    def until_end(self) -> Status:
        while True:
            message = self.messages.get(timeout=PATIENCE)
            if isinstance(message, Status) and message.state in ENDS:
                return message

    def first_unit(self) -> Any:
        assert self.next() == "running"
        return self.next().value

    def is_silent(self) -> bool:
        try:
            self.messages.get(timeout=0.3)
        except queue.Empty:
            return True
        return False


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return what `condition` says as soon as it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return found


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def executor() -> Iterator[DaskExecutor]:
    executor = DaskExecutor(None, 2)
    yield executor
    executor.close()


@pytest.fixture
def driver(executor: DaskExecutor) -> Iterator[Driver]:
    yield from stopped_after(Driver(executor))


@pytest.fixture
def other(executor: DaskExecutor) -> Iterator[Driver]:
    yield from stopped_after(Driver(executor))


def stopped_after(driver: Driver) -> Iterator[Driver]:
    """A worker is free again after a test that has failed, too."""
    yield driver
    if driver.run is not None:
        driver.send_command("stop")
        until(lambda: driver.run not in driver.executor._runs, "the run did not end")


def test_importing_the_engine_imports_no_dask() -> None:
    code = (
        "import sys, kdlab.runs.executors.dask; assert not {'torch', 'numpy', 'distributed', 'dask'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_distributed_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "distributed"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'kdlab\[dask\]'"):
        DaskExecutor(None, 1)


@pytest.mark.parametrize("address", ["", "nonsense://10.0.0.1:8786", "tcp://127.0.0.1:port"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="address"):
        DaskExecutor(address, None)


def test_all_events_come_in_order_and_then_done(driver: Driver) -> None:
    for label in ("first", "second"):
        driver.start("count", 5_000, label)
        expected = [Unit((label, number)) for number in range(5_000)]
        assert driver.until("done") == ["running", *expected, "done"]
    driver.start("count", 0)
    assert driver.until("done") == ["running", "done"]


def test_pause_freezes_until_step_or_resume(driver: Driver) -> None:
    driver.start("endless")
    driver.until(Unit(("", 1)))
    driver.send_command("pause")
    number = driver.until("paused")[-2].value[1]
    for _ in range(2):
        assert driver.is_silent()
        driver.send_command("step")
        number += 1
        assert [driver.next(), driver.next()] == ["paused", Unit(("", number))]
    driver.send_command("resume")
    assert [driver.next(), driver.next()] == ["running", Unit(("", number + 1))]


def test_commands_before_the_run_has_a_worker_reach_it(driver: Driver) -> None:
    driver.start("echo", paused=True)
    driver.send_command("set_params", {"a": 1})
    driver.send_command("step")
    driver.send_command("step")
    units = [said for said in driver.until(Unit(2)) if not isinstance(said, str)]
    assert units == [Note({"a": 1}), Unit(1), Unit(2)]
    driver.send_command("set_params", {"b": 2})
    driver.send_command("step")
    assert driver.until(Unit(3))[-2:] == [Note({"b": 2}), Unit(3)]


@pytest.mark.parametrize("paused", [True, False])
def test_stop_closes_the_generator_before_it_says_so(driver: Driver, paused: bool, tmp_path: Path) -> None:
    driver.start("guarded", str(tmp_path / "end"))
    driver.first_unit()
    if paused:
        driver.send_command("pause")
        driver.until("paused")
    driver.send_command("stop")
    driver.until("stopped")
    assert (tmp_path / "end").read_text() == "closed"


def test_two_runs_at_once_and_a_third_that_waits(executor: DaskExecutor, driver: Driver, other: Driver) -> None:
    assert until(lambda: executor.slots == 2, "both workers")
    driver.start("endless")
    other.start("endless")
    assert driver.first_unit() != other.first_unit()
    third = Driver(executor)
    third.start("count", 1)
    assert third.messages.get(timeout=PATIENCE) == Status("starting", "", "Waiting for a free worker of the pool.")
    fourth = Driver(executor)
    fourth.start("count", 1)
    fourth.send_command("stop")
    assert fourth.until("stopped") == ["stopped"]
    other.send_command("stop")
    assert third.until("done") == ["running", Unit(("", 0)), "done"]


def test_what_a_run_saves_passes_whole(driver: Driver) -> None:
    driver.start("pool_events:saving", 25_000_000)
    assert driver.first_unit() == 0
    for number in range(4):
        saved = driver.next()
        assert saved.files == {"weights": bytes([number]) * 25_000_000}
        assert saved.final is (number == 3)
    assert driver.next() == "done"


def test_a_run_goes_on_from_a_large_checkpoint(driver: Driver) -> None:
    driver.start("pool_events:going_on", 7, checkpoint={"weights": bytes(30_000_000)})
    assert driver.first_unit() == (7, {"weights": 30_000_000})
    driver.until("done")
    driver.start("pool_events:going_on", 7)
    assert driver.first_unit() == (7, None)


def test_workers_are_polite_and_leave_nothing_behind(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.start("pool_events:environment")
    found = driver.first_unit()
    assert found["nice"] >= 5
    assert found["GOMP_SPINCOUNT"] == SPIN_COUNT
    assert found["OMP_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"]
    assert not list(Path(found["folder"]).glob("dask-*"))


# --- failures ---------------------------------------------------------------------------------------------------------


def test_an_exception_ends_the_run_with_its_kind_and_message(driver: Driver) -> None:
    driver.start("failing", ValueError("the reason"))
    pid = driver.first_unit()
    assert driver.until_end() == Status("failed", "ValueError", "the reason")
    assert psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("target", "kind"),
    [("nothing", "AttributeError"), ("no_such:thing", "ModuleNotFoundError"), ("unpicklable", "AttributeError|Pickl")],
)
def test_a_run_that_cannot_be_made_or_told_fails(driver: Driver, target: str, kind: str) -> None:
    driver.start(target)
    end = driver.until_end()
    assert end.state == "failed"
    assert any(name in end.kind for name in kind.split("|"))


def test_a_killed_worker_ends_its_run_once_and_is_replaced(
    executor: DaskExecutor, driver: Driver, other: Driver, tmp_path: Path
) -> None:
    other.start("endless")
    spared = other.first_unit()
    driver.start("pool_events:once", str(tmp_path / "begun"))
    pid = driver.first_unit()
    os.kill(pid, signal.SIGKILL)
    end = driver.until_end()
    assert (end.state, end.kind) == ("failed", "WorkerDied")
    assert "process ended unexpectedly" in end.message
    driver.start("endless")
    assert driver.first_unit() not in (pid, spared)
    until(lambda: executor.slots == 2, "the worker was not replaced")
    assert (tmp_path / "begun").read_text() == f"{pid}\n"
    other.send_command("pause")
    other.until("paused")  # went on all the time


def test_a_worker_that_takes_too_much_memory(caplog: pytest.LogCaptureFixture) -> None:
    share = 400e6 / (MEMORY_LIMIT / (os.cpu_count() or 1))  # of what Dask gives to a worker of one thread
    with dask.config.set({"distributed.worker.memory.terminate": share}):
        executor = DaskExecutor(None, 1)
        until(lambda: executor.slots == 1 and executor._pool.client, "the worker")
    try:
        driver = Driver(executor)
        driver.start("pool_events:hoarding")
        end = driver.until_end()
        assert (end.state, end.kind) == ("failed", "WorkerDied")
        assert "more memory than a worker may have" in end.message
        driver.start("count", 1)
        driver.until("done")
    finally:
        executor.close()


def test_a_run_waits_for_whoever_is_slow_to_hear(executor: DaskExecutor, tmp_path: Path) -> None:
    """Or what is not collected yet would fill the worker's memory."""
    go_on, note = threading.Event(), tmp_path / "note"
    heard: queue.SimpleQueue[WorkerMessage] = queue.SimpleQueue()

    def receive(message: WorkerMessage) -> None:
        heard.put(message)
        if isinstance(message, EventBatch):
            go_on.wait(PATIENCE)

    def far() -> int:
        with contextlib.suppress(OSError, ValueError):
            return int(note.read_text())
        return 0

    request = RunRequest("test", "pool_events:measured", (str(note),), "", Unit, "", "")
    run = executor.start(request, Limits(), None, False, receive)
    try:
        most = (dask_worker.MAX_PENDING_BYTES + 2 * dask_worker.BATCH_BYTES) // 1000  # an event has 1,000 bytes
        until(lambda: far() >= dask_worker.MAX_PENDING_BYTES // 1200, "the outbox did not fill")
        time.sleep(0.3)  # in which a generator that does not wait would go on for thousands
        assert far() <= most
        go_on.set()
        until(lambda: far() > most, "it did not go on")
        run.send_command("stop")
        while not (isinstance(message := heard.get(timeout=PATIENCE), Status) and message.state in ENDS):
            pass
        assert message == Status("stopped")
    finally:
        go_on.set()
        run.send_command("stop")


def test_a_run_that_nobody_collects_from_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        class loop:
            add_callback = staticmethod(lambda function: function())

        class status:
            name = "running"

    link = dask_worker.Mailbox(Worker())
    assert not link.poll()
    monkeypatch.setattr(dask_worker, "CLIENT_TIMEOUT", 0.0)
    assert link.poll()
    with pytest.raises(BrokenPipeError):
        link.recv(0.0)
    link.send(1)
    with pytest.raises(BrokenPipeError):
        link.drain()


@pytest.mark.parametrize("state", ["new", "running", "paused"])
def test_close_leaves_nothing(state: str) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    threads = set(threading.enumerate())
    executor = DaskExecutor(None, 1)
    driver = Driver(executor)
    if state != "new":
        driver.start("endless")
        driver.first_unit()
    if state == "paused":
        driver.send_command("pause")
        driver.until("paused")
    if state == "running":
        waiting = Driver(executor)
        waiting.start("endless")
    executor.close()
    executor.close()
    assert not [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert "kdlab-cluster" not in {thread.name for thread in set(threading.enumerate()) - threads}
    left = [driver.messages.get() for _ in range(driver.messages.qsize())]
    assert not any(isinstance(message, Status) and message.state in ENDS for message in left)


# --- a scheduler of its own -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    elsewhere = DaskCluster(tmp_path_factory.mktemp("elsewhere"))
    yield elsewhere
    elsewhere.end()


def test_a_scheduler_that_comes_late_and_is_restarted(elsewhere: DaskCluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "distributed")
    executor = DaskExecutor(elsewhere.address, None)
    try:
        driver, waiting = Driver(executor), Driver(executor)
        driver.start("endless")
        told = driver.messages.get(timeout=PATIENCE)
        assert isinstance(told, Status)
        assert (told.state, elsewhere.address in told.message) == ("starting", True)
        elsewhere.begin()
        assert driver.next() == "running"
        pid = driver.next().value
        waiting.start("count", 1)
        elsewhere.kill_scheduler()
        for lost in (driver, waiting):
            end = lost.until_end()
            assert (end.state, end.kind) == ("failed", "PoolLost")
            assert "start the run again" in end.message
        elsewhere.end()
        until(lambda: gone(pid), "the worker went on without its scheduler")
        driver.start("endless")
        elsewhere.begin()
        assert driver.next() == "running"
        assert driver.next().value != pid
        driver.send_command("stop")
        driver.until("stopped")
    finally:
        executor.close()


def test_a_scheduler_that_never_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdlab.runs.executors.dask.SCHEDULER_TIMEOUT", 0.5)
    elsewhere = DaskCluster(tmp_path)
    executor = DaskExecutor(elsewhere.address, None)
    try:
        driver = Driver(executor)
        driver.start("endless")
        end = driver.until_end()
        assert (end.state, end.kind) == ("failed", "PoolLost")
        assert elsewhere.address in end.message
    finally:
        executor.close()


def test_a_worker_elsewhere_that_dies_does_not_begin_its_run_again(
    elsewhere: DaskCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Dask moves a task up to three times, unless its scheduler was told otherwise."""
    caplog.set_level(logging.CRITICAL, "distributed")
    elsewhere.begin()
    executor = DaskExecutor(elsewhere.address, None)
    try:
        driver = Driver(executor)
        driver.start("pool_events:once", str(tmp_path / "begun"))
        pid = driver.first_unit()
        os.kill(pid, signal.SIGKILL)
        assert driver.until_end().kind == "WorkerDied"
        driver.start("count", 1)  # in the one that its nanny has started meanwhile
        driver.until("done")
        assert (tmp_path / "begun").read_text() == f"{pid}\n"
    finally:
        executor.close()
