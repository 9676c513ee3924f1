"""`kdlab reproduce` as people run it: a real experiment on the digits with tiny networks."""

import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from refusals import command_refusal
from safetensors.torch import load
from terminals import run_until

from kdlab.assets.make_results import FOLDER, judge, table
from kdlab.cli import main
from kdlab.experiments.framework import report_files
from kdlab.paths import experiments_folder
from kdlab.registry import EXPERIMENTS, InputError

KDLAB = Path(sys.executable).with_name("kdlab")
SETTINGS = {"dataset": "digits", "network": "mlp:16x1", "augmentation": "none", "members": 2, "temperatures": "2,5"}
PIECES = ["2 networks, seed 0", "dropout, seed 0", "distilled, seed 0"]


def command(**changes: Any) -> list[str]:
    pairs = [f"{key}={value}" for key, value in {**SETTINGS, "epochs": 1, **changes}.items()]
    return ["reproduce", "ensemble", "--quick", *(word for pair in pairs for word in ("--set", pair))]


def reproduce(*more: str, **changes: Any) -> Result:
    result = CliRunner().invoke(main, [*command(**changes), *more])
    assert result.exit_code == 0, result.output
    return result


def numbers(folder: Path) -> dict[str, Any]:
    """What must not depend on interruptions."""
    report = json.loads((folder / "report.json").read_text())
    return {key: report[key] for key in ("settings", "rows", "claims", "charts", "chosen")}


def test_help_lists_the_experiments() -> None:
    text = " ".join(CliRunner().invoke(main, ["reproduce", "--help"], terminal_width=100_000).output.split())
    assert EXPERIMENTS
    for entry in EXPERIMENTS.values():
        assert f"{entry.key} {entry.label}: {entry.help}" in text


def test_json(tmp_path: Path) -> None:
    result = reproduce("--seeds", "2", "--json", "--out", str(tmp_path / "new" / "folder"))
    assert result.stdout.count("\n") == 1
    report = json.loads(result.stdout, parse_constant=pytest.fail)  # JSON knows no NaN
    assert result.stdout == (tmp_path / "new/folder/report.json").read_text(encoding="utf-8")
    assert report["settings"].items() >= {**SETTINGS, "epochs": 1, "seeds": 2}.items()
    assert (report["experiment"], report["size"]) == ("ensemble", "quick")
    assert report["seconds"] > 0
    assert report["versions"].keys() == {"kdlab", "torch", "python"}
    errors = report["rows"][0]
    assert errors["mean"] == pytest.approx(np.mean(errors["values"]))
    assert errors["deviation"] == pytest.approx(np.std(errors["values"], ddof=1))
    found = report_files.load(tmp_path / "new" / "folder")
    assert found is not None
    kind: Any = EXPERIMENTS["ensemble"].build
    values = {knob.key: knob.default for knob in kind.sliders}
    tiles = dict(kind.rescore(found[1], "", values).tiles)
    wrong = int((found[1]["student"].argmax(1) != found[1]["labels"]).sum())
    assert tiles["distilled single network"] == f"{wrong} errors"


