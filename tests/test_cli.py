"""`kdlab distill` as people run it: real processes, real runs on the digits."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from refusals import command_refusal
from terminals import run_until

from kdlab.cli import main, progress
from kdlab.distillation.run_folder import load
from kdlab.registry import DATASETS, LOSSES, MODELS
from kdlab.runs.client import the_server
from kdlab.runs.store import RunStore
from kdlab.train.spec import Spec

KDLAB = Path(sys.executable).with_name("kdlab")
NETWORKS = ["--teacher", "mlp:32x1", "--student", "mlp:8x1"]
SMALL = ["distill", "--dataset", "digits", *NETWORKS, "--epochs", "2", "--teacher-epochs", "2"]


def kdlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    return subprocess.run([KDLAB, *arguments], capture_output=True, text=True)


@pytest.mark.process
def test_help_is_quick_and_complete() -> None:
    began = time.perf_counter()
    assert "distill" in kdlab("--help").stdout
    assert time.perf_counter() - began < 3  # 0.3 s on an idle machine; torch alone would take 2 to 5
    code = "import sys, kdlab.cli; print(*{'torch', 'voila', 'jupyterlab', 'rich'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "\n"
    text = " ".join(CliRunner().invoke(main, ["distill", "--help"], terminal_width=100_000).output.split())
    knobs = [*Spec.run_knobs().values(), *(knob for entry in LOSSES.values() for knob in entry.knobs)]
    for knob in knobs:
        assert f"--{knob.key.replace('_', '-')} " in text
        assert knob.help in text
    for registry in (DATASETS, MODELS, LOSSES):
        assert ", ".join(registry.examples()) in text


@pytest.mark.process
def test_json_and_saved_run(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    line = (*SMALL, "--temperature", "3", "--no-t-squared", "--json")
    run, again = kdlab(*line, "--out", str(folder)), CliRunner().invoke(main, line)
    assert (run.returncode, run.stderr, again.exit_code, again.stderr) == (0, "", 0, "")
    results = []
    for output in (run.stdout, again.stdout):
        assert output.count("\n") == 1
        results.append(json.loads(output))
    result = results[0]
    for network in ("teacher", "baseline", "student"):
        assert result[network]["errors"] == round((1 - result[network]["accuracy"]) * result["examples"])
    assert result["seconds"].keys() == {"teacher", "student"}
    assert result["device"]
    assert (result["spec"]["epochs"], result["spec"]["student"], result["spec"]["knobs"]["temperature"]) == (
        2,
        "mlp:8x1",
        3,
    )
    assert not result["spec"]["knobs"]["t_squared"]
    assert result == json.loads((folder / "result.json").read_text())
    assert sum(p.numel() for p in load(folder, "student").parameters()) == result["parameters"]["student"]
    for one in results:
        del one["seconds"]
    assert results[0] == results[1]


def test_table() -> None:
    result = CliRunner().invoke(main, SMALL)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for network in ("teacher", "baseline", "student"):
        row = next(line for line in lines if line.split()[:1] == [network])
        assert row.count("%") == 2
    assert "McNemar" in result.stdout or "equally many" in result.stdout
    assert lines[-1].endswith("on cpu") or "s student, on" in lines[-1]


def test_unknown_names_list_the_known() -> None:
    for option, name, known in (
        ("--dataset", "mnits", "mnist"),
        ("--teacher", "mlpp:8x1", "mlp:16x1"),
        ("--student", "", "mlp:16x1"),
        ("--loss", "hint", "hinton"),
    ):
        assert known in command_refusal(CliRunner().invoke(main, ["distill", option, name]))


@pytest.mark.parametrize(
    "given",
    [
        "--epochs 0",
        "--epochs many",
        "--epochs 1.5",
        "--seed -1",
        "--learning-rate nan",
        "--temperature 0",
        "--soft-weight 1e9",
        "--student mlp:banana",
        "--dataset digits:x",
        "--dataset folder:/nowhere/at/all",
        "--transfer-size 100000",
    ],
)
def test_bad_values(given: str) -> None:
    command_refusal(CliRunner().invoke(main, [*SMALL, *given.split()]))


def test_divergence() -> None:
    assert "learning rate" in command_refusal(CliRunner().invoke(main, [*SMALL, "--learning-rate", "10"]), status=1)


def test_a_taken_folder_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    result = CliRunner().invoke(main, ["distill", "--epochs", "100000", "--out", str(tmp_path)])
    assert str(tmp_path) in command_refusal(result)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.fixture
def stored_runs(tmp_path: Path) -> dict[str, str]:
    """The environment of commands whose runs are stored in a folder of this test."""
    return os.environ | {"KDLAB_RUNS": str(tmp_path / "runs")}


@pytest.mark.process
def test_bars_on_a_terminal_and_ctrl_c(tmp_path: Path, stored_runs: dict[str, str]) -> None:
    command = [KDLAB, *SMALL, "--json", "--epochs", "100000", "--out", str(tmp_path / "run")]
    status, output, seen = run_until("Student", command, signal.SIGINT, stored_runs)
    assert (status, output) == (130, "")
    assert "validation errors of 143: teacher" in seen
    assert "Traceback" not in seen
    last = seen.rstrip().splitlines()[-1]
    assert last.startswith(("Stopped before the first checkpoint", "Stopped. To go on"))
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_run_is_listed_while_it_trains_and_resumes_after_sigterm(tmp_path: Path, stored_runs: dict[str, str]) -> None:
    def runs(*arguments: str) -> str:
        return subprocess.check_output([KDLAB, "runs", *arguments], text=True, env=stored_runs)

    whole = json.loads(kdlab(*SMALL, "--json", "--epochs", "250").stdout)
    assert runs().startswith("No runs are kept")
    command = [KDLAB, *SMALL, "--epochs", "250"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=stored_runs
    ) as process:
        files = tmp_path / "runs" / "files"
        while not (checkpoints := list(files.glob("*/checkpoint.zip"))):
            assert process.poll() is None
        run = checkpoints[0].parent.name
        assert json.loads(runs("show", run, "--json"))["state"] in ("starting", "running")
        process.terminate()
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert f"kdlab distill --resume {run}" in errors
    assert "can go on" in runs()
    options = ("--resume", run, "--json", "--out", str(tmp_path / "out"))
    resumed = subprocess.run([KDLAB, "distill", *options], capture_output=True, text=True, env=stored_runs)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert {**json.loads(resumed.stdout), "seconds": None} == {**whole, "seconds": None}
    assert sum(p.numel() for p in load(tmp_path / "out", "student").parameters()) == whole["parameters"]["student"]
    assert "done" in runs("show", run)
    runs("delete", run)
    assert runs().startswith("No runs are kept")


def test_runs_that_are_not_there() -> None:
    assert "kdlab runs" in command_refusal(CliRunner().invoke(main, ["runs", "show", "nothing"]))
    assert "not among yours" in command_refusal(CliRunner().invoke(main, ["runs", "delete", "nothing"]))
    assert "kdlab runs" in command_refusal(CliRunner().invoke(main, ["distill", "--resume", "nothing"]))


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.0)
    result = CliRunner().invoke(main, [*SMALL, "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)
    lines = result.stderr.splitlines()
    assert re.fullmatch(r"\d\d:\d\d student: step \d+ of 80 \(100%\), validation errors of 143: .*", lines[-1])
    assert all("\x1b" not in line for line in lines)


def test_a_folder_that_cannot_hold_runs_does_not_stop_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    environment = os.environ | {"KDLAB_RUNS": str(tmp_path / "file" / "runs")}
    done = subprocess.run([KDLAB, *SMALL, "--json"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert json.loads(done.stdout)
    assert done.stderr.startswith("The run is not among those on the page Runs: Runs cannot be kept in ")


def test_weights_that_found_no_room_are_written_from_memory(tmp_path: Path, stored_runs: dict[str, str]) -> None:
    environment = stored_runs | {"KDLAB_LIMIT_DISK_BYTES": "3000"}
    command = [KDLAB, *SMALL, "--json", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "no room" in done.stderr
    assert load(tmp_path / "out", "student")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_does_not_stop_the_command(tmp_path: Path) -> None:
    (tmp_path / "runs" / "files").mkdir(parents=True)
    (tmp_path / "runs" / "files").chmod(0o555)
    environment = os.environ | {"KDLAB_RUNS": str(tmp_path / "runs")}
    done = subprocess.run([KDLAB, *SMALL, "--json"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("The run is not among those on the page Runs: ")


def test_the_list_shows_names_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    store = RunStore(tmp_path)
    store.create("a", visitor="", kind="distil", label="on folder:x[/b] [old] \x1b[31m", page="distil", config={})
    the_server.cache_clear()
    for arguments in (["runs"], ["runs", "show", "a"]):
        shown = CliRunner().invoke(main, arguments)
        assert shown.exit_code == 0, shown.output
        assert "on folder:x[/b] [old] [31m" in shown.stdout
    the_server().close()
    the_server.cache_clear()


@pytest.mark.parametrize("words", [["--resume", ""], ["--resume", "x", "--epochs", "3"]])
def test_a_run_that_cannot_be_resumed(words: list[str]) -> None:
    assert "kdlab runs" in command_refusal(CliRunner().invoke(main, ["distill", *words]))
