"""The parameters of a run that may change while it trains."""

import threading
from collections.abc import Mapping

__all__ = ["LiveParams"]


class LiveParams:
    """Holds the current parameters of a run, in `values`, and the changes that wait for the next training step.

    Only the run writes `values`.
    """

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self._waiting: dict[str, float] = {}
        self._lock = threading.Lock()

    def set(self, changes: Mapping[str, float]) -> None:
        """Add changes that take effect together at the next training step; any thread may call this."""
        with self._lock:
            self._waiting.update(changes)

    def take(self) -> dict[str, float]:
        """Return the waiting changes, of one key the latest; afterwards none wait."""
        with self._lock:
            changes, self._waiting = self._waiting, {}
        return changes
