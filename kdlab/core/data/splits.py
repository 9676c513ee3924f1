"""What a data set is: named classes and three splits, each one tensor of images and one of labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["DRAWINGS", "PHOTOGRAPHS", "Dataset", "Split", "assemble", "hold_out", "to_inputs"]

# What suits a data set, as fields of a spec: the paper's perceptrons for drawings, convolutions for photographs.
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

    `groups`, int64 (examples,): which examples belong together, as the frames of one recording do, or None.
    A loaded data set is kept for the next run: do not write into these tensors.
    """

    images: "Tensor"
    labels: "Tensor"
    groups: "Tensor | None" = None

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, index: "slice | Tensor" = slice(None), dtype: "torch.dtype | None" = None) -> "Tensor":
        """Return the chosen images as numbers in [0, 1], float32 unless `dtype` says otherwise."""
        return to_inputs(self.images[index], dtype)

    def take(self, index: "Tensor") -> "Split":
        """Return the examples at `index`, int64 (chosen,), in that order."""
        return Split(self.images[index], self.labels[index], None if self.groups is None else self.groups[index])

    def to(self, device: "torch.device | str") -> "Split":
        """Return the split on `device`."""
        groups = None if self.groups is None else self.groups.to(device)
        return Split(self.images.to(device), self.labels.to(device), groups)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory: `validation` is drawn from the training images, `test` is never used to choose anything."""

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """The size of one image: channels, height, width."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: "torch.device | str") -> "Dataset":
        """Return the data set on `device`."""
        return Dataset(
            self.name, self.classes, self.train.to(device), self.validation.to(device), self.test.to(device), self.notes
        )


def to_inputs(images: "Tensor", dtype: "torch.dtype | None" = None) -> "Tensor":
    """Return uint8 images as numbers in [0, 1], float32 unless `dtype` says otherwise."""
    return (images.float() if dtype is None else images.to(dtype)).div_(255)


def hold_out(labels: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the examples that stay and of the `size` that are set aside, stratified by label.

    The same labels always give the same indices, in a fixed random order: any run of them is a fair sample.
    """
    from sklearn.model_selection import train_test_split

    stay, aside = train_test_split(np.arange(len(labels)), test_size=size, stratify=labels, random_state=0)
    return stay, aside


def assemble(name: str, classes: tuple[str, ...], train: Split, test: Split) -> Dataset:
    """Return the data set, with a validation split drawn from `train`: a tenth, at most 5,000 images.

    It has at least as many images as there are classes, though a rare class may have none in it.
    The draw depends on the labels alone, so every run of every seed has the same one. Each class needs two images.
    """
    import torch

    size = max(len(classes), min(int(len(train) * VALIDATION_SHARE), VALIDATION_LIMIT))
    stay, aside = hold_out(train.labels.numpy(), size)
    return Dataset(name, classes, train.take(torch.from_numpy(stay)), train.take(torch.from_numpy(aside)), test)