def without(*names: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(report: dict[str, Any], arrays: dict[str, Any]) -> None:
        for name in names:
            arrays.pop(name)

    return change


def cut(name: str, by: int) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda report, arrays: arrays.update({name: arrays[name][:-by]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda report, arrays: report["claims"][0].pop("kind"), "do not fit each other (KeyError: 'kind')"),
        (lambda report, arrays: report["claims"][0].update(kind="Odd"), "There is no kind of claims 'Odd'; there are"),
        (lambda report, arrays: report.pop("claims"), "do not fit each other"),
        (without("bits/12326/student"), "There is no outcome 'student'."),
        (cut("bits/12326/student", 3), "The outcome 'student' is of 2 seeds, but there are 5."),
        (cut("outcomes/labels", 5), "There are 12,326 groups for 12,321 labels"),
        (cut("outcomes/groups", 5), "There are 12,321 groups for 12,326 labels"),
    ],
)
def test_a_report_that_cannot_be_judged_anew_is_left_as_it_is(
    change: Callable[[dict[str, Any], dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    report, arrays = report_files.load(FOLDER, "speech") or ({}, {})
    change(report, arrays)
    report_files.save(report, arrays, tmp_path, "speech")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError) as refused:
        judge("speech", tmp_path)
    message = str(refused.value)
    assert message.startswith("The report speech.json cannot be judged anew")
    assert words in message
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.process
def test_only_known_reports_are_judged_anew(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no experiment .speach.\. Did you mean .speech.\? Known: .*ensemble"):
        judge("speach", tmp_path)
    found = subprocess.run(
        [sys.executable, "-m", "kdlab.assets.make_results", "--judge", "speach"], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("Error: There is no experiment 'speach'")


def test_what_is_shipped_was_judged_by_todays_rules(tmp_path: Path) -> None:
    report, arrays = report_files.load(FOLDER, "speech") or ({}, {})
    report_files.save(report, arrays, tmp_path, "speech")
    judge("speech", tmp_path)
    assert report_files.load(tmp_path, "speech")[0] == report


def test_table(tmp_path: Path) -> None:
    result = reproduce("--seeds", "2", "--out", str(tmp_path))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    lines = result.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == f"The report is in {tmp_path / 'report.json'}"
    text = " ".join(result.stdout.split())
    for row in report["rows"]:
        line = next(line for line in lines if line.strip().startswith(row["label"]))
        assert line.split()[-1] == row["unit"]
        assert report_files.format_measured(row) in line
        assert all(report_files.format_reference(row, source) in line for source in row["reference"])
    assert "86.4" in text
    assert "±" in text
    for source, citation in report["sources"].items():
        assert f"{source}: {citation}" in text
    verdicts = [claim["verdict"] for claim in report["claims"]]
    assert len(verdicts) == 3
    ends = [line.rstrip() for line in lines[lines.index(next(line for line in lines if "verdict" in line)) :]]
    assert [one for end in ends for one in set(verdicts) if end.endswith(f"  {one}")] == verdicts
    assert "Seeds 0, 1, mean" in text
    assert f"torch {report['versions']['torch']}" in text

    report_files.save(report, {}, tmp_path / "shipped", "ensemble")
    markdown = table(tmp_path / "shipped")
    first = f"| Ensemble into one network (2 seeds, {report['device']}) | share of the ensemble's gain kept |"
    assert first in markdown
    assert "| 86.4 (paper) |" in markdown
    for claim in report["claims"]:
        assert f"| {claim['text']} | {claim['measured']} | **{claim['verdict']}** |" in markdown


def test_without_a_folder_all_is_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert tmp_path in experiments_folder().parents
    reproduce()
    first = {path.name for path in experiments_folder().iterdir()}
    assert len([name for name in first if name.endswith(".safetensors") and "answers" not in name]) == len(PIECES)
    (report,) = (name for name in first if name.endswith(".json"))
    assert report.startswith("ensemble-quick-")  # the bare name is left to the settings as they are
    again = reproduce(temperatures="2,3")
    assert again.stderr.count(", kept from before\n") == 2
    assert len(list(experiments_folder().glob("ensemble-quick-*.json"))) == 2


@pytest.mark.process
def test_interrupted_and_resumed(tmp_path: Path) -> None:
    interrupted = tmp_path / "interrupted"
    line = [KDLAB, *command(epochs=300), "--out", str(interrupted)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = [next(process.stderr)]
        while not seen[-1].endswith(f"{PIECES[1]}\n"):  # begun when the piece before is on the disk
            seen.append(next(process.stderr))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.stdout.read() == ""
        assert process.wait() == 130
    assert any(line.startswith("About ") and "in 3 pieces. Ctrl-C stops it" in line for line in seen)
    assert rest == f"\nStopped: what is finished is kept in {interrupted}, and the same line goes on from there.\n"
    (piece,) = interrupted.iterdir()
    assert piece.suffix == ".safetensors"

    resumed = reproduce("--out", str(interrupted), epochs=300)
    assert "; 1 of 3 pieces are kept from before." in resumed.stderr
    assert f"{PIECES[0]}, kept from before\n" in resumed.stderr
    assert resumed.stderr.count(", kept from before\n") == 1
    reproduce("--out", str(tmp_path / "whole"), epochs=300)
    assert numbers(interrupted) == numbers(tmp_path / "whole")


@pytest.mark.process
def test_a_bar_on_a_terminal_and_sigterm(tmp_path: Path) -> None:
    line = [KDLAB, *command(epochs=10_000, members=30), "--out", str(tmp_path / "out")]
    status, output, seen = run_until("validation errors of 143: ", line, signal.SIGTERM)
    assert (status, output) == (130, "")
    assert "About " in seen
    assert "30 networks, seed 0" in seen
    assert "Traceback" not in seen
    assert seen.rstrip().endswith("the same line goes on from there.")
    assert not (tmp_path / "out").exists()


def test_a_damaged_piece_is_trained_anew(tmp_path: Path) -> None:
    reproduce("--out", str(tmp_path))
    whole = numbers(tmp_path)
    for piece in (path for path in tmp_path.glob("*.safetensors") if "answers" not in path.name):
        weights = load(piece.read_bytes())
        piece.write_bytes(piece.read_bytes()[:-1])
        again = reproduce("--out", str(tmp_path))
        assert again.stderr.count(", kept from before\n") == len(PIECES) - 1
        trained = load(piece.read_bytes())
        assert trained.keys() == weights.keys()
        assert all(torch.equal(trained[key], value) for key, value in weights.items())
        assert numbers(tmp_path) == whole


@pytest.mark.process
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "ensemble (Ensemble into one network)"),
        ("ensmble", "Did you mean 'ensemble'?"),
        ("ensemble:3", "colon"),
        ("ensemble --set epochs", "KEY=VALUE"),
        ("ensemble --set epochs=0", "1 to 10000"),
        ("ensemble --set epochs=1.5", "whole number"),
        ("ensemble --set share=nan", "from 0.1 to 100"),
        ("ensemble --set epoch=1", "members"),
        ("ensemble --set dataset=mnits", "Did you mean 'mnist'?"),
        ("ensemble --set dataset=digits --set network=mlp:banana", "banana"),
        ("ensemble --set dataset=digits --set temperatures=2,x", "2,x"),
        ("ensemble --seeds 0", "1 to 100"),
        ("ensemble --seeds many", "'many'"),
    ],
)
def test_bad_input(tmp_path: Path, given: str, said: str) -> None:
    result = CliRunner().invoke(main, ["reproduce", *given.split(), "--out", str(tmp_path / "out")])
    assert said in command_refusal(result, progress=True)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "deeper"):
        result = CliRunner().invoke(main, ["reproduce", "mnist", "--out", str(folder)])
        assert str(folder) in command_refusal(result)
        assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_reports_are_kept_whole(tmp_path: Path) -> None:
    assert report_files.load(tmp_path, "x") is None
    report_files.save({"share": math.nan, "rows": [1.5]}, {"labels": np.arange(3)}, tmp_path, "x")
    found = report_files.load(tmp_path, "x")
    assert found is not None
    assert found[0] == {"share": None, "rows": [1.5]}
    assert found[1]["labels"].tolist() == [0, 1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"x.json", "x.npz"}
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-30])
    with pytest.raises(InputError, match="damaged"):
        report_files.load(tmp_path, "x")
    report_files.save({"share": 1.0}, {}, tmp_path, "x")
    assert report_files.load(tmp_path, "x") == ({"share": 1.0}, {})
    (tmp_path / "x.json").write_text('{"share"')
    with pytest.raises(InputError, match="damaged"):
        report_files.load(tmp_path, "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--out"):
        report_files.save({}, {}, tmp_path / "file")
