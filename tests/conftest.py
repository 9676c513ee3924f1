import multiprocessing.util
import os
import socket
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from shared_workers import SharedWorkers
    from xdist.scheduler.protocol import Scheduling

# Before torch is imported, and for the processes that tests start: on busy cores a second thread made image networks
# 40 times slower here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The runs of whoever runs the tests stay as they are; what the tests start adds none to them.
_runs = tempfile.TemporaryDirectory(prefix="kdlab-test-runs-", ignore_cleanup_errors=True)
os.environ["KDLAB_RUNS"] = _runs.name
# Each test has one of these marks: its own, or else that of its folder or file, or else that of a fixture that it uses.
KINDS = {"unit", "process", "browser"}
OF_FOLDERS = {"browser": "browser", "runs": "process", "test_cli.py": "process"}
OF_FIXTURES = {"chromium": "browser", "context": "browser", "own_server": "process", "site": "process"}
# Files that one process runs, so that what takes long is made once: here the experiments from beginning to end.
TOGETHER = {
    "tests/experiments/test_distributed_jobs.py",
    "tests/experiments/test_every_experiment.py",
    "tests/train/test_seal.py",
}


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share the whole suite between the cores; what is named by hand runs in this process, where one can look at it."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return min(os.cpu_count() or 1, 4) if whole else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> "Scheduling | None":
    """Share files out as `--dist loadfile` does, but some of them together."""
    from xdist.scheduler import LoadFileScheduling

    class TogetherScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "together" if file in TOGETHER else file

    return TogetherScheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its kind, and put them into order.

    What shares a browser comes last, as Playwright keeps the event loop of this thread while it is open. A file is
    either all or nothing of that, as each is run by one process.
    """
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in KINDS):
            item.add_marker(_kind(item))
        # On a busy machine Voilà or anywidget loses a widget now and then ("model not found"), of which a person would
        # load the page again: so does a test, once, and the summary says so.
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, bool, bool]:
    """Return when a test has its turn: of those with a browser the longest first, so that no process has them left."""
    fixtures = getattr(item, "fixturenames", ())
    return "playwright" in fixtures, "serve" not in fixtures, "open_in_lab" not in fixtures


def _kind(item: pytest.Item) -> str:
    place = item.path.relative_to(Path(__file__).parent).parts[0]
    uses = [kind for fixture, kind in OF_FIXTURES.items() if fixture in getattr(item, "fixturenames", ())]
    return OF_FOLDERS.get(place) or (uses or ["unit"])[0]


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a unit test that starts a process or opens a socket."""

    def refuse(*arguments: object, **options: object) -> NoReturn:
        pytest.fail("a test that starts a process or opens a socket needs the mark `process`")

    if request.node.get_closest_marker("unit"):
        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
        monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", refuse)
        monkeypatch.setattr(socket.socket, "bind", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def shared_workers() -> "Iterator[SharedWorkers]":
    """The worker processes of all tests of this process that have a server of their own."""
    from shared_workers import SharedWorkers

    workers = SharedWorkers()
    yield workers
    workers.end()


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_workers: "SharedWorkers") -> Iterator[None]:
    """Let pages in this process have their runs at a server of their own, which keeps them for this test alone."""
    from kdlab.runs.client import the_server
    from kdlab.runs.executors import local

    monkeypatch.setattr(local, "LocalExecutor", lambda: shared_workers)
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("KDLAB_RUN_SERVER", raising=False)
    the_server.cache_clear()
    yield
    if the_server.cache_info().currsize:
        the_server().close()
    the_server.cache_clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what is skipped for want of data where CI was given the folder of data: it has all of them."""
    report = yield
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
    if os.environ.get("CI") == "true" and os.environ.get("KDLAB_DATA") and "KDLAB_DATA" in reason:
        report.outcome, report.longrepr = "failed", f"must not be skipped in CI: {reason}"
    return report
