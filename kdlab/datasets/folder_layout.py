"""Find out which folders of a tree are splits and which are classes; names alone do not decide."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kdlab.datasets.checks import name_some
from kdlab.registry import InputError

__all__ = ["SPLIT_NAMES", "Layout", "find_layout", "is_image", "list_classes"]

SPLIT_NAMES: dict[str, Literal["train", "validation", "test"]] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
JUNK = {"thumbs.db", "desktop.ini", "icon\r", "__macosx"}
# Pillow's own list would load all formats, and Pillow would try each one for each image: reading JPEG took 33 % longer.
IMAGE_SUFFIX = re.compile(
    r"\.(apng|avif|bmp|bw|dds|dib|gif|icns|ico|im|j2c|j2k|jfif|jp2|jpc|jpe|jpeg|jpf|jpg|jpx|"
    r"mpo|msp|pbm|pcx|pfm|pgm|png|pnm|ppm|psd|qoi|ras|rgb|rgba|sgi|tga|tif|tiff|webp|xbm|xpm)",
    re.IGNORECASE,
)
COMMON_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders that contain class folders; with only `train`, a part of it becomes the test set."""

    train: Path
    validation: Path | None = None
    test: Path | None = None
    notes: tuple[str, ...] = ()


def find_layout(root: Path) -> Layout:
    """Return the folders of the splits below `root`.

    Folders are splits when at least two have names of splits and contain class folders but no images directly.
    Raises InputError for an ambiguous tree.
    """
    folders = list_folders(root)
    named = {name: SPLIT_NAMES[name.lower()] for name in folders if name.lower() in SPLIT_NAMES}
    direct = {name for name in named if any(map(is_image, _files(root / name)))}
    class_folders = {
        name: [subfolder for subfolder in list_folders(root / name) if _has_images(root / name / subfolder)]
        for name in named
    }
    mixed = sorted(name for name in direct if class_folders[name])
    if mixed:
        raise InputError(
            f"{root / mixed[0]} holds images and folders of images: move the images into class folders if it is a "
            "split, or rename it if it is a class."
        )
    splits = sorted(
        (name for name in named if name not in direct), key=lambda name: list(SPLIT_NAMES).index(name.lower())
    )
    if not any(list_folders(root / name) for name in splits):
        if len({named[name] for name in direct}) > 1:
            raise InputError(
                f"{name_some(str(root / name) for name in sorted(direct))} hold images but no class folders: sort the "
                "images into class folders, or rename them if they are classes."
            )
        return _classes_alone(root, folders)
    if direct:
        raise InputError(
            f"{root / min(direct)} holds images but no class folders, unlike {root / splits[0]}: sort its images into "
            "class folders, rename it if it is a class, or take it away."
        )
    return _splits(root, {name: named[name] for name in splits}, [name for name in folders if name not in named])


def _classes_alone(root: Path, folders: list[str]) -> Layout:
    subfolders = [
        {subfolder for subfolder in list_folders(root / name) if _has_images(root / name / subfolder)}
        for name in folders
    ]
    alike = len(folders) > 1 and len(subfolders[0]) > 1 and all(names == subfolders[0] for names in subfolders)
    if alike and all(re.search("train|val|test|dev", name.lower()) for name in folders):
        raise InputError(
            f"{name_some(folders)} in {root} hold the same class folders, as splits do: name them train, val or test "
            "if they are, or otherwise if they are classes."
        )
    for name in folders:
        split_folders = [
            subfolder
            for subfolder in list_folders(root / name)
            if subfolder.lower() in SPLIT_NAMES and _has_images(root / name / subfolder)
        ]
        if len({SPLIT_NAMES[subfolder.lower()] for subfolder in split_folders}) > 1:
            raise InputError(
                f"{root / name} holds {name_some(split_folders)}: if these are splits, put them outermost with the "
                "class folders inside each of them, or else rename them."
            )
    return Layout(root, notes=_strays(root))


