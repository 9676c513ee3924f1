"""A run in a folder, written to a real disk and read back."""

import json
from pathlib import Path

import pytest
import torch
from refusals import refusal
from torch import nn

from kdlab.datasets import load as load_data
from kdlab.distillation.distill import distill
from kdlab.distillation.result import DistillResult
from kdlab.distillation.run_folder import NETWORKS, check_free, load, save
from kdlab.metrics.classification import count_errors
from kdlab.registry import InputError
from kdlab.train.evaluate import predict
from kdlab.train.history import History

# Options for a teacher that is to be trained are given with one that is.
pytestmark = pytest.mark.filterwarnings("ignore::kdlab.registry.InputWarning")
OPTIONS = {"epochs": 1, "teacher_epochs": 1, "transfer_size": 200}


@pytest.fixture(scope="module")
def run() -> DistillResult:
    return distill("digits", "cnn:width=4", "mlp:16x1", **OPTIONS)  # a CNN, whose batch norm has buffers too


def test_round_trip(run: DistillResult, tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where" / "run"
    save(run, folder)
    names = {"spec.json", "result.json", "history.npz", *(f"{network}.safetensors" for network in NETWORKS)}
    assert {path.name for path in folder.iterdir()} == names
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["some"]
    result = json.loads((folder / "result.json").read_text())
    assert result == json.loads(json.dumps(run.result))
    test = load_data("digits").test
    for network in NETWORKS:
        module = load(folder, network)
        assert not module.training
        logits = predict(module, test)
        original = getattr(run, network)
        assert torch.equal(logits, predict(original.cpu(), test))
        assert count_errors(logits.numpy(), test.labels.numpy()) == result[network]["errors"]
    history = History.load(folder / "history.npz")
    assert history.result == result
    assert history.errors["student"] == run.history.errors["student"]


class Tied(nn.Module):
    """Two names for one tensor, which safetensors refuses to write as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(inputs.flatten(1)))[:, :10]


def test_modules_made_in_python(run: DistillResult, tmp_path: Path) -> None:
    mine = distill("digits", run.teacher, Tied(), **OPTIONS)
    save(mine, tmp_path / "run")
    assert "Tied" in refusal(load, tmp_path / "run", "student")
    test = load_data("digits").test
    for network in ("student", "baseline"):
        again = load(tmp_path / "run", network, Tied())
        assert torch.equal(predict(again, test), predict(getattr(mine, network).cpu(), test))
    assert "another build" in refusal(load, tmp_path / "run", "student", nn.Linear(64, 10))


def test_only_free_folders(run: DistillResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    save(run, empty)
    before = {path.name: path.read_bytes() for path in empty.iterdir()}
    file = tmp_path / "file"
    file.write_text("mine")
    for taken in (empty, file, file / "below"):
        refusal(check_free, taken)
        refusal(save, run, taken)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    refusal(check_free, Path())
    assert {path.name: path.read_bytes() for path in empty.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "here"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(
    run: DistillResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write = Path.write_bytes

    def fail(path: Path, content: bytes) -> int:
        write(path, content)
        raise error

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        save(run, tmp_path / "parent" / "run")
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_loaded(run: DistillResult, tmp_path: Path) -> None:
    assert "no run in" in refusal(load, tmp_path / "nowhere", "student")
    assert "no run in" in refusal(load, tmp_path, "student")
    folder = tmp_path / "run"
    save(run, folder)
    assert "teacher, baseline, student" in refusal(load, folder, "pupil")
    for name in ("student.safetensors", "result.json", "spec.json"):
        whole = (folder / name).read_bytes()
        for damage in (whole[: len(whole) // 2], b"", b"\xff\xfe", b"[1]", b"{}" if name != "spec.json" else b"null"):
            (folder / name).write_bytes(damage)
            refusal(load, folder, "student")
        (folder / name).unlink()
        refusal(load, folder, "student")
        (folder / name).write_bytes(whole)
    load(folder, "student")
