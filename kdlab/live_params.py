"""Parameters that change while a run trains."""

from collections import deque
from collections.abc import Mapping

__all__ = ["LiveParams"]


class LiveParams:
    """Changes of parameters on their way to a training loop, and in `values` the parameters that hold now.

    Any thread may `set` changes. The loop takes them before a step, so that those of one call apply together.
    """

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self._waiting: deque[dict[str, float]] = deque()

    def set(self, changes: Mapping[str, float]) -> None:
        """Let the training loop apply these changes at its next step."""
        self._waiting.append(dict(changes))

    def take(self) -> dict[str, float]:
        """Return the waiting changes, the latest of each parameter; then none wait."""
        changes: dict[str, float] = {}
        while self._waiting:
            changes |= self._waiting.popleft()
        return changes
