"""Predictions of generalist and specialists for the pictures, combined at the sliders' positions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kdlab.metrics.softened import soften
from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.routing import route

__all__ = ["SpecialistAnswers"]

# By whether the generalist is right alone, and whether the combined answer is.
OUTCOMES = {(True, True): "right", (False, True): "mended", (True, False): "spoilt", (False, False): "wrong"}
KEYS = {label: key for key, label in DIRECTIONS.items()}


@dataclass(frozen=True, eq=False)
class SpecialistAnswers:
    """Logits about the pictures: `generalist` (pictures, classes), `specialists` (pictures, own classes and dustbin).

    `truths`: int64 (pictures,).
    """

    classes: list[str]
    truths: NDArray[np.int64]
    generalist: NDArray[np.float32]
    specialists: list[NDArray[np.float32]]
    subsets: list[list[int]]
    _outcomes: dict[tuple[int, str], list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the answers for the pictures in a result's arrays."""
        shown = arrays["pictured"]
        subsets = [np.flatnonzero(row).tolist() for row in arrays["members"]]
        specialists = [arrays[f"specialist/{index}"] for index in range(len(subsets))]
        classes = [str(name) for name in arrays["classes"]]
        return cls(classes, arrays["labels"][shown], arrays["generalist"], specialists, subsets)

    def combined(self, pictures: slice, n: int, choice: str) -> NDArray[np.float64]:
        """Return the combined probabilities, (pictures, classes); `choice`: a direction's label."""
        generalist = self.generalist[pictures]
        asked = route(generalist, self.subsets, n)
        specialists = [logits[pictures] for logits in self.specialists]
        return np.exp(combine(generalist, specialists, self.subsets, asked, KEYS.get(choice, "forward")))

    def outcomes(self, n: int, choice: str) -> list[str]:
        """Return the outcome of each picture: "right", "mended", "spoilt" or "wrong"."""
        if (n, choice) not in self._outcomes:  # a slider may return to a position
            alone_right = self.generalist.argmax(1) == self.truths
            combined_right = self.combined(slice(None), n, choice).argmax(1) == self.truths
            pairs = zip(alone_right.tolist(), combined_right.tolist(), strict=True)
            self._outcomes[n, choice] = [OUTCOMES[pair] for pair in pairs]
        return self._outcomes[n, choice]

    def answer(self, index: int, n: int, choice: str) -> dict[str, Any]:
        """Return the answers for one picture, as `kdlab.pages.specialists.widgets.Asking` shows them."""
        picture = slice(index, index + 1)
        asked = route(self.generalist[picture], self.subsets, n)[0]
        return {
            "classes": self.classes, "truth": int(self.truths[index]), "n": n,
            "generalist": soften(self.generalist[index]).tolist(),
            "together": self.combined(picture, n, choice)[0].tolist(),
            "first": np.argsort(-self.generalist[index], kind="stable")[:n].tolist(),
            "specialists": [
                {"asked": bool(is_asked), "members": subset, "shares": soften(logits[index]).tolist()}
                for is_asked, subset, logits in zip(asked, self.subsets, self.specialists, strict=True)
            ],
        }  # fmt: skip
