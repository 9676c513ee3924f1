"""The runner, with made-up events in a real process."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_events import Note, Unit

from kdlab.runs.worker import Happened, Message, Runner, Status

PATIENCE = 30.0  # seconds after which something that should happen has failed to; a busy machine takes one to spawn
ENDS = ("done", "stopped", "failed")


class Driver(Runner):
    """A runner whose messages can be waited for."""

    def __init__(self, target: str) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()
        self.last: Any = None  # the last event
        super().__init__(f"fake_events:{target}", self.messages.put, unit=Unit)

    def next(self) -> Any:
        """The next message: a state's name or an event."""
        message = self.messages.get(timeout=PATIENCE)
        if isinstance(message, Status):
            return message.state
        self.last = message.event
        return message.event

    def until(self, wanted: Any) -> list[Any]:
        """All messages up to the first that is `wanted`."""
        seen = [self.next()]
        while seen[-1] != wanted:
            assert seen[-1] not in ENDS, seen[-3:]
            seen.append(self.next())
        return seen

    def until_end(self) -> Status:
        """The status with which the run ends."""
        while True:
            message = self.messages.get(timeout=PATIENCE)
            if isinstance(message, Status) and message.state in ENDS:
                return message

    def is_silent(self) -> bool:
        """Whether nothing comes in a time in which a worker that goes on would say a thousand things."""
        try:
            self.messages.get(timeout=0.1)
        except queue.Empty:
            return True
        return False

    def first_unit(self) -> Any:
        """What the first event of a run that was just started says."""
        assert [self.next(), self.next()] == ["starting", "running"]
        return self.next().value


