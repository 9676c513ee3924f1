"""MNIST's validation images straight from their file, for a page that must not wait for torch."""

from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from kdlab.paths import data_folder

__all__ = ["mnist_validation_images"]

HEADER = 16  # bytes: a magic number, the number of images, rows and columns
SHAPE = (60_000, 1, 28, 28)


def mnist_validation_images() -> NDArray[np.uint8] | None:
    """Return them as uint8 (5,000, 1, 28, 28), or None where MNIST was not fetched yet, or not whole."""
    path = data_folder() / "MNIST" / "raw" / "train-images-idx3-ubyte"
    try:
        if path.stat().st_size != HEADER + np.prod(SHAPE):
            return None
        images = np.memmap(path, np.uint8, "r", HEADER, SHAPE)
    except OSError:
        return None
    # Which of the training file's images they are depends on scikit-learn's draw, so it is kept beside their logits.
    with as_file(files("kdlab.assets") / "temperature" / "validation.npy") as kept:
        return np.array(images[np.load(kept)])
