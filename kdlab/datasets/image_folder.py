"""A person's own images: one folder per class, as torchvision's `ImageFolder` expects, or an archive of that."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np

from kdlab.datasets.archives import unpack
from kdlab.datasets.checks import name_some
from kdlab.datasets.dataset import PHOTOGRAPHS, Dataset, Split, assemble, stratified_split
from kdlab.datasets.folder_layout import SPLIT_NAMES, find_layout, list_classes
from kdlab.lazy import torch
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError

__all__ = ["folder"]

TEST_SHARE = 0.2
MAX_PATH = 4_096
MIN_CLASS_IMAGES = 5  # so that a fifth of a class, its part of the test set, is at least one image


@DATASETS.add(
    "folder",
    label="Image folder",
    help="folder:PATH, with train/CLASS/…, test/CLASS/… and perhaps val/CLASS/…, or only CLASS/… of which a fifth "
    "becomes the test set; PATH may be a tar or zip archive of that",
    examples=("folder:PATH",),
    suggested=PHOTOGRAPHS,
)
def folder(argument: str) -> Generator[Progress, None, Dataset]:
    """Return the images below the path `argument`, resized to their median size, at most 64 pixels a side.

    A file is unpacked as a tar or zip archive into a temporary folder while it is read.
    Raises InputError for a tree that is no image folder and for a file that is no archive or no image.
    """
    if not argument or "\0" in argument or len(argument) > MAX_PATH:
        raise InputError("The data set 'folder:' needs a path behind the colon, for example folder:~/pictures.")
    path, name = Path(os.path.expanduser(argument)), f"folder:{argument}"  # noqa: PTH111  (pathlib's may raise)
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib's raises where it may not look)
        return (yield from _read(path, name))
    try:
        with TemporaryDirectory(prefix="kdlab-") as scratch:
            yield from unpack(path, Path(scratch))
            try:
                dataset = yield from _read(_top(Path(scratch)), name)
                return replace(dataset, notes=tuple(note.replace(scratch, str(path)) for note in dataset.notes))
            except InputError as error:  # replace the path of the temporary folder, which the person does not know
                raise InputError(str(error).replace(scratch, str(path))) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be unpacked into {gettempdir()} ({error.strerror or error}): make room there, set the "
            "environment variable TMPDIR to another folder, or unpack it yourself and give the folder."
        ) from error


def _top(root: Path) -> Path:
    """Return the single folder that contains all others in an archive, or else `root`."""
    folders = [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return folders[0] if len(folders) == 1 and folders[0].name.lower() not in SPLIT_NAMES else root


def _read(root: Path, name: str) -> Generator[Progress, None, Dataset]:
    """Return the data set `name` from the tree at `root`."""
    yield Progress("Reading images", 0, 0, "images")

    from kdlab.datasets.image_files import read_images

    layout = find_layout(root)
    if layout.test is None:
        classes, everything, numbers = list_classes(root, MIN_CLASS_IMAGES)
        index_sets = stratified_split(numbers, max(len(classes), int(np.ceil(len(everything) * TEST_SHARE))))
        parts = [([everything[i] for i in index], numbers[index]) for index in index_sets]
    else:
        paths = [path for path in (layout.train, layout.test, layout.validation) if path is not None]
        # Where validation images are drawn from the training images, a class needs one for each split.
        min_images = 2 if layout.validation is None else 1
        listed = [list_classes(path, min_images if path == layout.train else 1) for path in paths]
        classes = _agree(paths, [part[0] for part in listed])
        parts = [(files, numbers) for _, files, numbers in listed]

    files = [file for part, _ in parts for file in part]
    images, notes = yield from read_images(files, len(parts[0][0]), root)
    cuts = np.cumsum([len(numbers) for _, numbers in parts])[:-1]
    train, test, *validation = (
        Split(torch.from_numpy(pixels), torch.from_numpy(numbers))
        for pixels, (_, numbers) in zip(np.split(images, cuts), parts, strict=True)
    )
    return assemble(name, classes, train, test, validation=next(iter(validation), None), notes=layout.notes + notes)


def _agree(paths: Sequence[Path], classes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the classes of all splits; raises InputError when the splits differ."""
    differing = sorted(set().union(*classes) - set(classes[0]).intersection(*classes[1:]))
    if differing:
        *others, last = map(str, paths)
        only = "only one of them has" if len(paths) == 2 else "not all of them have"
        raise InputError(f"{', '.join(others)} and {last} need the same class folders; {only}: {name_some(differing)}.")
    return classes[0]