def process_ended(pid: int) -> bool:
    """Whether a worker that was waited for is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.fixture
def drive() -> Iterator[Callable[[str], Driver]]:
    drivers: list[Driver] = []

    def make(target: str) -> Driver:
        drivers.append(Driver(target))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.close()


Drive = Callable[[str], Driver]


def test_the_runner_imports_neither_torch_nor_widgets() -> None:
    heavy = {"torch", "numpy", "ipywidgets", "kdlab.datasets", "kdlab.train"}
    code = f"import sys, kdlab.runs.worker; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_events_come_in_order_and_then_done(drive: Drive) -> None:
    driver = drive("count")
    for label in ("first", "second"):
        driver.start(2_000, label)
        expected = [Unit((label, number)) for number in range(2_000)]
        assert driver.until("done") == ["starting", "running", *expected, "done"]
    driver.start(0)
    assert driver.until("done") == ["starting", "running", "done"]


def test_pause_freezes_until_step_or_resume(drive: Drive) -> None:
    driver = drive("endless")
    driver.start()
    driver.until(Unit(("", 1)))
    driver.pause()
    driver.until("paused")
    number = driver.last.value[1]
    for _ in range(2):
        assert driver.is_silent()
        driver.step()
        number += 1
        # Had it gone on by itself, its events would stand before the answer to `step`.
        assert [driver.next(), driver.next()] == ["paused", Unit(("", number))]
    driver.resume()
    assert [driver.next(), driver.next()] == ["running", Unit(("", number + 1))]


def test_a_run_can_begin_paused(drive: Drive) -> None:
    driver = drive("count")
    driver.start(3, paused=True)
    assert [driver.next(), driver.next()] == ["starting", "paused"]
    assert driver.is_silent()
    driver.step()
    assert [driver.next(), driver.next()] == ["paused", Unit(("", 0))]
    driver.resume()
    assert driver.until("done") == ["running", Unit(("", 1)), Unit(("", 2)), "done"]


def test_only_units_count_as_steps(drive: Drive) -> None:
    driver = drive("mixed")
    driver.start(paused=True)
    assert driver.until("paused") == ["starting", "paused"]
    for expected in ([Note("a"), Note("b"), Unit(1)], [Note("c"), Unit(2)]):
        driver.step()
        assert driver.until(expected[-1]) == ["paused", *expected]
    driver.step()  # there is no further unit
    assert driver.until("done") == ["paused", Note("d"), "done"]


def test_a_step_in_a_run_that_goes_on_pauses_it(drive: Drive) -> None:
    driver = drive("endless")
    driver.start()
    driver.until(Unit(("", 1)))
    driver.step()
    driver.until("paused")
    number = driver.last.value[1]
    assert driver.next() == Unit(("", number + 1))
    driver.step()
    assert [driver.next(), driver.next()] == ["paused", Unit(("", number + 2))]


@pytest.mark.parametrize("paused", [True, False])
def test_stop_closes_the_generator_before_it_says_so(drive: Drive, paused: bool, tmp_path: Path) -> None:
    driver = drive("guarded")
    driver.start(str(tmp_path / "end"))
    driver.first_unit()
    assert not (tmp_path / "end").exists()
    if paused:
        driver.pause()
        driver.until("paused")
    driver.stop()
    driver.until("stopped")
    assert (tmp_path / "end").read_text() == "closed"
    driver.start(str(tmp_path / "again"))
    assert driver.first_unit() > 0  # no event of the run that was stopped comes after it


def test_commands_without_a_run_do_nothing(drive: Drive) -> None:
    driver = drive("count")
    for _ in range(2):  # before there is a process, and when it is idle
        driver.pause()
        driver.resume()
        driver.step()
        driver.stop()
        driver.abandon()
        driver.send({"temperature": 2.0})
        driver.start(2)
        assert driver.until("done") == ["idle", "starting", "running", Unit(("", 0)), Unit(("", 1)), "done"]


@pytest.mark.parametrize("trouble", [False, True], ids=["", "which fails to clean up"])
def test_a_start_ends_the_run_before_it(drive: Drive, trouble: bool, tmp_path: Path) -> None:
    driver = drive("guarded")
    driver.start(str(tmp_path / "old"), trouble)
    pid = driver.first_unit()
    driver.start(str(tmp_path / "new"))
    before = driver.until("starting")
    assert all(isinstance(message, Unit) for message in before[:-1])
    assert [driver.next(), driver.next(), driver.next()] == ["running", Unit(pid), Unit(("", 1))]
    assert (tmp_path / "old").exists()
    assert not (tmp_path / "new").exists()


def test_a_start_from_another_thread_waits_for_the_message_that_is_being_received() -> None:
    """Otherwise an event of the old run could be recorded in the new one's history."""
    received: queue.Queue[Message] = queue.Queue()
    taking, go_on = threading.Event(), threading.Event()

    def receive(message: Message) -> None:
        if isinstance(message, Happened) and not taking.is_set():
            taking.set()
            go_on.wait(PATIENCE)
        received.put(message)

    runner = Runner("fake_events:count", receive)
    starter = threading.Thread(target=runner.start, args=(1, "new"))
    try:
        runner.start(1, "old")
        assert taking.wait(PATIENCE)
        starter.start()
        starter.join(0.05)  # long enough for a start that does not wait
        go_on.set()
        messages = [received.get(timeout=PATIENCE) for _ in range(6)]
    finally:
        go_on.set()
        starter.join(PATIENCE)
        runner.close()
    second = len(messages) - 1 - messages[::-1].index(Status("starting"))
    assert Happened(Unit(("old", 0))) in messages[:second]


def test_an_abandoned_run_is_closed_and_heard_no_more(drive: Drive, tmp_path: Path) -> None:
    driver = drive("guarded")
    driver.start(str(tmp_path / "end"))
    pid = driver.first_unit()
    driver.abandon()
    while not driver.messages.empty():
        driver.messages.get()
    driver.start(str(tmp_path / "other"))
    assert driver.first_unit() == pid
    assert (tmp_path / "end").exists()


def test_what_is_sent_reaches_the_run_once(drive: Drive) -> None:
    driver = drive("echo")
    driver.start(paused=True)
    driver.send({"a": 1})  # before the first event
    driver.step()
    assert driver.until(Unit(1)) == ["starting", "paused", "paused", Note({"a": 1}), Unit(1)]
    driver.send({"b": 2})
    driver.send({"a": 3})
    driver.step()
    assert driver.until(Unit(2)) == ["paused", Note({"a": 3, "b": 2}), Unit(2)]
    driver.step()
    assert driver.until(Unit(3)) == ["paused", Unit(3)]


