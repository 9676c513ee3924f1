"""A data set: named classes and three splits, each with one tensor of images and one of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kdlab.datasets.checks import check_classes, check_split, name_some
from kdlab.lazy import torch
from kdlab.registry import InputError, quote

__all__ = ["DRAWINGS", "PHOTOGRAPHS", "Dataset", "Split", "assemble", "stratified_split", "to_inputs"]

# Suggested fields of a spec: the paper's perceptrons for drawings, convolutions for photographs.
DRAWINGS = {
    "teacher": "mlp:1200x2:dropout=0.5:input_dropout=0.2", "student": "mlp:800x2",
    "batch_size": 128, "learning_rate": 1e-3,
}  # fmt: skip
PHOTOGRAPHS = {"teacher": "cnn:width=64", "student": "cnn:width=8", "batch_size": 128, "learning_rate": 2e-3}

VALIDATION_SHARE = 0.1
VALIDATION_LIMIT = 5_000


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 (examples, channels, height, width), and their labels, int64 (examples,).

    `groups`, int64 (examples,): the group of each example, such as the recording of a frame, or None.
    A loaded data set is cached for the next run: do not write into these tensors.
    """

    images: torch.Tensor
    labels: torch.Tensor
    groups: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, index: slice | torch.Tensor = slice(None), dtype: torch.dtype | None = None) -> torch.Tensor:
        """Return the chosen images as numbers in [0, 1], float32 unless `dtype` says otherwise."""
        return to_inputs(self.images[index], dtype)

    def take(self, index: torch.Tensor) -> Split:
        """Return the examples at `index`, int64 (chosen,), in that order."""
        return Split(self.images[index], self.labels[index], None if self.groups is None else self.groups[index])

    def to(self, device: torch.device | str) -> Split:
        """Return the split on `device`."""
        groups = None if self.groups is None else self.groups.to(device)
        return Split(self.images.to(device), self.labels.to(device), groups)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory: `validation` is never trained on, `test` is never used to choose anything.

    `notes`: complete sentences about conversions and assumptions made while a person's files were read. `example_unit`
    and `group_unit`: the plural nouns for examples and for the numbers in `Split.groups`.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    example_unit: str = "images"
    group_unit: str = "groups"

    @property
    def shape(self) -> tuple[int, int, int]:
        """The size of one image: channels, height, width."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> Dataset:
        """Return the data set on `device`."""
        splits = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **splits)


def to_inputs(images: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return uint8 images as numbers in [0, 1], float32 unless `dtype` says otherwise."""
    return (images.float() if dtype is None else images.to(dtype)).div_(255)


def stratified_split(labels: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the training examples and of the `size` held-out ones, stratified by label.

    The same labels always give the same indices, in a fixed random order: any contiguous part is a fair sample.
    Raises InputError where a label has only one example, or where a part would have fewer examples than labels.
    """
    from sklearn.model_selection import train_test_split

    present, counts = np.unique(labels, return_counts=True)
    if not len(present) <= size <= len(labels) - len(present):
        raise InputError(
            f"{size:,} of {len(labels):,} examples cannot be set aside, because each part needs one for each of the "
            f"{len(present):,} labels: give more examples, or change how many are set aside."
        )
    if counts.min() < 2:
        raise InputError(
            f"Label {present[counts.argmin()]} has one example only, and one must stay where another is set aside: "
            "give it a second one, or leave it out."
        )
    train, held_out = train_test_split(np.arange(len(labels)), test_size=size, stratify=labels, random_state=0)
    return train, held_out


def assemble(
    name: str,
    classes: tuple[str, ...],
    train: Split,
    test: Split,
    *,
    validation: Split | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Return the data set, with `validation` or else a validation split drawn from `train`: a tenth, at most 5,000.

    A drawn split has at least as many images as there are classes, though a rare class may have none in it.
    The draw depends on the labels alone, so every run and seed has the same one. Each class needs two images.
    With a given `validation`, both it and `train` are put into a fixed random order. Raises InputError
    for a class that has one training image, and for splits that do not fit the classes.
    """

    check_classes(name, classes)
    check_split(name, "training", train, classes)
    if validation is not None:
        check_split(name, "validation", validation, classes)
        train, validation = (
            split.take(torch.from_numpy(np.random.default_rng(0).permutation(len(split))))
            for split in (train, validation)
        )
        return Dataset(name, classes, train, validation, test, tuple(notes))
    rare = (torch.bincount(train.labels) < 2).nonzero()[:, 0].tolist()
    if rare:
        raise InputError(
            f"The data set {quote(name)} has one training example only of {name_some(classes[i] for i in rare)}, and "
            "each class needs two, one to learn from and one to choose by: add some, or leave the class out."
        )
    size = max(len(classes), min(int(len(train) * VALIDATION_SHARE), VALIDATION_LIMIT))
    train_index, held_out = map(torch.from_numpy, stratified_split(train.labels.numpy(), size))
    return Dataset(name, classes, train.take(train_index), train.take(held_out), test, tuple(notes))
