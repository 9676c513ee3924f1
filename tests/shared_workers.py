"""Worker processes that stay while tests come and go: importing torch takes longer than most of the runs in them."""

from collections.abc import Callable

from kdlab.runs.executors.local import LocalExecutor
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Files, RunRequest, WorkerMessage
from kdlab.runs.worker_process import WorkerRun

__all__ = ["SharedWorkers"]


class SharedWorkers(LocalExecutor):
    """Keeps its processes when a server closes it, for the next test's server; `end` ends them."""

    def __init__(self) -> None:
        super().__init__()
        self._closings = 0

    def start(
        self,
        request: RunRequest,
        limits: Limits,
        checkpoint: Files | None,
        paused: bool,
        receive: Callable[[WorkerMessage], None],
    ) -> WorkerRun:
        closings = self._closings

        def pass_on(message: WorkerMessage) -> None:
            if closings == self._closings:
                receive(message)

        return super().start(request, limits, checkpoint, paused, pass_on)

    def close(self) -> None:
        """Stop the runs, without messages."""
        self._closings += 1
        for run in list(self._working.values()):
            run.send_command("stop")

    def end(self) -> None:
        """End the processes."""
        super().close()