def _splits(root: Path, splits: dict[str, str], others: list[str]) -> Layout:
    """Return the layout in which the folders `splits`, roles by name, contain class folders."""
    others = [name for name in others if _has_images(root / name)]
    roles: dict[str, str] = {}
    for name, role in splits.items():
        if role in roles:
            raise InputError(
                f"{root / roles[role]} and {root / name} both look like the {role} split: join them, or rename one."
            )
        roles[role] = name
    if len(roles) == 1 and others:
        (name,) = roles.values()
        raise InputError(
            f"{root / name} has the name of a split and holds folders, and beside it is {name_some(others)}: put the "
            f"class folders into a folder train and a folder test, or rename {name} if it is a class."
        )
    if "train" not in roles or len(roles) == 1:
        missing = "test" if "train" in roles else "train"
        present = " and a folder ".join(roles.values())
        raise InputError(
            f"{root} has a folder {present} but no {missing}: add it, or keep the classes right in {root}."
        )
    notes = []
    if others:
        notes.append(
            f"Only {name_some(roles.values())} were read, and not the folders beside them: {name_some(others)}."
        )
    if "test" not in roles:
        notes.append(f"There is no folder of test images, so {roles['validation']} is the test set.")
        roles["test"] = roles.pop("validation")
    elif "validation" in roles:
        notes.append(f"The validation split is {roles['validation']}; none of it comes from {roles['train']}.")
    paths = {role: root / name for role, name in roles.items()}
    return Layout(paths["train"], paths.get("validation"), paths["test"], (*notes, *_strays(root)))


def list_classes(root: Path, min_images: int) -> tuple[tuple[str, ...], list[str], NDArray[np.int64]]:
    """Return the classes in `root`, the files of all of them, and the number of each file's class, int64 (files,).

    Raises InputError for fewer than two classes and for a class with fewer files than `min_images`.
    """
    classes = list_folders(root)
    if len(classes) < 2:
        raise InputError(f"{root} needs at least two folders, one a class, with images in them; it has {len(classes)}.")
    files: list[str] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        images = sorted(_walk(root / name))
        if len(images) < min_images:
            raise InputError(
                f"The class folder {root / name} holds {len(images)} images, too few to split: put in {min_images} or "
                "more."
            )
        files += images
        labels += [number] * len(images)
    return tuple(classes), files, np.array(labels, dtype=np.int64)


def list_folders(root: Path) -> list[str]:
    """Return the names of the folders in `root`, sorted, without hidden ones."""
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not _hidden(entry.name))
    except OSError as error:
        raise InputError(f"The image folder {root} cannot be opened: {error.strerror}.") from error


def is_image(path: str) -> bool:
    """Return whether a file is an image, by its name or else by its first bytes."""
    if IMAGE_SUFFIX.fullmatch(os.path.splitext(path)[1]):  # noqa: PTH122
        return True
    from PIL import Image

    try:
        Image.open(path, formats=COMMON_FORMATS).close()
    except Exception:  # each of Pillow's decoders fails in its own way
        return False
    return True


def _has_images(root: Path) -> bool:
    return any(map(is_image, _walk(root)))


def _files(root: Path) -> list[str]:
    """Return every file directly in `root`, without the files of the operating system."""
    return [entry.path for entry in os.scandir(root) if entry.is_file() and not _hidden(entry.name)]


def _strays(root: Path) -> tuple[str, ...]:
    """Return a note on the images directly in `root`, which belong to no class."""
    count = sum(map(is_image, _files(root)))
    return (f"Images beside the folders in {root} were left out: {count:,}.",) if count else ()


def _walk(root: Path) -> Iterator[str]:
    """Yield every file below `root`, without the files of the operating system."""
    visited = set()
    for path, folders, names in os.walk(root, followlinks=True):
        stat = os.stat(path)  # noqa: PTH116
        if (stat.st_dev, stat.st_ino) in visited:  # a link to a folder above
            folders.clear()
            continue
        visited.add((stat.st_dev, stat.st_ino))
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in names:
            file = os.path.join(path, name)  # noqa: PTH118  (60,000 times, and Path is slow)
            # Opening a named pipe would block for ever. A broken link is reported when it is read.
            if not _hidden(name) and (os.path.isfile(file) or os.path.islink(file)):  # noqa: PTH113, PTH114
                yield file


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK
