"""People's own images, as real files on the disk."""

import os
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from painting import BLUE, RED, folder_refusal, paint, plant
from PIL import Image

from kdlab.datasets import Dataset, load, load_events

CIFAR = Path(os.environ.get("KDLAB_DATA", "nowhere"), "cifar10.tar")


def reds(dataset: Dataset) -> list[bool]:
    """Whether label 1 ("red") and red pixels go together, for every image."""
    return [
        bool(image[0, 0, 0] > image[2, 0, 0]) == bool(label)
        for split in (dataset.train, dataset.validation, dataset.test)
        for image, label in zip(split.images, split.labels, strict=True)
    ]


def test_train_and_test_folders(tmp_path: Path) -> None:
    plant(tmp_path / "train", 20)
    plant(tmp_path / "test", 3)
    dataset = load(f"folder:{tmp_path}")
    assert (dataset.name, dataset.classes, dataset.shape) == (f"folder:{tmp_path}", ("blue", "red"), (3, 8, 8))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (36, 4, 6)
    assert dataset.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.test.images[:, 1, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert torch.bincount(dataset.validation.labels).tolist() == [2, 2]
    assert all(reds(dataset))


def test_one_tree_is_split_the_same_way_each_time(tmp_path: Path) -> None:
    plant(tmp_path, 50)
    first, again = load(f"folder:{tmp_path}"), load(f"folder:{tmp_path}")
    assert (len(first.train), len(first.validation), len(first.test)) == (72, 8, 20)
    assert torch.bincount(first.test.labels).tolist() == [10, 10]
    assert torch.equal(first.test.images, again.test.images)
    assert torch.equal(first.train.images, again.train.images)
    assert all(reds(first))
    splits = (first.train, first.validation, first.test)
    images = {image.numpy().tobytes() for split in splits for image in split.images}
    assert len(images) == 100


def test_a_changed_tree_is_read_anew(tmp_path: Path) -> None:
    plant(tmp_path, 10)
    assert len(load(f"folder:{tmp_path}").test) == 4
    plant(tmp_path, 20)
    assert len(load(f"folder:{tmp_path}").test) == 8


def test_the_smallest_tree(tmp_path: Path) -> None:
    dataset = load(f"folder:{plant(tmp_path, 5)}")
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [6, 2, 2]
    assert dataset.test.labels.sum() == 1


def test_progress(tmp_path: Path) -> None:
    *_, last = load_events(f"folder:{plant(tmp_path)}")
    assert (last.label, last.done, last.total, last.unit) == ("Reading images", 20, 20, "images")


def test_a_path_with_a_colon_and_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plant(tmp_path / "a:b")
    assert load("folder:~/a:b").classes == ("blue", "red")


def test_images_get_the_median_size(tmp_path: Path) -> None:
    for number, size in enumerate([(10, 20), (30, 20), (30, 50)] * 4):
        for name in ("a", "b"):
            paint(tmp_path / name / f"{number}.png", size=size)
    assert load(f"folder:{tmp_path}").shape == (3, 20, 30)


def test_large_photographs_are_made_small(tmp_path: Path) -> None:
    for number in range(5):
        paint(tmp_path / "red" / f"{number}.jpg", RED, (1600, 1200))
        paint(tmp_path / "blue" / f"{number}.jpg", BLUE, (1600, 1200))
    dataset = load(f"folder:{tmp_path}")
    assert dataset.shape == (3, 48, 64)
    assert all(reds(dataset))
    assert (dataset.test.images.float().std(dim=(2, 3)) < 2).all()


@pytest.mark.parametrize(
    ("mode", "colour", "grey"), [("1", 1, 255), ("L", 80, 80), ("LA", (80, 255), 80), ("I;16", 80 * 256 + 3, 80)]
)
def test_grey_images_stay_grey(tmp_path: Path, mode: str, colour: object, grey: int) -> None:
    for number in range(10):
        paint(tmp_path / f"{number % 2}" / f"{number}.png", colour, mode=mode)
    dataset = load(f"folder:{tmp_path}")
    assert dataset.shape == (1, 8, 8)
    assert dataset.train.images.unique().tolist() == [grey]


def test_one_coloured_image_makes_all_of_them_coloured(tmp_path: Path) -> None:
    for number in range(19):
        paint(tmp_path / f"{number % 2}" / f"{number}.png", 80, mode="L")
    paint(tmp_path / "1" / "palette.gif", RED)
    Image.new("P", (8, 8)).save(tmp_path / "1" / "clear.png", transparency=b"\x00\x80")
    assert load(f"folder:{tmp_path}").shape == (3, 8, 8)


def test_what_the_system_leaves_behind_is_ignored(tmp_path: Path) -> None:
    plant(tmp_path)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "labels.csv").write_text("not in a class folder")
    (tmp_path / "red" / ".cache").mkdir()
    for junk in (".DS_Store", "Thumbs.db", "desktop.ini", ".cache/x.png"):
        (tmp_path / "red" / junk).write_bytes(b"junk")
    paint(tmp_path / "red" / "deeper" / "down.png")
    dataset = load(f"folder:{tmp_path}")
    assert dataset.classes == ("blue", "red")
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 21


