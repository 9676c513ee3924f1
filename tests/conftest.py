import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

# Before torch is imported, and for the processes that tests start: on busy cores a second thread made image networks
# 40 times slower here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The runs of whoever runs the tests stay as they are; what the tests start adds none to them.
_runs = tempfile.TemporaryDirectory(prefix="kdlab-test-runs-", ignore_cleanup_errors=True)
os.environ["KDLAB_RUNS"] = _runs.name


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share the whole suite between the cores; what is named by hand runs in this process, where one can look at it."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return min(os.cpu_count() or 1, 4) if whole else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what shares a Chromium last: Playwright keeps this thread's event loop to itself while it is open.

    A file is either all or nothing of that, as each is run by one process.
    """
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))
    # On a busy machine Voilà or anywidget loses a widget now and then ("model not found"), of which a person would load
    # the page again: so does a test, once, and the summary says so.
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pages in this process have their runs at a desk of their own, which keeps them for this test alone."""
    from kdlab.runs.client import the_server

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
