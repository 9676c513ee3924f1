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
from fake_events import Unit

import kdlab.experiments  # noqa: F401  (fills the registry)
from kdlab.cli import main
from kdlab.experiments.framework.distributed import distributed_events
from kdlab.experiments.framework.events import ExperimentFinished, ExperimentPlanned, JobStarted, JobValidated
from kdlab.experiments.framework.run import reproduce_events
from kdlab.registry import EXPERIMENTS
from kdlab.runs.executors.dask import DaskExecutor
from kdlab.runs.protocol import Files, RunRequest
from kdlab.runs.worker import ENDS, Message, Status
from kdlab.train.spec import Spec

SETTINGS: dict[str, Any] = {
    "dataset": "digits", "teacher": "mlp:12x1", "student": "mlp:8x1", "teacher_epochs": 2, "epochs": 4, "seeds": 3,
}  # fmt: skip


class Counted:
    """An engine that notes how many runs go on at once."""

    def __init__(self, engine: DaskExecutor) -> None:
        self._engine, self.now, self.most = engine, 0, 0
        self.tell, self.close = engine.tell, engine.close

    @property
    def slots(self) -> int:
        return self._engine.slots

    def start(
        self, run: str, job: RunRequest, paused: bool, checkpoint: Files | None, receive: Callable[[Message], None]
    ) -> None:
        def hear(message: Message) -> None:
            self.now -= isinstance(message, Status) and message.state in ENDS
            receive(message)

        self.now += 1
        self.most = max(self.most, self.now)
        self._engine.start(run, job, paused, checkpoint, hear)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, without the keys that the pool of `kdlab app --public` gives itself."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def engine(cluster: LocalCluster) -> Iterator[DaskExecutor]:
    engine = DaskExecutor(cluster.scheduler_address, None, None)
    yield engine
    engine.close()


def spread(engine: Any, name: str, folder: Path, settings: dict[str, Any]) -> Any:
    kind: Any = EXPERIMENTS[name].build
    return distributed_events(engine, kind.of_size(True, **settings), name, folder, True, settings)


def numbers(report: Any) -> dict[str, Any]:
    """What must not depend on who trained it, as JSON has it."""
    return json.loads(json.dumps({key: report[key] for key in report if key not in ("seconds", "pieces")}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    *_, end = reproduce_events("early-stopping", tmp_path_factory.mktemp("whole"), True, SETTINGS)
    assert isinstance(end, ExperimentFinished)
    return numbers(end.report)


def test_two_workers_come_to_the_same_report(engine: DaskExecutor, whole: dict[str, Any], tmp_path: Path) -> None:
    counted = Counted(engine)
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


def test_a_distillation(engine: DaskExecutor) -> None:
    spec = Spec.suggested("digits", teacher="mlp:16x1", student="mlp:8x1", epochs=1, teacher_epochs=1)
    messages: queue.Queue[Message] = queue.Queue()
    job = RunRequest("distil", "kdlab.distillation.distill:distill_events", (spec,), "", Unit, "", "")
    engine.start("run", job, False, None, messages.put)
    seen = [messages.get(timeout=60)]
    while not (isinstance(seen[-1], Status) and seen[-1].state in ENDS):
        seen.append(messages.get(timeout=60))
    assert seen[-1] == Status("done")
    assert "student" in seen[-2].event.result["validation"]


def test_what_workers_refuse_is_said(engine: DaskExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click import ClickException

    monkeypatch.setattr("kdlab.experiments.framework.trainer.RECIPE", -1)  # another recipe than the workers'
    with pytest.raises(ClickException, match="both need the same kdlab"):
        list(spread(engine, "early-stopping", tmp_path / "refused", SETTINGS))


def test_a_piece_whose_worker_dies_is_begun_again(
    engine: DaskExecutor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SETTINGS | {"epochs": 60, "seeds": 1}
    before = {child.pid for child in psutil.Process().children(recursive=True) if "spawn_main" in str(child.cmdline())}
    killed, end = False, None
    for event in spread(engine, "early-stopping", tmp_path / "killed", settings):
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