def test_what_was_sent_into_one_run_does_not_reach_the_next(drive: Drive) -> None:
    driver = drive("echo")
    driver.start(paused=True)
    driver.send({"a": 1})
    driver.start(paused=True)
    driver.step()
    driver.step()  # two steps asked for together are two steps
    units = [said for said in driver.until(Unit(2)) if not isinstance(said, str)]
    assert units == [Unit(1), Unit(2)]


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ValueError("the reason"), "ValueError", "the reason"),
        (EOFError("a file was cut off"), "EOFError", "a file was cut off"),
        (BrokenPipeError("a server went away"), "BrokenPipeError", "a server went away"),
        (StopIteration("early"), "RuntimeError", "generator raised StopIteration"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_exception_ends_the_run_with_its_kind_and_message(
    drive: Drive, error: Exception, kind: str, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    driver = drive("failing")
    driver.start(error)
    pid = driver.first_unit()
    assert driver.until_end() == Status("failed", kind, text)
    driver.start(None)
    assert driver.first_unit() == pid  # the process stays
    assert driver.next() == "done"
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(("target", "kind"), [("nothing", "AttributeError"), ("unpicklable", "AttributeError|Pickl")])
def test_a_run_that_cannot_be_made_or_told_fails(
    drive: Drive, target: str, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    driver = drive(target)
    driver.start()
    end = driver.until_end()
    assert end.state == "failed"
    assert any(name in end.kind for name in kind.split("|"))
    assert "Traceback" in capfd.readouterr().err


def test_a_killed_worker_is_reported_and_replaced(drive: Drive) -> None:
    driver = drive("endless")
    driver.start()
    pid = driver.first_unit()
    os.kill(pid, signal.SIGKILL)
    end = driver.until_end()
    assert (end.state, end.kind) == ("failed", "WorkerDied")
    assert "SIGKILL" in end.message
    driver.stop()
    driver.start()
    other = driver.first_unit()
    assert other != pid
    assert process_ended(pid)


def test_nobody_waits_for_a_worker_that_does_not_listen(drive: Drive) -> None:
    driver = drive("hanging")
    driver.start()
    driver.first_unit()
    for turn in range(20_000):  # more than a pipe holds; what a caller would wait for never comes
        driver.send({"temperature": turn})
    driver.stop()
    driver.kill()
    assert driver.until_end().kind == "WorkerDied"
    driver.start()
    driver.first_unit()


def test_a_worker_that_ends_itself_is_reported(drive: Drive) -> None:
    driver = drive("exiting")
    driver.start()
    driver.first_unit()
    end = driver.until_end()
    assert (end.kind, "exit code 3" in end.message) == ("WorkerDied", True)


def test_a_worker_that_dies_between_two_runs_is_replaced_without_a_word(drive: Drive) -> None:
    driver = drive("failing")
    before = set(threading.enumerate())
    driver.start(None)
    threads = set(threading.enumerate()) - before
    pid = driver.first_unit()
    assert driver.next() == "done"
    os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    driver.start(None)
    assert driver.first_unit() != pid
    assert driver.next() == "done"


@pytest.mark.parametrize("state", ["running", "paused", "done"])
def test_close_ends_the_process_without_a_word(drive: Drive, state: str) -> None:
    driver = drive("failing" if state == "done" else "endless")
    driver.start(*([None] if state == "done" else []))
    pid = driver.first_unit()
    if state == "paused":
        driver.pause()
    if state != "running":
        driver.until(state)
    driver.close()
    assert process_ended(pid)
    left = [driver.messages.get() for _ in range(driver.messages.qsize())]
    assert all(isinstance(message, Happened) for message in left)


PARENT = """
import queue, threading
from kdlab.runs.worker import Runner

messages = queue.Queue()
runner = Runner("fake_events:{target}", messages.put)
runner.start({argument})
messages.get(), messages.get()
print(messages.get().event.value, flush=True)
if "{then}" == "pause":
    runner.pause()
while "{then}" == "done" and getattr(messages.get(), "state", "") != "done":
    pass
threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("target", "argument", "then"),
    [("endless", "", "go on"), ("endless", "", "pause"), ("failing", "None", "done")],
    ids=["running", "paused", "idle"],
)
def test_the_worker_goes_when_its_parent_is_killed(target: str, argument: str, then: str) -> None:
    code = PARENT.format(target=target, argument=argument, then=then)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
        try:
            # The worker has inherited these pipes: they end when it has.
            _, errors = parent.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.kill(worker, signal.SIGKILL)
            raise
    assert errors == ""
