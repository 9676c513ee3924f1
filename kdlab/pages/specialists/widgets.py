"""The widgets of the page "Specialists": plain data in, elements of the page out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from traitlets import Bytes, Dict, Int, List, Unicode

from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Asking", "Confused"]

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "specialists.css").read_text(encoding="utf-8")


class Confused(Element):
    """The similarity of classes in their dendrogram's order, and the classes of each specialist, to be edited.

    `subsets`: class numbers of each specialist, or None: as they were found. `texts`: the `origin` of these classes,
    a sentence where the choice is `stale` (about other classes), and an `error` of the subsets.
    """

    _code = code(FOLDER / "confused.js")
    _css = STYLE
    similarity = Bytes(b"").tag(sync=True)
    matrix = Dict().tag(sync=True)
    subsets = List(default_value=None, allow_none=True).tag(sync=True)
    texts = Dict().tag(sync=True)

    def show(
        self, classes: Sequence[str], similarity: NDArray[np.floating], order: NDArray[np.integer],
        tree: NDArray[np.floating], detected: Sequence[Sequence[int]],
    ) -> None:  # fmt: skip
        """Show `similarity` (classes, classes), `tree` (joints, 2, 4): places in `order` and heights, as 0 to 1."""
        tallest = float(tree[:, 1].max(initial=0)) or 1.0
        joints = [[joint[0].tolist(), (joint[1] / tallest).tolist()] for joint in np.asarray(tree, dtype=np.float64)]
        with self.hold_sync():
            self.similarity = np.ascontiguousarray(similarity, dtype="<f4").tobytes()
            self.matrix = {
                "classes": list(classes), "order": order.tolist(), "joints": joints,
                "found": [list(subset) for subset in detected],
            }  # fmt: skip

    def clear(self) -> None:
        """Show that there is no matrix yet."""
        self.matrix = {}


class Asking(Element):
    """Pictures to choose from, and an `answer` to the one `chosen`, counted from 0.

    `outcomes` of the pictures: "right", "mended", "spoilt" or "wrong". `answer`: `classes`, `truth`, `n`; `generalist`
    and `together`, probabilities of the classes; `first`: those the generalist finds most probable; `specialists`: each
    `asked` or not, its `members` and their `shares`, the dustbin's last. `split`: which images the pictures are.
    """

    _code = code(FOLDER / "asking.js")
    _css = STYLE
    pixels = Bytes(b"").tag(sync=True)
    gallery = Dict().tag(sync=True)
    outcomes = List(Unicode()).tag(sync=True)
    split = Unicode("validation").tag(sync=True)
    chosen = Int(0).tag(sync=True)
    answer = Dict().tag(sync=True)

    def show(self, images: NDArray[np.uint8], examples: Sequence[int], truths: Sequence[str], **traits: Any) -> None:
        """Show `images`, uint8 (pictures, channels, height, width), of the examples `examples`, and set `traits`."""
        with self.hold_sync():
            self.pixels = np.ascontiguousarray(images).tobytes()
            for name, value in traits.items():
                setattr(self, name, value)
            self.gallery = {
                "shape": list(images.shape[1:]), "examples": [int(index) for index in examples], "truths": list(truths)
            }  # fmt: skip
