"""MNIST's test images straight from their file, for a page that must not wait for torch."""

import numpy as np
from numpy.typing import NDArray

from kdlab.core.data.fetching import data_root

__all__ = ["mnist_test_images"]

HEADER = 16  # bytes: a magic number, the number of images, rows and columns
SHAPE = (10_000, 1, 28, 28)


def mnist_test_images() -> NDArray[np.uint8] | None:
    """Return them as uint8 (10,000, 1, 28, 28), or None where MNIST was not fetched yet, or not whole."""
    try:
        content = np.fromfile(data_root() / "MNIST" / "raw" / "t10k-images-idx3-ubyte", dtype=np.uint8)
    except OSError:
        return None
    return content[HEADER:].reshape(SHAPE) if len(content) == HEADER + np.prod(SHAPE) else None
