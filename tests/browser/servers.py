"""`kdlab app` and `kdlab lab` as a person starts them, and the processes that belong to them."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
from listening import wait_until_listening

from kdlab.pages import catalogue  # noqa: F401  (it fills the registry)
from kdlab.paths import data_folder
from kdlab.registry import EXPERIMENTS

__all__ = ["Server"]

KERNEL, WORKER = "ipykernel_launcher", "multiprocessing.spawn"


class Server:
    """One server, ready when the constructor returns; `kind` is "voila" or "jupyterlab", its files are in `folder`."""

    def __init__(self, kind: str, folder: Path, *options: str) -> None:
        self.kind, self.folder = kind, folder
        command = ["app"] if kind == "voila" else ["lab", str(folder / "notebooks")]
        # A person's own Jupyter settings, workspaces, command history and trained networks stay out of it, and are not
        # written to.
        own = {
            name: str(folder / name.lower())
            for name in (
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_DATA_DIR",
                "JUPYTER_RUNTIME_DIR",
                "IPYTHONDIR",
                "XDG_CACHE_HOME",
                "KDLAB_RUNS",
            )
        }
        own["KDLAB_DATA"] = str(data_folder())  # which may be in the cache that this person has
        self._server = subprocess.Popen(
            [Path(sys.executable).with_name("kdlab"), *command, *options, "--no-browser"],
            env=os.environ | own, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._server.stdout is not None
        self.lines: list[str] = []
        self.address = self._read_address()
        wait_until_listening(self.address, self._server)
        self._reader = threading.Thread(target=self.lines.extend, args=(self._server.stdout,), daemon=True)
        self._reader.start()

    def page(self, name: str) -> str:
        """Return the address of a page by its notebook's name, or of an experiment; `address` is that of "distil"."""
        if name in EXPERIMENTS:
            return f"{self.page('experiment')}#experiment={name}"
        page = self.address.replace("distil.ipynb", f"{name}.ipynb")
        # In JupyterLab a workspace of its own: two windows of one would open and run each other's notebooks.
        return page.replace("/lab/tree/", f"/lab/workspaces/{name}/tree/")

    def _read_address(self) -> str:
        for line in self._server.stdout or ():
            self.lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S*", line):
                return found[0]
        raise AssertionError(f"{self.kind} ended without an address:\n{''.join(self.lines)}")

    def processes(self, what: str) -> list[psutil.Process]:
        """Return the processes under this server whose command line has `what` in it."""
        return [child for child in self._children() if what in " ".join(child.cmdline())]

    def worker(self) -> psutil.Process:
        """Return the process that trains: what is a child of the server itself is its desk."""
        workers = [one for one in self.processes(WORKER) if one.ppid() != self._server.pid]
        return max(workers, key=lambda one: one.cpu_percent(0.5))

    def suspended(self) -> contextlib.AbstractContextManager[None]:
        """Have the server answer nobody meanwhile."""
        return _suspended(psutil.Process(self._server.pid))

    def _children(self) -> list[psutil.Process]:
        return psutil.Process(self._server.pid).children(recursive=True)

    def close(self) -> None:
        """End the server as a service manager does; its kernels and workers must go with it."""
        family = self._children()
        self._server.terminate()
        try:
            self._server.wait(30)
            _, left = psutil.wait_procs(family, timeout=15)
        finally:
            self._server.kill()  # does nothing to what has ended
            self._server.wait()
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._reader.join()
            self._server.stdout.close()
        assert not left, f"{self.kind} left processes behind: {left}"


@contextlib.contextmanager
def _suspended(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()
