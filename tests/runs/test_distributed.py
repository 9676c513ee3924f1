"""`kdlab reproduce` with a pool: the same report, number for number, from several workers."""

import json
import os
import queue
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from click.testing import CliRunner
from distributed import LocalCluster

import kdlab.experiments  # noqa: F401  (fills the registry)
from kdlab.cli import main
from kdlab.distillation.request import distill_request
from kdlab.experiments.framework.distributed import distributed_events
from kdlab.experiments.framework.events import ExperimentFinished, ExperimentPlanned, JobStarted, JobValidated
from kdlab.experiments.framework.run import reproduce_events
from kdlab.registry import EXPERIMENTS
from kdlab.runs.executors.dask import DaskExecutor, DaskRun
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, EventBatch, Files, RunRequest, Status, WorkerMessage
from kdlab.train.events import Done
from kdlab.train.spec import Spec

SETTINGS: dict[str, Any] = {
    "dataset": "digits", "teacher": "mlp:12x1", "student": "mlp:8x1", "teacher_epochs": 2, "epochs": 4, "seeds": 3,
}  # fmt: skip


class Counted:
    """An executor that counts how many runs go on at once."""

    def __init__(self, executor: DaskExecutor) -> None:
        self._executor, self.running, self.most = executor, 0, 0
        self.close = executor.close

    @property
    def slots(self) -> int:
        return self._executor.slots

    def start(
        self,
        request: RunRequest,
        limits: Limits,
        checkpoint: Files | None,
        paused: bool,
        receive: Callable[[WorkerMessage], None],
    ) -> DaskRun:
        def pass_on(message: WorkerMessage) -> None:
            self.running -= isinstance(message, Status) and message.state in ENDS
            receive(message)

        self.running += 1
        self.most = max(self.most, self.running)
        return self._executor.start(request, limits, checkpoint, paused, pass_on)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, without the keys that the pool of `kdlab app --public` gives itself."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def executor(cluster: LocalCluster) -> Iterator[DaskExecutor]:
    executor = DaskExecutor(cluster.scheduler_address, None)
    yield executor
    executor.close()


def spread(executor: Any, name: str, folder: Path, settings: dict[str, Any]) -> Any:
    kind: Any = EXPERIMENTS[name].build
    return distributed_events(executor, kind.of_size(True, **settings), name, folder, True, settings)


def numbers(report: Any) -> dict[str, Any]:
    """What must not depend on who trained it, as JSON has it."""
    return json.loads(json.dumps({key: report[key] for key in report if key not in ("seconds", "pieces")}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    *_, end = reproduce_events("early-stopping", tmp_path_factory.mktemp("whole"), True, SETTINGS)
    assert isinstance(end, ExperimentFinished)
    return numbers(end.report)


def test_two_workers_come_to_the_same_report(executor: DaskExecutor, whole: dict[str, Any], tmp_path: Path) -> None:
    counted = Counted(executor)
    events = list(spread(counted, "early-stopping", tmp_path / "new", SETTINGS))
    assert numbers(events[-1].report) == whole
    labels = [event.label for event in events if isinstance(event, JobStarted)]
    assert labels[0] == "teacher"  # which all seeds share, once
    assert sorted(labels[1:]) == [f"students, seed {seed}" for seed in range(3)]
    assert counted.most == 2
    assert sum(isinstance(event, JobValidated) for event in events) >= 3 * 4
    again = list(spread(counted, "early-stopping", tmp_path / "new", SETTINGS))
    assert [type(event) for event in again] == [ExperimentPlanned, ExperimentFinished]
    assert numbers(again[-1].report) == whole


def test_the_command_with_a_scheduler(cluster: LocalCluster, whole: dict[str, Any], tmp_path: Path) -> None:
    pairs = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    line = ["reproduce", "early-stopping", "--quick", *pairs, "--json", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, line, env={"DASK_SCHEDULER_ADDRESS": cluster.scheduler_address})
    assert result.exit_code == 0, result.output
    assert numbers(json.loads(result.stdout)) == whole
    assert "students, seed 2" in result.stderr
    refused = CliRunner().invoke(main, [*line, "--scheduler", "nonsense://x"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "no address of a Dask scheduler" in refused.stderr


def test_a_distillation(executor: DaskExecutor) -> None:
    spec = Spec.suggested("digits", teacher="mlp:16x1", student="mlp:8x1", epochs=1, teacher_epochs=1)
    messages: queue.Queue[WorkerMessage] = queue.Queue()
    executor.start(distill_request(spec), Limits(), None, False, messages.put)
    received = [messages.get(timeout=60)]
    while not (isinstance(received[-1], Status) and received[-1].state in ENDS):
        received.append(messages.get(timeout=60))
    assert received[-1] == Status("done")
    events = [event for message in received if isinstance(message, EventBatch) for event in message.events]
    (done,) = (event for event in events if isinstance(event, Done))
    assert "student" in done.result["validation"]


def test_what_workers_refuse_is_said(executor: DaskExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click import ClickException

    monkeypatch.setattr("kdlab.experiments.framework.trainer.RECIPE", -1)  # another recipe than the workers'
    with pytest.raises(ClickException, match="both need the same kdlab"):
        list(spread(executor, "early-stopping", tmp_path / "refused", SETTINGS))


def test_a_piece_whose_worker_dies_is_begun_again(
    executor: DaskExecutor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SETTINGS | {"epochs": 60, "seeds": 1}
    before = {child.pid for child in psutil.Process().children(recursive=True) if "spawn_main" in str(child.cmdline())}
    killed, end = False, None
    for event in spread(executor, "early-stopping", tmp_path / "killed", settings):
        if isinstance(event, JobValidated) and event.label.startswith("students") and not killed:
            killed = True
            for pid in before:
                os.kill(pid, signal.SIGKILL)
        end = event
    *_, usual = reproduce_events("early-stopping", tmp_path / "usual", True, settings)
    assert isinstance(end, ExperimentFinished)
    assert isinstance(usual, ExperimentFinished)
    assert numbers(end.report) == numbers(usual.report)
    assert "It is begun again." in capsys.readouterr().err
