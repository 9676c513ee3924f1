"""Checks that every data set must pass before training, whoever wrote the function that returns it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kdlab.lazy import torch
from kdlab.registry import InputError, quote

if TYPE_CHECKING:
    from kdlab.datasets.dataset import Split

__all__ = ["check_classes", "check_split", "name_some"]

MAX_NAMES = 10  # names in a sentence


def name_some(names: Iterable[object]) -> str:
    """Return the first ten names, and how many more there are."""
    shown = [str(name) for name in names]
    hidden = len(shown) - MAX_NAMES
    return ", ".join(shown[:MAX_NAMES]) + (f" and {hidden:,} more" if hidden > 0 else "")


def check_classes(name: str, classes: Any) -> None:
    """Raise InputError unless `classes` is a tuple of at least two different names."""
    owner = f"The data set {quote(name)}"
    if not isinstance(classes, tuple) or not all(isinstance(label, str) and label.strip() for label in classes):
        raise InputError(f"{owner} needs a tuple of names as its classes, not {quote(classes)}: name each class.")
    if len(classes) < 2:
        raise InputError(f"{owner} needs at least two classes and has {len(classes)}: give it more.")
    duplicates = sorted({label for label in classes if classes.count(label) > 1})
    if duplicates:
        raise InputError(f"{owner} has classes of the same name: give {name_some(duplicates)} different names.")


def check_split(name: str, role: str, split: Split, classes: tuple[str, ...]) -> None:
    """Raise InputError unless the split `role` of the data set `name` holds images and labels that fit `classes`.

    Of the split "training" each class must have an example.
    """

    owner = f"The {role} split of the data set {quote(name)}"
    images, labels, groups = (getattr(split, field, None) for field in ("images", "labels", "groups"))
    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        raise InputError(
            f"{owner} has {_kind(images)} as its images: give a uint8 tensor (examples, channels, height, width)."
        )
    if not isinstance(labels, torch.Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        raise InputError(f"{owner} has {_kind(labels)} as its labels: give an int64 tensor (examples,).")
    if groups is not None and (not isinstance(groups, torch.Tensor) or groups.dtype != torch.int64 or groups.ndim != 1):
        raise InputError(f"{owner} has {_kind(groups)} as its groups: give an int64 tensor (examples,), or None.")
    if len(images) != len(labels) or (groups is not None and len(groups) != len(labels)):
        more = "" if groups is None else f" and {len(groups):,} groups"
        raise InputError(f"{owner} has {len(images):,} images, {len(labels):,} labels{more}: give one for each image.")
    if not images.numel():
        raise InputError(f"{owner} is empty (images of the shape {tuple(images.shape)}): give it examples.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise InputError(
            f"{owner} has labels from {low} to {high}, and of its {len(classes)} classes the first is 0 and the last "
            f"{len(classes) - 1}: number the labels so, or name the other classes."
        )
    counts = torch.bincount(labels, minlength=len(classes))
    if role == "training" and not counts.all():
        missing = name_some(classes[i] for i in (counts == 0).nonzero()[:, 0].tolist())
        raise InputError(f"{owner} has no example of {missing}: add some, or leave the class out.")


def _kind(value: object) -> str:
    """Describe the type of a value in a few words."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        module = "" if type(value).__name__ == "Tensor" else f" {type(value).__name__}"
        return f"{str(value.dtype).removeprefix('torch.')}{module} {tuple(value.shape)}"
    return f"something of the type {type(value).__name__}"
