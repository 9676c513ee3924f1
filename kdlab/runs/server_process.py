"""A server of runs in its own process, and its socket for the kernels of pages.

The socket is local and needs a key, so that only processes with the address can connect.
"""

import logging
import multiprocessing
import os
import queue
import secrets
import signal
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge, wait
from pathlib import Path
from typing import Any

from kdlab.registry import InputError
from kdlab.runs.protocol import Executor, RunMessage, Status
from kdlab.runs.server import RunServer

__all__ = ["main", "serve"]

# Methods of `RunServer` that a page may call, besides `subscribe`.
REMOTE_METHODS = ("submit", "info", "runs", "files", "delete", "send_command", "unsubscribe")
MAX_PACKET_MESSAGES = 500  # messages in one packet
# Messages that wait for a page which does not read them, about a minute of one run's. Later ones are dropped:
# they would fill the memory of this process.
MAX_UNREAD_MESSAGES = 2_000
UNREAD = "This page did not keep up with its run, which goes on: reload the page."
Outbox = queue.SimpleQueue["tuple[Any, ...] | None"]
log = logging.getLogger("kdlab")


def serve(server: RunServer, address: str, announce: Callable[[str], None], until: threading.Event) -> None:
    """Serve pages until the event is set; `announce` gets the address for `ServerConnection`.

    `address`: an earlier address to use again, or "" for a new one.
    """
    path, _, key = address.rpartition("#")
    if path:
        with suppress(OSError):  # a socket that a killed server left
            Path(path).unlink()
    key = key or secrets.token_hex(16)
    with Listener(path or None, backlog=128) as listener:
        accept = threading.Thread(
            target=_accept, args=(listener, bytes.fromhex(key), server, until), name="kdlab-accept", daemon=True
        )
        accept.start()
        announce(f"{listener.address}#{key}")
        until.wait()


def _accept(listener: Listener, key: bytes, server: RunServer, until: threading.Event) -> None:
    while not until.is_set():
        try:
            channel = listener.accept()
        except OSError:  # the client disconnected, or the listener is closed
            continue
        threading.Thread(target=_admit, args=(channel, key, server), name="kdlab-client", daemon=True).start()


def _admit(channel: Connection, key: bytes, server: RunServer) -> None:
    """Serve a client that has the key; on a thread of its own, because it may stay silent."""
    try:
        deliver_challenge(channel, key)
        answer_challenge(channel, key)
    except Exception as error:  # the key is wrong, or the client disconnected
        log.warning("a connection to the server of runs was refused: %s", error)
        channel.close()
        return
    _serve_client(channel, server)


def _serve_client(channel: Connection, server: RunServer) -> None:
    """Serve one page until it disconnects; a second thread, which may block, sends it messages in packets."""
    outbox: Outbox = queue.SimpleQueue()
    sender = threading.Thread(target=_send_loop, args=(channel, outbox), name="kdlab-client-send", daemon=True)
    sender.start()
    subscribed: dict[int, str] = {}
    try:
        while True:
            number, method, arguments = channel.recv()
            if method == "leave":
                break
            try:
                if method == "subscribe":
                    run, visitor, name = arguments
                    answer: Any = server.subscribe(run, _Subscription(outbox, name), visitor)
                    subscribed[answer] = run
                elif method in REMOTE_METHODS:
                    answer = getattr(server, method)(*arguments)
                else:
                    raise InputError(f"A server of runs does not know {method!r}.")
            except InputError as error:
                answer = error
            except Exception as error:
                log.exception("the server of runs could not answer")
                answer = InputError(f"kdlab's server could not do this ({type(error).__name__}): its log says why.")
            if number is not None:
                outbox.put((number, answer))
    except (EOFError, OSError, ValueError, TypeError):  # disconnected, or no message of a client
        pass
    finally:
        for key, run in subscribed.items():
            server.unsubscribe(run, key)
        outbox.put(None)
        sender.join()
        channel.close()


class _Subscription:
    """Queues the messages of one run for a page, which knows the subscription by its `name`."""

    def __init__(self, outbox: Outbox, name: int) -> None:
        self._outbox, self._name = outbox, name
        self._is_full = False

    def __call__(self, message: RunMessage) -> None:
        if self._is_full:
            return
        if self._outbox.qsize() >= MAX_UNREAD_MESSAGES:
            self._is_full, message = True, Status("interrupted", "ServerLost", UNREAD)
        self._outbox.put((self._name, message))


def _send_loop(channel: Connection, outbox: Outbox) -> None:
    while (first := outbox.get()) is not None:
        packet = [first]
        while len(packet) < MAX_PACKET_MESSAGES and not outbox.empty():
            if (more := outbox.get()) is None:
                return
            packet.append(more)
        try:
            channel.send(packet)
        except Exception:  # the page disconnected, or a message cannot be sent: the page connects again
            channel.close()
            return


def _await_signal(signals: "queue.SimpleQueue[None]", until: threading.Event) -> None:
    signals.get()
    until.set()


def _await_end(sentinel: int, until: threading.Event) -> None:
    wait([sentinel])
    until.set()


def main(public: bool = False, scheduler: str | None = None, file: Path | None = None, out: Any = None) -> None:
    """Run a server until SIGTERM or until the parent process ends; `out`, a pipe, gets the address.

    `KDLAB_RUN_SERVER` sets the address. `scheduler`: Dask's; `file`: the operator's limits. Raises InputError.
    """
    from kdlab.paths import experiments_folder, runs_folder
    from kdlab.runs.limits import Limits
    from kdlab.runs.store import RunStore

    until, signals = threading.Event(), queue.SimpleQueue[None]()
    # Not until.set(): a second signal during the first would wait for a lock that its own thread holds.
    signal.signal(signal.SIGTERM, lambda *_: signals.put(None))
    threading.Thread(target=_await_signal, args=(signals, until), name="kdlab-signals", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the web server too, which ends this process
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_await_end, args=(parent.sentinel, until), name="kdlab-parent", daemon=True).start()
    limits = Limits.read(file, public)
    shared = public or scheduler is not None
    store = RunStore(runs_folder())
    weights_folder = experiments_folder() if shared else None
    with closing(RunServer(_executor(public, scheduler, limits), store, limits, shared, weights_folder)) as server:
        address = os.environ.get("KDLAB_RUN_SERVER", "")
        serve(server, address, out.send if out else partial(print, flush=True), until)


def _executor(public: bool, scheduler: str | None, limits: Any) -> Executor:
    from kdlab.runs.executors.local import LocalExecutor

    if scheduler is not None:
        from kdlab.runs.executors.dask import DaskExecutor

        return DaskExecutor(scheduler, None)
    if not public:
        return LocalExecutor()
    cores = os.cpu_count() or 1
    slots = limits.runs_at_once or cores
    return LocalExecutor(slots, max(1, cores // slots), limits.worker_memory_bytes)


if __name__ == "__main__":
    main()
