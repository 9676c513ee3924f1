"""A person's own images: a tree of folders, one a class, as torchvision's `ImageFolder` wants it, or its archive."""

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np

from kdlab.datasets.archives import unpack
from kdlab.datasets.checks import name_some
from kdlab.datasets.dataset import PHOTOGRAPHS, Dataset, Split, assemble, hold_out
from kdlab.datasets.folder_layout import ROLES, find_layout, list_classes
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError

__all__ = ["folder"]

TEST_SHARE = 0.2
LONGEST_PATH = 4_096
FEWEST = 5  # images of a class of which a fifth is at least one


@DATASETS.add(
    "folder",
    label="Image folder",
    help="folder:PATH, with train/CLASS/…, test/CLASS/… and perhaps val/CLASS/…, or only CLASS/… of which a fifth "
    "becomes the test set; PATH may be a tar or zip archive of that",
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
    path, name = Path(os.path.expanduser(argument)), f"folder:{argument}"  # noqa: PTH111  (pathlib's may raise)
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib's raises where it may not look)
        return (yield from _read(path, name))
    try:
        with TemporaryDirectory(prefix="kdlab-") as scratch:
            yield from unpack(path, Path(scratch))
            try:
                dataset = yield from _read(_top(Path(scratch)), name)
                return replace(dataset, notes=tuple(note.replace(scratch, str(path)) for note in dataset.notes))
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
    return folders[0] if len(folders) == 1 and folders[0].name.lower() not in ROLES else root


def _read(root: Path, name: str) -> Generator[Progress, None, Dataset]:
    """The data set `name` from the tree at `root`."""
    yield Progress("Reading images", 0, 0, "images")
    import torch

    from kdlab.datasets.image_files import read_images

    layout = find_layout(root)
    if layout.test is None:
        classes, everything, numbers = list_classes(root, FEWEST)
        sides = hold_out(numbers, max(len(classes), int(np.ceil(len(everything) * TEST_SHARE))))
        parts = [([everything[i] for i in side], numbers[side]) for side in sides]
    else:
        paths = [path for path in (layout.train, layout.test, layout.validation) if path is not None]
        # Where validation images are drawn from the training images, a class needs one for each.
        fewest = 2 if layout.validation is None else 1
        listed = [list_classes(path, fewest if path == layout.train else 1) for path in paths]
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
    """The classes that all splits have; raises InputError when they have not the same."""
    odd = sorted(set().union(*classes) - set(classes[0]).intersection(*classes[1:]))
    if odd:
        *most, last = map(str, paths)
        only = "only one of them has" if len(paths) == 2 else "not all of them have"
        raise InputError(f"{', '.join(most)} and {last} need the same class folders; {only}: {name_some(odd)}.")
    return classes[0]
