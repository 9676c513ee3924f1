"""What may be predictions, where they come from, and their file."""

import io
import zipfile
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from full_disk import full_disk

from kdlab.io.predictions import Predictions
from kdlab.metrics.softened import soft_confusion
from kdlab.registry import InputError
from kdlab.train.history import History

TEACHER = [[4.0, 1.0, 0.0], [0.5, 2.0, 1.5]]
STUDENT = [[3.0, 2.0, 0.0], [1.0, 1.5, 1.0]]


def make(**changes: Any) -> Predictions:
    given = {"classes": ["cat", "dog", "car"], "labels": [0, 2], "logits": {"student": STUDENT, "teacher": TEACHER}}
    return Predictions("two", "Two examples", **(given | changes))


def images(count: int = 2) -> np.ndarray:
    return np.arange(count * 12, dtype=np.uint8).reshape(count, 1, 3, 4)


@pytest.fixture
def opening() -> History:
    with as_file(files("kdlab.assets") / "opening" / "history.npz") as path:
        return History.load(path)


def same(one: Predictions, other: Predictions) -> None:
    for name in ("key", "label", "classes", "note"):
        assert getattr(one, name) == getattr(other, name)
    arrays = [
        [p.labels, *p.logits.values(), *p.more_teachers, *([] if p.images is None else [p.images])]
        for p in (one, other)
    ]
    assert list(one.logits) == list(other.logits)
    for before, after in zip(*arrays, strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


# --- what is taken ----------------------------------------------------------------------------------------------------


def test_lists_become_arrays_in_the_order_of_the_roles() -> None:
    predictions = make()
    assert predictions.classes == ("cat", "dog", "car")
    assert predictions.labels.dtype == np.int64
    assert list(predictions.logits) == ["teacher", "student"]
    assert all(logits.dtype == np.float32 for logits in predictions.logits.values())
    assert predictions.logits["teacher"].tolist() == TEACHER
    assert (predictions.more_teachers, predictions.images, predictions.note) == ((), None, "")


def test_torch_tensors_are_taken_even_with_gradients() -> None:
    logits = {
        "teacher": torch.tensor(TEACHER, dtype=torch.float64),
        "student": torch.tensor(STUDENT, requires_grad=True),
    }
    extra = [torch.tensor(TEACHER).half()]
    predictions = make(labels=torch.tensor([0, 2]), logits=logits, more_teachers=extra, images=torch.tensor(images()))
    same(predictions, make(more_teachers=[TEACHER], images=images()))


@pytest.mark.parametrize("labels", [[0.0, 2.0], np.array([0, 2], dtype=np.uint8), np.array([0, 2], dtype=np.float32)])
def labels_may_be_whole_numbers_of_any_kind(labels: Any) -> None:
    predictions = make(labels=labels)
    assert predictions.labels.dtype == np.int64
    assert predictions.labels.tolist() == [0, 2]
    assert soft_confusion(predictions.logits["teacher"], predictions.labels, 4.0).shape == (3, 3)


def test_a_baseline_and_further_teachers_may_be_there() -> None:
    predictions = make(logits={"baseline": STUDENT, "student": STUDENT, "teacher": TEACHER}, more_teachers=[TEACHER])
    assert list(predictions.logits) == ["teacher", "student", "baseline"]
    assert predictions.more_teachers[0].dtype == np.float32


# --- what is refused --------------------------------------------------------------------------------------------------

BAD = {
    "one class": ({"classes": ["cat"]}, "at least 2 classes, not 1"),
    "no examples": ({"labels": []}, "labels have the shape (0,)"),
    "labels in a table": ({"labels": [[0, 2]]}, "labels have the shape (1, 2)"),
    "one label only": ({"labels": 1}, "labels have the shape ()"),
    "a label too high": ({"labels": [0, 3]}, "label 3 of example 1 must be a whole number from 0 to 2"),
    "a label below 0": ({"labels": [-1, 2]}, "label -1 of example 0"),
    "half a label": ({"labels": [0, 0.5]}, "label 0.5 of example 1"),
    "a label that is none": ({"labels": [0, float("nan")]}, "label nan of example 1"),
    "an endless label": ({"labels": [0, float("inf")]}, "label inf of example 1"),
    "labels in words": ({"labels": ["cat", "dog"]}, "labels must be numbers"),
    "logits without roles": ({"logits": [TEACHER, STUDENT]}, 'must be a dictionary that has the keys "teacher"'),
    "no student": ({"logits": {"teacher": TEACHER}}, 'must be a dictionary that has the keys "teacher"'),
    "no teacher": ({"logits": {"student": STUDENT}}, 'must be a dictionary that has the keys "teacher"'),
    "a new role": (
        {"logits": {"student": STUDENT, "teacher": TEACHER, "assistant": TEACHER}},
        "no role 'assistant' for logits: use teacher, student, baseline",
    ),
    "a row too few": (
        {"logits": {"student": STUDENT[:1], "teacher": TEACHER}},
        "logits of the student have the shape (1, 3), but 2 labels and 3 names of classes ask for (2, 3)",
    ),
    "a name too few": (
        {"classes": ["cat", "dog"], "labels": [0, 1]},
        "There are 2 names of classes for 3 columns of logits",
    ),
    "rows of different lengths": (
        {"logits": {"student": [[1.0], [1.0, 2.0]], "teacher": TEACHER}},
        "student cannot be",
    ),
    "numbers with an i": (
        {"logits": {"student": np.array(STUDENT) * 1j, "teacher": TEACHER}},
        "logits of the student must be numbers, not complex128",
    ),
    "no number": (
        {"logits": {"student": STUDENT, "teacher": [[0, 0, 0], [0, float("nan"), 0]]}},
        "logits of the teacher are not finite in example 1, class 1",
    ),
    "too large for float32": (
        {"logits": {"student": [[0, 0, 1e300], [0, 0, 0]], "teacher": TEACHER}},
        "logits of the student are not finite in example 0, class 2",
    ),
    "another teacher of another shape": (
        {"more_teachers": [TEACHER, [[1.0]]]},
        "further teacher 2 have the shape (1, 1)",
    ),
    "images without channels": ({"images": images()[:, 0]}, "images have the shape (2, 3, 4): give 2"),
    "too many images": ({"images": images(3)}, "images have the shape (3, 1, 3, 4): give 2"),
    "channels last": ({"images": np.zeros((2, 32, 32, 3), np.uint8)}, "np.moveaxis(images, -1, 1)"),
    "images from 0 to 1": ({"images": images() / 255}, "uint8), not float64"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_input_is_named_in_one_sentence(case: str) -> None:
    changes, words = BAD[case]
    with pytest.raises(InputError) as caught:
        make(**changes)
    message = str(caught.value)
    assert words in message
    assert message[0].isupper()
    assert message.endswith(".")
    assert "\n" not in message


# --- from a run -------------------------------------------------------------------------------------------------------


def test_a_run_becomes_predictions(opening: History) -> None:
    predictions = Predictions.of(opening, key="opening")
    assert opening.opened is not None
    assert predictions.key == "opening"
    assert predictions.label == "digits: mlp:32x1 taught by mlp:256x2:…"
    assert predictions.note == (
        "What the networks of a run say about the 143 validation images of digits: mlp:32x1 taught by "
        "mlp:256x2:dropout=0.5:input_dropout=0.2."
    )
    assert list(predictions.logits) == ["teacher", "student", "baseline"]
    for role, logits in predictions.logits.items():
        np.testing.assert_array_equal(logits, opening.logits[role])
    np.testing.assert_array_equal(predictions.images, opening.opened.images)
    np.testing.assert_array_equal(predictions.labels, opening.opened.labels)


def test_a_run_that_still_learns_says_so_and_short_names_stay(opening: History) -> None:
    assert opening.opened is not None
    opening.result = None
    opening.opened = replace(opening.opened, spec=opening.opened.spec.replace(teacher="mlp:64x1"))
    predictions = Predictions.of(opening)
    assert (predictions.key, predictions.label) == ("run", "digits: mlp:32x1 taught by mlp:64x1")
    assert predictions.note.endswith("mlp:64x1, still in training.")


def test_a_run_without_a_student_is_refused(opening: History) -> None:
    with pytest.raises(InputError, match="no predictions of its student yet"):
        Predictions.of(History())
    del opening.logits["student"]
    with pytest.raises(InputError, match="no predictions of its student yet"):
        Predictions.of(opening)


@pytest.mark.parametrize(("name", "key"), [("My run, T=4.0", "my-run-t-4-0"), ("mnist_800", "mnist_800"), ("§", "run")])
def test_a_folder_of_a_run_is_read(opening: History, tmp_path: Path, name: str, key: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    opening.save(folder / "history.npz")
    same(Predictions.read(folder), Predictions.of(opening, key=key))


def test_the_folder_one_is_in_has_a_name_too(opening: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opening.save(Path("history.npz"))
    assert Predictions.read(Path()).key == Predictions.read(tmp_path).key != "run"


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError) as caught:
            Predictions.read(folder)
        assert str(caught.value).startswith(f"There is no run in {folder}: give a folder that")


def damaged(whole: bytes) -> dict[str, bytes]:
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    half = len(whole) // 2
    return {
        "empty": b"",
        "cut off": whole[:half],
        "a byte changed": whole[:half] + bytes([whole[half] ^ 255]) + whole[half + 1 :],
        "text": b"no numbers here",
        "another array": array.getvalue(),
        "an empty archive": empty.getvalue(),
    }


DAMAGE = {"empty": "is empty", "an empty archive": "has no arrays labels, teacher and student, but nothing"}


@pytest.mark.parametrize("case", damaged(b"PK"))
def test_a_damaged_file_is_named(opening: History, tmp_path: Path, case: str) -> None:
    run, predictions = tmp_path / "history.npz", tmp_path / "predictions.npz"
    opening.save(run)
    Predictions.of(opening).save(predictions)
    for path in (run, predictions):
        path.write_bytes(damaged(path.read_bytes())[case])
    with pytest.raises(InputError) as caught:
        Predictions.read(tmp_path)
    assert str(caught.value) == f"The run in {tmp_path} is damaged: run it again into a new folder."
    with pytest.raises(InputError) as caught:
        Predictions.load(predictions)
    assert str(caught.value).startswith(f"predictions.npz {DAMAGE.get(case, 'is damaged, or no NPZ file')}: ")


# --- the file ---------------------------------------------------------------------------------------------------------


def test_saved_predictions_come_back(opening: History, tmp_path: Path) -> None:
    everything = make(
        logits={"teacher": TEACHER, "student": STUDENT, "baseline": STUDENT},
        more_teachers=[STUDENT, TEACHER, *[STUDENT] * 10],  # more than nine, whose names do not sort by number
        images=images(),
        note="Made up for a test – ½.",
        classes=["Katze", "犬", "car"],
    )
    for predictions in (make(), everything, Predictions.of(opening)):
        for name in ("file.npz", "a file of any name"):
            predictions.save(tmp_path / name)
            same(predictions, Predictions.load(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a file of any name", "file.npz"]


def test_the_record_of_a_run_is_read_too(opening: History, tmp_path: Path) -> None:
    opening.save(tmp_path / "history.npz")
    read, known = Predictions.load(tmp_path / "history.npz"), Predictions.of(opening)
    assert np.array_equal(read.labels, known.labels)
    assert all(np.array_equal(read.logits[role], known.logits[role]) for role in known.logits)


def test_a_file_that_is_no_file_of_predictions_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", teacher=np.zeros((3, 2)), student=np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"^other\.npz has no labels: it needs labels, teacher and student"):
        Predictions.load(tmp_path / "other.npz")
    for path in (tmp_path, tmp_path / "nothing.npz"):
        with pytest.raises(InputError, match="There is no file"):
            Predictions.load(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "file.npz"):
        with pytest.raises(InputError, match="cannot be written"):
            make().save(path)


def test_a_file_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "file.npz", about=np.array([object()], dtype=object))
    with pytest.raises(InputError, match=r"The array about in file\.npz holds Python objects, which are never opened"):
        Predictions.load(tmp_path / "file.npz")


def test_a_full_disk_keeps_the_file_before(opening: History, tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    predictions = Predictions.of(opening)
    for save, error in ((opening.save, OSError), (predictions.save, InputError)):
        path.write_bytes(b"before")
        with full_disk(10_000), pytest.raises(error, match="File too large"):
            save(path)
        assert path.read_bytes() == b"before"
        assert [file.name for file in tmp_path.iterdir()] == ["file.npz"]
