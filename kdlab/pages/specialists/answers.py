"""What generalist and specialists said of the pictures, and what follows from it where the sliders stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.routing import route

__all__ = ["Heard"]

# By whether the generalist is right, and whether all together are.
OUTCOMES = {(True, True): "right", (False, True): "mended", (True, False): "spoilt", (False, False): "wrong"}
KEYS = {label: key for key, label in DIRECTIONS.items()}


@dataclass(frozen=True, eq=False)
class Heard:
    """Logits about the pictures: `generalist` (pictures, classes), `specialists` (pictures, own classes and dustbin).

    `truths`: int64 (pictures,).
    """

    classes: list[str]
    truths: NDArray[np.int64]
    generalist: NDArray[np.float32]
    specialists: list[NDArray[np.float32]]
    subsets: list[list[int]]
    _known: dict[tuple[int, str], list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return what a result's arrays hold of its pictures."""
        shown = arrays["pictured"]
        subsets = [np.flatnonzero(row).tolist() for row in arrays["members"]]
        said = [arrays[f"specialist/{at}"] for at in range(len(subsets))]
        classes = [str(one) for one in arrays["classes"]]
        return cls(classes, arrays["labels"][shown], arrays["generalist"], said, subsets)

    def together(self, at: slice, n: int, choice: str) -> NDArray[np.float64]:
        """Return the probabilities that all together give, (pictures, classes); `choice`: a direction's label."""
        asked = route(self.generalist[at], self.subsets, n)
        said = [one[at] for one in self.specialists]
        return np.exp(combine(self.generalist[at], said, self.subsets, asked, KEYS.get(choice, "forward")))

    def outcomes(self, n: int, choice: str) -> list[str]:
        """Return what became of each picture: "right", "mended", "spoilt" or "wrong"."""
        if (n, choice) not in self._known:  # a slider comes by again
            before = self.generalist.argmax(1) == self.truths
            after = self.together(slice(None), n, choice).argmax(1) == self.truths
            pairs = zip(before.tolist(), after.tolist(), strict=True)
            self._known[n, choice] = [OUTCOMES[pair] for pair in pairs]
        return self._known[n, choice]

    def answer(self, at: int, n: int, choice: str) -> dict[str, Any]:
        """Return what was said of one picture, as `kdlab.widgets.specialists.Asking` shows it."""
        own = slice(at, at + 1)
        asked = route(self.generalist[own], self.subsets, n)[0]
        return {
            "classes": self.classes, "truth": int(self.truths[at]), "n": n,
            "generalist": _shares(self.generalist[at]), "together": self.together(own, n, choice)[0].tolist(),
            "first": np.argsort(-self.generalist[at], kind="stable")[:n].tolist(),
            "specialists": [
                {"asked": bool(heard), "members": subset, "shares": _shares(said[at])}
                for heard, subset, said in zip(asked, self.subsets, self.specialists, strict=True)
            ],
        }  # fmt: skip


def _shares(logits: NDArray[np.float32]) -> list[float]:
    powers = np.exp(logits.astype(np.float64) - logits.max())
    shares: list[float] = (powers / powers.sum()).tolist()
    return shares
