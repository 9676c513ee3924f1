"""Which folders are splits and which are classes."""

import os
from pathlib import Path

import pytest
import torch
from painting import folder_refusal, paint, plant
from PIL import Image

from kdlab.datasets import load
from kdlab.datasets.folder_layout import is_image
from kdlab.registry import InputError


def sizes(root: Path) -> tuple[int, int, int]:
    dataset = load(f"folder:{root}")
    assert dataset.classes == ("blue", "red")
    return len(dataset.train), len(dataset.validation), len(dataset.test)


@pytest.mark.parametrize(
    ("train", "test"),
    [("training", "testing"), ("Train", "Test"), ("TRAIN", "eval"), ("Training", "Evaluation"), ("train", "testing")],
)
def test_other_names_of_train_and_test(tmp_path: Path, train: str, test: str) -> None:
    plant(tmp_path / train, 20)
    plant(tmp_path / test, 3)
    assert sizes(tmp_path) == (36, 4, 6)
    assert load(f"folder:{tmp_path}").notes == ()


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "dev"])
def test_a_validation_folder_beside_train_and_test(tmp_path: Path, name: str) -> None:
    plant(tmp_path / "train", 20)
    plant(tmp_path / "test", 3)
    plant(tmp_path / name, 4)
    assert sizes(tmp_path) == (40, 8, 6)
    first, again = load(f"folder:{tmp_path}"), load(f"folder:{tmp_path}")
    assert first.notes == (f"The validation split is {name}; none of it comes from train.",)
    assert torch.equal(first.train.images, again.train.images)
    # Any run of them is a fair sample, as of splits that are drawn.
    assert 0 < first.train.labels[:20].sum() < 20
    assert 0 < first.validation.labels[:4].sum() < 4
    for split in (first.train, first.validation, first.test):
        assert (split.images[:, 0, 0, 0] > split.images[:, 2, 0, 0]).long().equal(split.labels)


def test_one_training_image_is_enough_where_validation_images_are_given(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        plant(tmp_path / name, 1)
    assert sizes(tmp_path) == (2, 2, 2)


@pytest.mark.parametrize("name", ["val", "valid", "dev"])
def test_validation_images_without_test_images_are_the_test_set(tmp_path: Path, name: str) -> None:
    plant(tmp_path / "train", 20)
    plant(tmp_path / name, 3)
    assert sizes(tmp_path) == (36, 4, 6)
    assert load(f"folder:{tmp_path}").notes == (f"There is no folder of test images, so {name} is the test set.",)


@pytest.mark.parametrize("names", [("valid", "invalid"), ("train", "bus", "car"), ("Test", "red", "blue")])
def test_a_name_alone_makes_no_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        for number in range(5):
            paint(tmp_path / name / f"{number}.png")
    assert load(f"folder:{tmp_path}").classes == tuple(sorted(names))


def test_folders_in_a_class_that_are_no_splits(tmp_path: Path) -> None:
    for number in range(5):
        paint(tmp_path / "red" / f"{number % 2}" / f"{number}.png")
        paint(tmp_path / "blue" / "train" / f"{number}.png")
    assert sizes(tmp_path) == (6, 2, 2)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    plant(tmp_path / "train", 20)
    plant(tmp_path / "test", 3)
    paint(tmp_path / "unlabelled" / "deep" / "0.png")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "readme.txt").write_text("hello")
    (tmp_path / "labels.csv").write_text("1,2")
    paint(tmp_path / "overview.png")
    assert sizes(tmp_path) == (36, 4, 6)
    assert load(f"folder:{tmp_path}").notes == (
        "Only train, test were read, and not the folders beside them: unlabelled.",
        f"Images beside the folders in {tmp_path} were left out: 1.",
    )


def test_three_splits_with_different_classes(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        plant(tmp_path / name, 5)
    paint(tmp_path / "val" / "green" / "0.png")
    assert "need the same class folders; not all of them have: green" in folder_refusal(tmp_path)


# --- what cannot be decided -------------------------------------------------------------------------------------------


def make(root: Path, trees: tuple[str, ...] = (), flat: tuple[str, ...] = ()) -> Path:
    for name in trees:
        plant(root / name, 5)
    for name in flat:
        for number in range(5):
            paint(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("trees", "flat", "sentence"),
    [
        (("Train",), (), "has a folder Train but no test: add it"),
        (("val",), (), "has a folder val but no train: add it"),
        (("val", "test"), (), "has a folder val and a folder test but no train: add it"),
        (("train",), ("bus", "car"), "has the name of a split and holds folders, and beside it is bus, car: put"),
        (("training", "holdout"), (), "training has the name of a split and holds folders, and beside it is holdout"),
        (("train", "val"), ("test",), "test holds images but no class folders, unlike"),
        ((), ("train", "test"), "train hold images but no class folders: sort the images into class folders, or"),
        (("train", "test", "testing"), (), "both look like the test split: join them, or rename one"),
        (("train", "test"), ("train",), "train holds images and folders of images: move the images into class folders"),
        (("red/train", "red/test", "blue/train"), (), "red holds test, train: if these are splits, put them outermost"),
    ],
)
def test_what_cannot_be_decided_is_asked(
    tmp_path: Path, trees: tuple[str, ...], flat: tuple[str, ...], sentence: str
) -> None:
    assert sentence in folder_refusal(make(tmp_path, trees, flat))


@pytest.mark.parametrize("suffix", ["webp", "tga", "jp2", "PNG", ""])
def test_what_is_an_image_is_no_question_of_the_machine(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"image.{suffix}".rstrip(".")
    Image.new("RGB", (8, 8)).save(path, format={"": "PNG", "jp2": "JPEG2000", "PNG": "PNG"}.get(suffix, suffix))
    assert is_image(str(path))
    text = tmp_path / "image.svg"
    text.write_text("<svg/>")
    assert not is_image(str(text))


@pytest.mark.parametrize(
    "names", [("trainset", "testset"), ("train_images", "val_images"), ("Test set", "Training set")]
)
def test_folders_of_one_kind_that_may_be_splits_are_asked_about(names: tuple[str, str], tmp_path: Path) -> None:
    for name in names:
        plant(tmp_path / name, 5)
    with pytest.raises(InputError, match="hold the same class folders, as splits do: name them train, val or test"):
        load(f"folder:{tmp_path}")


def test_pipes_loops_and_what_systems_leave_are_passed_over(tmp_path: Path) -> None:
    plant(tmp_path, 6)
    (tmp_path / "__MACOSX" / "red").mkdir(parents=True)
    os.mkfifo(tmp_path / "red" / "pipe.png")
    (tmp_path / "red" / "again").symlink_to(tmp_path / "red")
    (tmp_path / "red" / "Icon\r").write_bytes(b"")
    assert sum(sizes(tmp_path)) == 12
    with pytest.raises(InputError, match="cannot be opened"):
        load("folder:~nobody-of-that-name/pictures")
