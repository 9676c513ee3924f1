"""One example: its picture, and its soft targets of teacher, baseline and student side by side."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from traitlets import Bytes, Dict, Float

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["SoftTargets"]


class SoftTargets(Element):
    """A picture, and bars of softmax(logits / T) from the browser; link `temperature` to a slider with `jslink`.

    `example`: `classes` (names), `truth` (index) and `logits` (lists by network).
    """

    _code = code(Path(__file__).parent / "soft_targets.js")
    example = Dict({"classes": [], "truth": -1, "logits": {}}).tag(sync=True)
    temperature = Float(1.0).tag(sync=True)
    pixels = Bytes(b"").tag(sync=True)
    picture = Dict({"title": "", "shape": [1, 1, 1]}).tag(sync=True)

    def show_picture(self, title: str, image: NDArray[np.uint8]) -> None:
        """Show `image`, uint8 (channels, height, width), below its title."""
        with self.hold_sync():
            self.pixels = image.tobytes()
            self.picture = {"title": title, "shape": list(image.shape)}
