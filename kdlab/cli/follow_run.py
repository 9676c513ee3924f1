"""Follow a run of the server of runs from a terminal, until it ends or is interrupted."""

import contextlib
import logging
import os
import queue
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdlab.cli.progress import run_progress
from kdlab.paths import runs_folder
from kdlab.registry import InputError
from kdlab.runs.client import RunClient, the_server
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, EventBatch, RunMessage, RunRequest, RunSnapshot, RunWarning, Status
from kdlab.runs.run_writer import STAYS
from kdlab.runs.store import StoreError
from kdlab.train.events import Phase, Probe, Restored, Step
from kdlab.train.history import History

if TYPE_CHECKING:
    from kdlab.runs.connection import ServerConnection
    from kdlab.runs.server import RunServer

__all__ = ["follow_run"]

STOP_TIMEOUT = 60.0  # seconds that a run may take to stop: longer than the server waits before it kills a worker


def follow_run(request: RunRequest, resumed_run: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Start a run, or resume an ended one, show its progress and return its result and its files.

    Raises InputError, ClickException for another failure, and SystemExit when it is interrupted.
    """
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(_server(runs_folder()))
            return _follow(server, request, resumed_run, is_kept=True)
        except StoreError as error:
            if resumed_run:
                raise
            click.echo(f"The run is not among those on the page Runs: {error}", err=True)
        folder = tempfile.TemporaryDirectory(prefix="kdlab-runs-", ignore_cleanup_errors=True)
        server = stack.enter_context(_server(Path(stack.enter_context(folder))))
        return _follow(server, request, "", is_kept=False)


def _follow(
    server: "RunServer | ServerConnection", request: RunRequest, resumed_run: str, is_kept: bool
) -> tuple[dict[str, Any], dict[str, bytes]]:
    messages: queue.SimpleQueue[RunMessage] = queue.SimpleQueue()
    client = RunClient(messages.put, server)
    try:
        with _sigterm_as_interrupt():
            if resumed_run:
                client.run = resumed_run
                client.resume_from_checkpoint(request)
            else:
                client.start(request)
            end, record = _show(messages)
    except KeyboardInterrupt:
        _stop(client, messages, is_kept)
        raise SystemExit(130) from None
    if end.state == "failed" and end.kind in ("InputError", "UnknownNameError", "BrokenDownloadError"):
        raise InputError(end.message)
    if end.state != "done":
        raise click.ClickException(end.message or f"The run is {end.state}.")
    assert record.result is not None
    return record.result, server.files(client.run, "result") or {}


def _show(messages: "queue.SimpleQueue[RunMessage]") -> tuple[Status, History]:
    """Show the messages up to the end, and return it with the run's record."""
    record, is_restored = History(), False
    with run_progress() as progress:
        while True:
            match _next(messages):
                case EventBatch(events):
                    for event in events:
                        record.append(event)
                        is_restored = is_restored or isinstance(event, Restored)
                        if is_restored and isinstance(event, Phase | Step | Probe):  # after the data are read again
                            is_restored = False
                            for restored in (record.opened, record.phase):
                                progress.show(restored) if restored else None
                        progress.show(event)
                case RunWarning(text):
                    click.echo(text.removesuffix(STAYS).strip(), err=True)
                case Status() as status if status.state in ENDS:
                    return status, record
                case RunSnapshot() as snapshot:
                    record = snapshot.record


def _next(messages: "queue.SimpleQueue[RunMessage]") -> RunMessage:
    """Return the next message; in short waits, because on Windows Ctrl-C does not end a long one."""
    while True:
        with contextlib.suppress(queue.Empty):
            return messages.get(timeout=1.0)


def _stop(client: RunClient, messages: "queue.SimpleQueue[RunMessage]", is_kept: bool) -> None:
    """Stop the run, and print how it can be resumed; a second interruption does not wait for that."""
    run = client.run
    client.send_command("stop")
    with contextlib.suppress(queue.Empty, KeyboardInterrupt), _sigterm_as_interrupt():
        while run and not (isinstance(message := messages.get(timeout=STOP_TIMEOUT), Status) and message.state in ENDS):
            pass
    if is_kept and client.is_resumable():
        click.echo(f"\nStopped. To go on from the last checkpoint: kdlab distill --resume {run}", err=True)
    else:
        click.echo("\nStopped before the first checkpoint: start it again.", err=True)


@contextlib.contextmanager
def _server(folder: Path) -> "Iterator[RunServer | ServerConnection]":
    """Provide the server that the environment names, or one for this command, which keeps its runs in `folder`."""
    if os.environ.get("KDLAB_RUN_SERVER"):
        yield the_server()
        return
    from kdlab.runs.executors.local import LocalExecutor
    from kdlab.runs.server import RunServer
    from kdlab.runs.store import RunStore

    limits = Limits.read(None, public=False)
    logging.getLogger("kdlab").addHandler(logging.NullHandler())  # what it logs is printed as a warning of the run, too
    # No page is beside it, so that training need not give way.
    executor = LocalExecutor(slots=1, background=False)
    with contextlib.closing(RunServer(executor, RunStore(folder), limits)) as server:
        yield server


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
