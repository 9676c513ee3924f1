"""One's own files from Python: `Predictions.load` takes what the page opens, and a path may be text."""

import csv
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kdlab.distillation import run_folder
from kdlab.experiments.framework import report_files
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.io import portable_network
from kdlab.io.predictions import Predictions
from kdlab.pages import Temperature
from kdlab.registry import InputError
from kdlab.train.history import History

LABELS = np.arange(12) % 3
ARRAYS = {role: np.random.default_rng(at).normal(size=(12, 3)) for at, role in enumerate(("teacher", "student"))}
LONG = tuple(f"a species of bird that has a long name and lives in the far north, number {at}" for at in range(3))
MINE = Predictions("mine", "Mine", LONG, LABELS, ARRAYS)


def write_npz(path: Path) -> None:
    np.savez(path, labels=LABELS, **ARRAYS)


def write_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["label", *(f"{role}:{name}" for role in ARRAYS for name in LONG)])
        table.writerows([label, *rows[0], *rows[1]] for label, *rows in zip(LABELS, *ARRAYS.values(), strict=True))


@pytest.mark.parametrize(("name", "write"), [("My own.npz", write_npz), ("My own.csv", write_csv)])
def test_load_takes_what_the_page_opens(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    one = Predictions.load(tmp_path / name)
    assert (one.key, one.label, one.note) == ("my-own", "My own", f"From your file {name}.")
    assert one.classes == (LONG if name.endswith("csv") else ("0", "1", "2"))
    np.testing.assert_array_equal(one.labels, LABELS)
    for role, values in ARRAYS.items():
        np.testing.assert_allclose(one.logits[role], values, rtol=1e-6)
        one.logits[role][0] += 1  # one's own, to be written to


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ((), "mine.npz has no arrays labels, teacher and student, but other: save them by name"),
        (("teacher",), "mine.npz has no labels and no student: it needs"),
        (("labels", "teacher"), "mine.npz has no student: it needs"),
    ],
)
def test_arrays_that_are_missing_are_named(tmp_path: Path, kept: tuple[str, ...], words: str) -> None:
    given = {"labels": LABELS, **ARRAYS}
    np.savez(tmp_path / "mine.npz", other=LABELS, **{name: given[name] for name in kept})
    with pytest.raises(InputError, match=words):
        Predictions.load(tmp_path / "mine.npz")


def test_a_file_of_ones_own_may_be_larger_than_a_page_opens(tmp_path: Path) -> None:
    many = np.random.default_rng(0).normal(size=(2, 201)).astype(np.float32)
    names = [f"  class {at} <b>" for at in range(201)]
    images = np.zeros((2, 1, 300, 2), np.uint8)
    one = Predictions("My key", "L" * 99, names, [0, 1], {"teacher": many, "student": many}, (many,) * 101, images)
    one.save(tmp_path / "a.npz")
    again = Predictions.load(tmp_path / "a.npz")
    assert (again.key, again.label, again.classes, again.note) == (one.key, one.label, one.classes, "")
    assert len(again.more_teachers) == 101
    np.testing.assert_array_equal(again.images, images)


# --- text for paths ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run() -> Any:
    with as_file(files("kdlab.assets") / "opening") as folder:
        history = History.load(folder / "history.npz")
    networks = {name: nn.Linear(2, 2) for name in run_folder.NETWORKS}

    class Finished:
        spec, result = history.opened.spec, history.result

    one = Finished()
    one.history = history
    vars(one).update(networks)
    return one


def test_a_run_in_a_folder(run: Any, tmp_path: Path) -> None:
    run_folder.check_free(f"{tmp_path}/run")
    run_folder.save(run, f"{tmp_path}/run")
    for folder in (tmp_path / "run", f"{tmp_path}/run"):
        loaded = run_folder.load(folder, "student", nn.Linear(2, 2))
        assert torch.equal(loaded.weight, run.student.weight)
        assert Predictions.read(folder).key == "run"
        assert History.load(f"{folder}/history.npz").result == run.history.result
    with pytest.raises(InputError, match="exists already"):
        run_folder.check_free(f"{tmp_path}/run")


@pytest.mark.parametrize("kind", [str, Path])
def test_files(run: Any, kind: type, tmp_path: Path) -> None:
    path = kind(tmp_path / "file")
    run.history.save(path)
    assert History.load(path).step == run.history.step
    MINE.save(path)
    assert Predictions.load(path).classes == LONG
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    portable_network.write(path, {"net": network})
    np.testing.assert_array_equal(portable_network.read(path)["net"][1][:8], network[1].weight.detach().numpy().ravel())
    folder = kind(tmp_path)
    report_files.check_writable(folder)
    assert report_files.save({"a": 1}, {}, folder, "stem") == tmp_path / "stem.json"
    assert report_files.load(folder, "stem") == ({"a": 1}, {})
    assert "nothing" not in WeightsCache(folder)
    for missing in (kind(tmp_path / "nowhere"),):
        for read in (Predictions.load, Predictions.read, lambda folder: run_folder.load(folder, "student")):
            with pytest.raises(InputError, match="There is no"):
                read(missing)


def test_the_lab(run: Any, tmp_path: Path) -> None:
    (tmp_path / "My run").mkdir()
    run.history.save(tmp_path / "My run" / "history.npz")
    lab = Temperature(f"{tmp_path}/My run")
    assert lab.dataset == "my-run"
    lab.export(f"{tmp_path}/lab.html")
    assert (tmp_path / "lab.html").stat().st_size > 100_000


def test_a_line_with_more_numbers_than_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("label,teacher:cat,teacher:dog,student:cat,student:dog\ncat,1,5,2,3,4\n")
    with pytest.raises(InputError, match=r"Line 2 of mine\.csv has 6 columns, and its first line names 5"):
        Predictions.load(path)


def test_labels_are_names_as_the_first_line_has_them(tmp_path: Path) -> None:
    path, fox, long = tmp_path / "mine.csv", "red  fox", "x" * 150
    header = ["label", *(f"{role}:{name}" for role in ("teacher", "student") for name in (fox, long))]
    path.write_text("\n".join([",".join(header), f"{fox},1,2,3,4", f"{long},1,2,3,4"]))
    assert Predictions.load(path).labels.tolist() == [0, 1]
