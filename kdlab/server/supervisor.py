"""The server of runs beside a web server: a second process with the runs of all pages."""

import multiprocessing
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from kdlab.paths import runs_folder
from kdlab.registry import InputError
from kdlab.runs.server_process import main

__all__ = ["run_server"]

START_TIMEOUT = 120.0  # seconds that a server of runs may take to start, or to end
RESTART_PAUSES = 1.0, 30.0  # seconds before the first restart, and at most; each pause doubles
context = multiprocessing.get_context("spawn")


@contextmanager
def run_server(public: bool, scheduler: str | None, limits: Path | None) -> Iterator[None]:
    """Run a server of runs for the kernels that start meanwhile; one that dies is restarted at the same address.

    Raises InputError when it cannot start.
    """
    ending = threading.Event()
    if public or scheduler:  # a separate folder, because the server deletes old files there
        os.environ.setdefault("KDLAB_PIECES", str(runs_folder() / "pieces"))
    with TemporaryDirectory(prefix="kdlab-runs-") as folder:
        place = Path(folder, "socket") if os.name == "posix" else Rf"\\.\pipe\{Path(folder).name}"
        os.environ["KDLAB_RUN_SERVER"] = f"{place}#{secrets.token_hex(16)}"
        process = _begin(public, scheduler, limits)

        def guard() -> None:
            nonlocal process
            while not ending.is_set():
                process.join()
                pause, max_pause = RESTART_PAUSES
                if not ending.is_set():
                    click.echo("The server of runs ended unexpectedly; it is started again.", err=True)
                while not ending.is_set():
                    try:
                        process = _begin(public, scheduler, limits)
                        break
                    except (InputError, OSError) as error:
                        click.echo(f"{error} It is tried again in {pause:.0f} seconds.", err=True)
                    ending.wait(pause)
                    pause = min(2 * pause, max_pause)
            process.terminate()  # the last process may have started just now

        guardian = threading.Thread(target=guard, name="kdlab-run-server-guard", daemon=True)
        guardian.start()
        try:
            yield
        finally:
            ending.set()
            process.terminate()
            guardian.join(START_TIMEOUT)
            process.join(START_TIMEOUT)
            del os.environ["KDLAB_RUN_SERVER"]


def _begin(public: bool, scheduler: str | None, limits: Path | None) -> BaseProcess:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_server, args=(public, scheduler, limits, theirs), name="kdlab-run-server")
    process.start()
    theirs.close()
    try:
        answer = (
            ours.recv()
            if ours.poll(START_TIMEOUT)
            else InputError("kdlab's server of runs did not start in time: start again.")
        )
    except EOFError:
        answer = InputError("kdlab's server of runs could not start: what it printed says why.")
    if isinstance(answer, InputError):
        process.kill()
        process.join()
        raise answer
    return process


def _run_server(public: bool, scheduler: str | None, limits: Path | None, out: Connection) -> None:
    try:
        main(public, scheduler, limits, out)
    except InputError as error:
        out.send(error)
