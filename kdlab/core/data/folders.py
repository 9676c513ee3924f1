"""A person's own images: a tree of folders, one a class, as torchvision's `ImageFolder` wants it, or its archive."""

import os
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np
from numpy.typing import NDArray

from kdlab.core.data.archives import unpack
from kdlab.core.data.images import choose_format, read_images
from kdlab.core.data.splits import PHOTOGRAPHS, Dataset, Split, assemble, hold_out
from kdlab.core.progress import Progress
from kdlab.registry import DATASETS, InputError

__all__ = ["folder"]

TEST_SHARE = 0.2
LONGEST_PATH = 4_096
FEWEST = 5  # images of a class of which a fifth is at least one
JUNK = {"thumbs.db", "desktop.ini"}
PARTS = ("train", "test")


@DATASETS.add(
    "folder",
    label="Image folder",
    help="folder:PATH, with train/CLASS/… and test/CLASS/…, or only CLASS/… of which a fifth becomes the test set; "
    "PATH may be a tar or zip archive of that",
    examples=("folder:PATH",),
    suggested=PHOTOGRAPHS,
)
def folder(argument: str) -> Generator[Progress, None, Dataset]:
    """Return the images below the path `argument`, all in one size: the usual one, at most 64 pixels a side.

    A file there is unpacked as a tar or zip archive, for as long as it is being read.
    Raises InputError for a tree that is no image folder and for a file that is no archive or no image.
    """
    if not argument or "\0" in argument or len(argument) > LONGEST_PATH:
        raise InputError("The data set 'folder:' needs a path behind the colon, for example folder:~/pictures.")
    path, name = Path(argument).expanduser(), f"folder:{argument}"
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib's raises where it may not look)
        return (yield from _read(path, name))
    try:
        with TemporaryDirectory(prefix="kdlab-") as scratch:
            yield from unpack(path, Path(scratch))
            try:
                return (yield from _read(_top(Path(scratch)), name))
            except InputError as error:  # about a file that nobody but us knows under that name
                raise InputError(str(error).replace(scratch, str(path))) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be unpacked into {gettempdir()} ({error.strerror or error}): make room there, set the "
            "environment variable TMPDIR to another folder, or unpack it yourself and give the folder."
        ) from error


def _top(root: Path) -> Path:
    """The single folder in which an archive may hold all others, or else `root`."""
    folders = [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return folders[0] if len(folders) == 1 and folders[0].name not in PARTS else root


def _read(root: Path, name: str) -> Generator[Progress, None, Dataset]:
    """The data set `name` from the tree at `root`."""
    yield Progress("Reading images", 0, 0, "images")
    import torch

    parts = [part for part in PARTS if os.path.isdir(root / part)]  # noqa: PTH112
    if len(parts) == 1:
        missing = "test" if parts == ["train"] else "train"
        raise InputError(
            f"{root} has a folder {parts[0]} but no {missing}: add it, or keep the classes right in {root}."
        )
    if parts:
        classes, files, labels = _list(root / "train", fewest=2)
        test_classes, test_files, test_labels = _list(root / "test", fewest=1)
        if classes != test_classes:
            odd = ", ".join(sorted(set(classes) ^ set(test_classes)))
            raise InputError(f"{root}/train and {root}/test need the same class folders; only one of them has: {odd}.")
    else:
        classes, all_files, all_labels = _list(root, fewest=FEWEST)
        stay, aside = hold_out(all_labels, max(len(classes), int(np.ceil(len(all_files) * TEST_SHARE))))
        files, labels = [all_files[i] for i in stay], all_labels[stay]
        test_files, test_labels = [all_files[i] for i in aside], all_labels[aside]

    form = choose_format(files)
    pixels = torch.from_numpy((yield from read_images([*files, *test_files], form)))
    train = Split(pixels[: len(files)], torch.from_numpy(labels))
    test = Split(pixels[len(files) :], torch.from_numpy(test_labels))
    return assemble(name, classes, train, test)


def _list(root: Path, fewest: int) -> tuple[tuple[str, ...], list[str], NDArray[np.int64]]:
    """The classes in `root`, the files of all of them, and the number of each file's class."""
    try:
        classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"The image folder {root} cannot be opened: {error.strerror}.") from error
    if len(classes) < 2:
        raise InputError(f"{root} needs at least two folders, one a class, with images in them; it has {len(classes)}.")
    files: list[str] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        found = sorted(_walk(root / name))
        if len(found) < fewest:
            raise InputError(
                f"The class folder {root / name} holds {len(found)} images, too few to split: put in {fewest} or more."
            )
        files += found
        labels += [number] * len(found)
    return tuple(classes), files, np.array(labels, dtype=np.int64)


def _walk(root: Path) -> Generator[str, None, None]:
    """Every file below `root` but those that the system put there."""
    for path, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.lower() not in JUNK:
                yield os.path.join(path, name)  # noqa: PTH118  (60,000 times, and Path is slow)
