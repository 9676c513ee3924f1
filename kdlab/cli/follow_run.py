"""Follow a run of the server of runs from a terminal, until it ends or is interrupted."""

import contextlib
import queue
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdlab.cli.progress import run_progress
from kdlab.registry import InputError
from kdlab.runs.client import RunClient, the_server
from kdlab.runs.protocol import ENDS, EventBatch, RunMessage, RunRequest, RunSnapshot, RunWarning, Status
from kdlab.train.events import Restored
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
    messages: queue.SimpleQueue[RunMessage] = queue.SimpleQueue()
    with _server() as server:
        client = RunClient(messages.put, server)
        try:
            with _sigterm_as_interrupt():
                if resumed_run:
                    client.run = resumed_run
                    client.resume_from_checkpoint(request)
                else:
                    client.start(request)
                end, record = _follow(messages)
        except KeyboardInterrupt:
            _stop(client, messages)
            raise SystemExit(130) from None
        if end.state == "failed" and end.kind in ("InputError", "UnknownNameError"):
            raise InputError(end.message)
        if end.state != "done":
            raise click.ClickException(end.message or f"The run is {end.state}.")
        assert record.result is not None
        return record.result, server.files(client.run, "result") or {}


def _follow(messages: "queue.SimpleQueue[RunMessage]") -> tuple[Status, History]:
    """Show the messages up to the end, and return it with the run's record."""
    record = History()
    with run_progress() as progress:
        while True:
            match messages.get():
                case EventBatch(events):
                    for event in events:
                        record.append(event)
                        if isinstance(event, Restored):  # the bars continue where the checkpoint was made
                            for restored in (record.opened, record.phase):
                                progress.show(restored) if restored else None
                        progress.show(event)
                case RunWarning(text):
                    click.echo(text, err=True)
                case Status() as status if status.state in ENDS and status.kind != "Kept":
                    return status, record
                case RunSnapshot() as snapshot:
                    record = snapshot.record


def _stop(client: RunClient, messages: "queue.SimpleQueue[RunMessage]") -> None:
    """Stop the run, and print how it can be resumed; a second interruption does not wait for that."""
    run = client.run
    client.send_command("stop")
    with contextlib.suppress(queue.Empty, KeyboardInterrupt), _sigterm_as_interrupt():
        while not (isinstance(message := messages.get(timeout=STOP_TIMEOUT), Status) and message.state in ENDS):
            pass
    if client.is_resumable():
        click.echo(f"\nStopped. To go on from the last checkpoint: kdlab distill --resume {run}", err=True)
    else:
        click.echo("\nStopped before the first checkpoint: start it again.", err=True)


@contextlib.contextmanager
def _server() -> "Iterator[RunServer | ServerConnection]":
    """Provide the server of runs, or one that keeps nothing where runs cannot be stored."""
    try:
        server = the_server()
    except InputError as error:
        from kdlab.runs.executors.local import LocalExecutor
        from kdlab.runs.server import RunServer
        from kdlab.runs.store import RunStore

        click.echo(f"The run is not among those on the page Runs: {error}", err=True)
        with (
            tempfile.TemporaryDirectory(prefix="kdlab-runs-", ignore_cleanup_errors=True) as folder,
            contextlib.closing(RunServer(LocalExecutor(), RunStore(Path(folder)))) as temporary,
        ):
            yield temporary
    else:
        yield server


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
