"""A Dask cluster as an operator runs one, for tests."""

import os
import socket
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


class DaskCluster:
    """A scheduler and workers in processes of their own, as an operator runs them, but for the workers' patience."""

    def __init__(self, folder: Path, workers: int = 1) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._folder, self._workers = folder, workers
        self._processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        if self._processes:
            return
        here = ["--host", "127.0.0.1", "--no-dashboard"]
        self._run("dask_scheduler", *here, "--port", str(self.port))
        folder = ("--local-directory", str(self._folder))
        workers = ("--nworkers", str(self._workers), "--nthreads", "1", "--preload", "impatient")
        self._run("dask_worker", self.address, *here, *folder, *workers)

    def end(self) -> None:
        """Kill the scheduler; its worker ends when it notices."""
        for process in self._processes:
            process.kill() if process is self._processes[0] else process.terminate()
        for process in self._processes:
            process.wait(60.0)
        self._processes.clear()

    def kill_scheduler(self) -> None:
        self._processes[0].kill()

    def _run(self, module: str, *arguments: str) -> None:
        paths = os.pathsep.join([str(TESTS), str(TESTS / "runs")])
        self._processes.append(
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                env=os.environ | {"PYTHONPATH": paths},
                cwd=self._folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
