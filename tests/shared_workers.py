"""Worker processes that stay while tests come and go: importing torch takes longer than most of the runs in them."""

from kdlab.runs.executors.local import LocalEngine

__all__ = ["SharedWorkers"]


class SharedWorkers(LocalEngine):
    """Keeps its processes when a desk closes it, for the next test's desk; `end` ends them."""

    def close(self) -> None:
        """Stop the runs, without messages."""
        with self._lock:
            for worker in self._working.values():
                worker.receive = lambda _: None
                worker.runner.abandon()
            self._idle.extend(self._working.values())
            self._working.clear()

    def end(self) -> None:
        """End the processes."""
        super().close()
