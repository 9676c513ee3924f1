"""The runs in the server's memory, and their subscribers."""

from kdlab.registry import InputError
from kdlab.runs.active_run import ActiveRun, Receive
from kdlab.runs.protocol import ENDS
from kdlab.runs.run_writer import RunWriter
from kdlab.runs.store import ELSEWHERE, RunStore

__all__ = ["RunDirectory"]


class RunDirectory:
    """Active runs by id, and ended ones with subscribers or an unsaved result; called on the server's event loop."""

    def __init__(self, store: RunStore, writer: RunWriter) -> None:
        self._store, self._writer = store, writer
        self._runs: dict[str, ActiveRun] = {}

    def get(self, run_id: str) -> ActiveRun | None:
        """Return a run in memory, or None."""
        return self._runs.get(run_id)

    def add(self, run: ActiveRun) -> None:
        """Keep a run in memory, in place of one with the same id."""
        self._runs[run.run] = run

    def find(self, run_id: str) -> ActiveRun:
        """Return a run in memory or from the store; raises InputError."""
        if run := self._runs.get(run_id):
            return run
        info = self._store.info(run_id)
        if info is None:
            raise InputError("This run is not here any more: it was deleted, or kept for as long as was agreed.")
        if info.state not in ENDS:
            raise InputError(ELSEWHERE)
        return ActiveRun.restore(info, self._store.files(run_id, "result"))

    def forget(self, run: ActiveRun) -> None:
        """Drop an ended run without subscribers; the store has it."""
        if run.ended and not run.subscribers and not self._writer.is_unsaved(run.run):
            self._runs.pop(run.run, None)

    async def subscribe(self, run_id: str, key: int, receive: Receive, visitor: str) -> None:
        """Send a run's messages to `receive`, until `unsubscribe` with this key; raises InputError."""
        run = self.find(run_id)
        run.subscribe(key, receive, visitor)
        self.add(run)

    def unsubscribe(self, run_id: str, key: int) -> None:
        """Remove the subscriber with this key; the run continues."""
        if run := self._runs.get(run_id):
            run.subscribers.pop(key, None)
            self.forget(run)
