"""A gallery of validation images, one of which can be chosen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from traitlets import Bytes, Dict, Int

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Gallery"]


class Gallery(Element):
    """Shows images under a title; `chosen` is the index of the clicked example."""

    _code = code(Path(__file__).parent / "gallery.js")
    pixels = Bytes(b"").tag(sync=True)
    shown = Dict({"title": "", "shape": [1, 1, 1], "indices": [], "labels": [], "unit": "image"}).tag(sync=True)
    chosen = Int(0).tag(sync=True)

    def show(
        self, title: str, images: NDArray[np.uint8], indices: Sequence[int], labels: Sequence[str], unit: str = "image"
    ) -> None:
        """Show `images`, uint8 (images, channels, height, width), of the examples `indices`.

        `unit` is what one example is called.
        """
        with self.hold_sync():
            self.pixels = images.tobytes()
            self.shown = {
                "title": title,
                "shape": list(images.shape[1:]),
                "indices": [int(index) for index in indices],
                "labels": list(labels),
                "unit": unit,
            }