def test_no_path() -> None:
    assert "needs a path" in folder_refusal("")


def test_a_missing_folder(tmp_path: Path) -> None:
    assert f"{tmp_path / 'gone'} cannot be opened: No such file" in folder_refusal(tmp_path / "gone")


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    paint(tmp_path / "image.png")
    assert "is no folder and no archive" in folder_refusal(tmp_path / "image.png")


@pytest.mark.parametrize(("there", "missing"), [("train", "test"), ("test", "train")])
def test_only_one_of_train_and_test(tmp_path: Path, there: str, missing: str) -> None:
    plant(tmp_path / there)
    assert f"has a folder {there} but no {missing}" in folder_refusal(tmp_path)


def test_no_class_folders(tmp_path: Path) -> None:
    paint(tmp_path / "image.png")
    assert "at least two folders, one a class, with images in them; it has 0" in folder_refusal(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    paint(tmp_path / "red" / "image.png")
    assert "it has 1" in folder_refusal(tmp_path)


def test_an_empty_class_folder(tmp_path: Path) -> None:
    (plant(tmp_path) / "green").mkdir()
    assert f"{tmp_path / 'green'} holds 0 images" in folder_refusal(tmp_path)


def test_too_few_images_to_split(tmp_path: Path) -> None:
    assert "holds 4 images, too few to split: put in 5 or more" in folder_refusal(plant(tmp_path, 4))


def test_train_and_test_with_different_classes(tmp_path: Path) -> None:
    plant(tmp_path / "train")
    paint(plant(tmp_path / "test") / "green" / "0.png")
    assert "only one of them has: green" in folder_refusal(tmp_path)


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    (plant(tmp_path) / "red" / "readme.txt").write_text("hello")
    assert f"{tmp_path / 'red' / 'readme.txt'} is no image" in folder_refusal(tmp_path)


def test_all_files_that_are_no_images_are_named_at_once(tmp_path: Path) -> None:
    plant(tmp_path)
    for number in range(6):
        (tmp_path / "blue" / f"{number}.csv").write_text("1,2")
    (tmp_path / "red" / "readme.txt").write_text("hello")
    (tmp_path / "red" / "4.png").write_bytes((tmp_path / "red" / "4.png").read_bytes()[:-40])
    names = [f"blue/{number}.csv" for number in range(6)] + ["red/4.png", "red/readme.txt"]
    message = folder_refusal(tmp_path)
    assert message.startswith(f"8 files in {tmp_path} cannot be read as images: {', '.join(names)} (each is no image,")
    assert message.endswith("): repair them or take them away.")
    for number in range(6):
        (tmp_path / "red" / f"z{number}.json").write_text("{}")
    message = folder_refusal(tmp_path)
    assert message.startswith("14 files")
    assert "red/z1.json (each is" in message
    assert "z2.json" not in message
    assert "; and 4 more: repair" in message


def test_files_that_cannot_be_read_for_different_reasons(tmp_path: Path) -> None:
    plant(tmp_path)
    (tmp_path / "red" / "readme.txt").write_text("hello")
    Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32)).save(tmp_path / "blue" / "nan.tiff")
    message = folder_refusal(tmp_path)
    assert "blue/nan.tiff (holds values that are no finite numbers); red/readme.txt (is no image" in message


def test_a_colour_image_beyond_grey_ones_is_found_cut_off_with_all_others(tmp_path: Path) -> None:
    for number in range(10):
        paint(tmp_path / "train" / f"{number % 2}" / f"{number}.png", 80, mode="L")
        paint(tmp_path / "test" / f"{number % 2}" / f"{number}.jpg", RED, size=(64, 64))
    cut = tmp_path / "test" / "1" / "9.jpg"
    cut.write_bytes(cut.read_bytes()[:-200])
    (tmp_path / "train" / "0" / "readme.txt").write_text("hello")
    assert "test/1/9.jpg, train/0/readme.txt (each is no image" in folder_refusal(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp"])
def test_an_image_that_is_cut_off(tmp_path: Path, suffix: str) -> None:
    plant(tmp_path)
    path = tmp_path / "red" / f"photo.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-2_000])
    assert f"{path} is no image, is cut off" in folder_refusal(tmp_path)


def test_an_image_with_far_too_many_pixels(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (plant(tmp_path) / "red" / "bomb.png").write_bytes(bomb)
    assert "bomb.png has too many pixels" in folder_refusal(tmp_path)


@pytest.mark.skipif(not CIFAR.is_file(), reason="KDLAB_DATA has no cifar10.tar")
def test_a_sample_of_cifar10(tmp_path: Path) -> None:
    wanted: dict[str, int] = {}
    with tarfile.open(CIFAR) as tar:
        for member in tar:
            part, _, name = member.name.removeprefix("./").rpartition("/")
            if name.endswith(".jpg") and wanted.setdefault(part, 0) < 20:
                wanted[part] += 1
                tar.extract(member, tmp_path, filter="data")
    dataset = load(f"folder:{tmp_path}")
    assert dataset.shape == (3, 32, 32)
    assert dataset.classes[:3] == ("airplane", "automobile", "bird")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (180, 20, 200)
