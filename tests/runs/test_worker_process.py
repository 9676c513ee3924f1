"""A worker process with made-up events."""

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

from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, Command, EventBatch, RunRequest, Status, WorkerMessage
from kdlab.runs.worker import Start
from kdlab.runs.worker_process import WorkerProcess, WorkerRun

PATIENCE = 30.0  # seconds after which something that should happen has failed to; a busy machine takes one to spawn
TESTS = Path(__file__).parents[1]


class Driver:
    """A worker process whose messages can be waited for, event by event."""

    def __init__(self, target: str) -> None:
        self._target = f"fake_events:{target}"
        self.messages: queue.Queue[Any] = queue.Queue()
        self.last: Any = None  # the last event
        self.worker = WorkerProcess(lambda _: None)
        self.run: WorkerRun | None = None

    def start(self, *arguments: Any, paused: bool = False) -> None:
        request = RunRequest("test", self._target, arguments, "", Unit, "", "")
        receive = self._receive
        self.run = self.worker.start(Start(request, Limits(), None, paused), receive)

    def send_command(self, command: Command, values: Any = None) -> None:
        assert self.run is not None
        self.run.send_command(command, values)

    def _receive(self, message: WorkerMessage) -> None:
        for item in message.events if isinstance(message, EventBatch) else [message]:
            self.messages.put(item)

    def next(self) -> Any:
        """The next message: a state's name or an event."""
        message = self.messages.get(timeout=PATIENCE)
        if isinstance(message, Status):
            return message.state
        self.last = message
        return message

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
        assert self.next() == "running"
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
        driver.worker.close()


Drive = Callable[[str], Driver]


def test_the_worker_imports_neither_torch_nor_widgets() -> None:
    heavy = {"torch", "numpy", "ipywidgets", "kdlab.datasets", "kdlab.train"}
    code = f"import sys, kdlab.runs.worker, kdlab.runs.worker_process; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_events_come_in_order_and_then_done(drive: Drive) -> None:
    driver = drive("count")
    for label in ("first", "second"):
        driver.start(2_000, label)
        expected = [Unit((label, number)) for number in range(2_000)]
        assert driver.until("done") == ["running", *expected, "done"]
    driver.start(0)
    assert driver.until("done") == ["running", "done"]


def test_pause_freezes_until_step_or_resume(drive: Drive) -> None:
    driver = drive("endless")
    driver.start()
    driver.until(Unit(("", 1)))
    driver.send_command("pause")
    driver.until("paused")
    number = driver.last.value[1]
    for _ in range(2):
        assert driver.is_silent()
        driver.send_command("step")
        number += 1
        # Had it gone on by itself, its events would stand before the answer to `step`.
        assert [driver.next(), driver.next()] == ["paused", Unit(("", number))]
    driver.send_command("resume")
    assert [driver.next(), driver.next()] == ["running", Unit(("", number + 1))]


def test_a_run_can_begin_paused(drive: Drive) -> None:
    driver = drive("count")
    driver.start(3, paused=True)
    assert driver.next() == "paused"
    assert driver.is_silent()
    driver.send_command("step")
    assert [driver.next(), driver.next()] == ["paused", Unit(("", 0))]
    driver.send_command("resume")
    assert driver.until("done") == ["running", Unit(("", 1)), Unit(("", 2)), "done"]


def test_only_units_count_as_steps(drive: Drive) -> None:
    driver = drive("mixed")
    driver.start(paused=True)
    assert driver.until("paused") == ["paused"]
    for expected in ([Note("a"), Note("b"), Unit(1)], [Note("c"), Unit(2)]):
        driver.send_command("step")
        assert driver.until(expected[-1]) == ["paused", *expected]
    driver.send_command("step")  # there is no further unit
    assert driver.until("done") == ["paused", Note("d"), "done"]


def test_a_step_in_a_run_that_goes_on_pauses_it(drive: Drive) -> None:
    driver = drive("endless")
    driver.start()
    driver.until(Unit(("", 1)))
    driver.send_command("step")
    driver.until("paused")
    number = driver.last.value[1]
    assert driver.next() == Unit(("", number + 1))
    driver.send_command("step")
    assert [driver.next(), driver.next()] == ["paused", Unit(("", number + 2))]


@pytest.mark.parametrize("paused", [True, False])
def test_stop_closes_the_generator_before_it_says_so(drive: Drive, paused: bool, tmp_path: Path) -> None:
    driver = drive("guarded")
    driver.start(str(tmp_path / "end"))
    driver.first_unit()
    assert not (tmp_path / "end").exists()
    if paused:
        driver.send_command("pause")
        driver.until("paused")
    driver.send_command("stop")
    driver.until("stopped")
    assert (tmp_path / "end").read_text() == "closed"
    driver.start(str(tmp_path / "again"))
    assert driver.first_unit() > 0  # no event of the run that was stopped comes after it


