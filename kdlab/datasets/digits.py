"""The small data set that comes with scikit-learn: no download, loaded in a second."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from kdlab.datasets.dataset import Dataset, Split, assemble, stratified_split
from kdlab.lazy import torch
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError

__all__ = ["digits"]

TEST_SIZE = 360


@DATASETS.add(
    "digits",
    label="Digits 8×8",
    help="1,797 handwritten digits of 8×8 pixels, built in",
    # bfloat16 would gain no time on so few images; float32 gives nearly the same numbers on every machine.
    suggested={"epochs": 60, "teacher_epochs": 60, "batch_size": 32, "learning_rate": 3e-3, "precision": "float32"},
)
def digits(argument: str) -> Generator[Progress, None, Dataset]:
    """Return scikit-learn's digits, their 17 grey levels spread over 0 to 255; 360 of them are the test set."""
    if argument:
        raise InputError(f"The data set 'digits' takes nothing behind a colon; write digits, not digits:{argument}.")
    yield Progress("Reading digits", 0, 1_797, "images")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(np.rint(pixels * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
    everything = Split(images, torch.from_numpy(labels.astype(np.int64)))
    train_index, test_index = stratified_split(labels, TEST_SIZE)
    train, test = everything.take(torch.from_numpy(train_index)), everything.take(torch.from_numpy(test_index))
    yield Progress("Reading digits", 1_797, 1_797, "images")
    return assemble("digits", tuple("0123456789"), train, test)
