"""Two servers of runs on one folder, as of two processes or machines: each run belongs to one of them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver import register_tally, subscribed, tally

from kdlab.registry import InputError
from kdlab.runs.executors.local import LocalExecutor
from kdlab.runs.protocol import ENDS
from kdlab.runs.server import RunServer
from kdlab.runs.store import ELSEWHERE, HEARTBEAT_TIMEOUT, RunStore


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RunServer]]:
    monkeypatch.setattr("kdlab.runs.server.HEARTBEAT_INTERVAL", 0.1)
    register_tally(tmp_path / "record", monkeypatch)
    made = [RunServer(LocalExecutor(), RunStore(tmp_path)) for _ in range(2)]
    yield made
    for server in made:
        server.close()


def test_a_run_belongs_to_one_server_and_then_to_the_other(servers: list[RunServer]) -> None:
    first, second = servers
    run = first.submit(tally("saving", 200_000))
    receiver, _ = subscribed(first, run)
    receiver.value(lambda value: value > 3)
    (info,) = second.runs()
    assert (info.run, info.state in ENDS) == (run, False)
    for refused in (lambda: second.subscribe(run, print), lambda: second.submit(tally("count", 1), resumed_run=run)):
        with pytest.raises(InputError, match="Another kdlab"):
            refused()
    with pytest.raises(InputError, match="still going on"):
        second.delete(run)
    second.send_command(run, "stop")  # nothing happens
    first.send_command(run, "stop")
    receiver.state("stopped")
    reached = receiver.values()[-1]
    first.unsubscribe(run, 0)
    assert second.submit(tally("saving", 200_000), resumed_run=run) == run
    resumed, _ = subscribed(second, run)
    assert resumed.value(lambda value: isinstance(value, int)) > 3
    assert reached > 3
    with pytest.raises(InputError, match="Another kdlab"):
        first.subscribe(run, print)
    second.send_command(run, "stop")
    resumed.state("stopped")
    first.delete(run)
    assert second.runs() == []


def test_a_server_that_slept_stops_a_run_that_another_has_taken(servers: list[RunServer], tmp_path: Path) -> None:
    """A laptop that wakes up must not write over what another machine went on with."""
    first, second = servers
    run = first.submit(tally("saving", 200_000))
    receiver, _ = subscribed(first, run)
    receiver.value(lambda value: value > 3)
    (claim,) = (tmp_path / "files" / run).glob("claim-*")
    while claim.exists():  # between two of its heartbeats
        os.utime(claim, (time.time() - HEARTBEAT_TIMEOUT - 1,) * 2)
        try:
            second.submit(tally("saving", 200_000), resumed_run=run)
        except InputError:
            continue
    end = receiver.state(*ENDS)
    assert (end.kind, end.message) == ("Limit", ELSEWHERE)
    resumed, _ = subscribed(second, run)
    resumed.value()
    assert second.info(run).state not in ENDS  # the end of the first is not written over it
    second.send_command(run, "stop")
    assert resumed.state(*ENDS).state == "stopped"