def test_parameters_reach_the_run_once_and_those_of_one_message_together(drive: Drive) -> None:
    driver = drive("echo")
    driver.start(paused=True)
    driver.send_command("set_params", {"a": 1})
    driver.send_command("set_params", {"b": 2, "a": 3})
    driver.send_command("step")
    assert driver.until(Unit(1)) == ["paused", "paused", Note({"a": 3, "b": 2}), Unit(1)]
    driver.send_command("step")
    assert driver.until(Unit(2)) == ["paused", Unit(2)]


def test_commands_that_come_after_the_end_do_not_reach_the_next_run(drive: Drive) -> None:
    driver = drive("count")
    driver.start(1)
    assert driver.until("done") == ["running", Unit(("", 0)), "done"]
    late = driver.run
    driver.start(2, paused=True)
    for command in ("stop", "resume"):
        late.send_command(command)
    late.kill()
    assert driver.next() == "paused"
    assert driver.is_silent()
    driver.send_command("resume")
    assert driver.until("done") == ["running", Unit(("", 0)), Unit(("", 1)), "done"]


def test_many_steps_come_in_few_messages_and_the_last_of_a_pause_at_once(drive: Drive) -> None:
    driver = drive("endless")
    batches: list[int] = []
    receive = driver._receive
    driver._receive = lambda message: (batches.append(message), receive(message))
    driver.start()
    driver.until(Unit(("", 2000)))
    driver.send_command("pause")
    driver.until("paused")
    number = driver.last.value[1]
    steps = sum(len(message.events) for message in batches if isinstance(message, EventBatch))
    assert steps == number + 1
    assert len(batches) < steps / 10


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


def test_the_last_steps_before_a_failure_are_sent(drive: Drive) -> None:
    driver = drive("diverging")
    driver.start()
    assert driver.next() == "running"
    assert [driver.next() for _ in range(20)] == [Unit(("", number)) for number in range(20)]
    assert driver.until_end().message == "diverged"


def test_a_receiver_that_fails_leaves_no_worker_that_nobody_listens_to(drive: Drive) -> None:
    driver = drive("endless")

    receive, failures = driver._receive, [ArithmeticError]

    def fail_once(message: WorkerMessage) -> None:
        if failures:
            raise failures.pop()
        receive(message)

    driver._receive = fail_once
    driver.start()
    assert driver.until_end().kind == "WorkerDied"
    driver.start()
    driver.first_unit()


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
    driver.send_command("stop")
    driver.start()
    other = driver.first_unit()
    assert other != pid
    assert process_ended(pid)


def test_nobody_waits_for_a_worker_that_does_not_listen(drive: Drive) -> None:
    driver = drive("hanging")
    driver.start()
    driver.first_unit()
    for turn in range(20_000):  # more than a pipe holds; what a caller would wait for never comes
        driver.send_command("set_params", {"temperature": turn})
    driver.send_command("stop")
    driver.run.kill()
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
        driver.send_command("pause")
    if state != "running":
        driver.until(state)
    driver.worker.close()
    assert process_ended(pid)
    left = [driver.messages.get() for _ in range(driver.messages.qsize())]
    assert all(isinstance(message, Unit) for message in left)


PARENT = """
import queue, threading
from fake_events import Unit
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import RunRequest
from kdlab.runs.worker import Start
from kdlab.runs.worker_process import WorkerProcess

messages = queue.Queue()
request = RunRequest("test", "fake_events:{target}", ({argument}), "", Unit, "", "")
run = WorkerProcess(lambda _: None).start(Start(request, Limits(), None, False), messages.put)
messages.get()
print(messages.get().events[0].value, flush=True)
if "{then}" == "pause":
    run.send_command("pause")
while "{then}" == "done" and getattr(messages.get(), "state", "") != "done":
    pass
threading.Event().wait()
"""


def test_a_program_that_ends_without_closing_its_worker_ends() -> None:
    code = PARENT.format(target="endless", argument="", then="").replace("threading.Event().wait()", "")
    ended = subprocess.run([sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert process_ended(int(ended.stdout))


@pytest.mark.parametrize(
    ("target", "argument", "then"),
    [("endless", "", "go on"), ("endless", "", "pause"), ("failing", "None,", "done")],
    ids=["running", "paused", "idle"],
)
def test_the_worker_goes_when_its_parent_is_killed(target: str, argument: str, then: str) -> None:
    code = PARENT.format(target=target, argument=argument, then=then)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=TESTS,
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
