"""MNIST's validation images read directly from the file, because pages must not import torch."""

from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from kdlab.paths import data_folder

__all__ = ["mnist_validation_images"]

HEADER = 16  # bytes: a magic number, the number of images, rows and columns
SHAPE = (60_000, 1, 28, 28)


def mnist_validation_images() -> NDArray[np.uint8] | None:
    """Return MNIST's validation images, uint8 (5,000, 1, 28, 28), or None where MNIST is not completely downloaded."""
    path = data_folder() / "MNIST" / "raw" / "train-images-idx3-ubyte"
    try:
        if path.stat().st_size != HEADER + np.prod(SHAPE):
            return None
        images = np.memmap(path, np.uint8, "r", HEADER, SHAPE)
    except OSError:
        return None
    # Their indices in the training file depend on scikit-learn's random split, so they are stored beside the logits.
    with as_file(files("kdlab.assets") / "temperature" / "validation.npy") as index_file:
        return np.array(images[np.load(index_file)])
