"""A desk in its own process, and its socket for the kernels of pages.

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
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from typing import Any

from kdlab.registry import InputError
from kdlab.runs.protocol import RunMessage
from kdlab.runs.server import RunServer

__all__ = ["main", "serve"]

# Methods that a page may call, besides `watch`.
REMOTE_METHODS = ("submit", "limits", "row", "rows", "files", "delete", "tell", "unwatch")
MAX_PACKET_MESSAGES = 500  # messages in one packet
log = logging.getLogger("kdlab")


def serve(desk: RunServer, address: str, announce: Callable[[str], None], until: threading.Event) -> None:
    """Serve a desk to pages until the event is set; `announce` gets the address for `RemoteDesk`.

    `address`: an earlier address to use again, or "" for a new one.
    """
    place, _, key = address.rpartition("#")
    if place:
        with suppress(OSError):  # a socket that a killed desk left
            Path(place).unlink()
    key = key or secrets.token_hex(16)
    with Listener(place or None, authkey=bytes.fromhex(key), backlog=128) as listener:
        threading.Thread(target=_accept, args=(listener, desk, until), name="kdlab-door", daemon=True).start()
        announce(f"{listener.address}#{key}")
        until.wait()


def _accept(listener: Listener, desk: RunServer, until: threading.Event) -> None:
    while not until.is_set():
        try:
            pipe = listener.accept()
        except Exception as error:  # authentication failed or the client disconnected
            if not until.is_set():
                log.warning("a connection to the desk was refused: %s", error)
            continue
        threading.Thread(target=_attend, args=(pipe, desk), name="kdlab-guest", daemon=True).start()


def _attend(pipe: Connection, desk: RunServer) -> None:
    """Serve one page until it disconnects; a second thread, which may block, sends it messages in packets."""
    news: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
    poster = threading.Thread(target=_post, args=(pipe, news), name="kdlab-post", daemon=True)
    poster.start()
    watched: dict[int, str] = {}
    try:
        while True:
            number, method, arguments = pipe.recv()
            if method == "leave":
                break
            try:
                if method == "watch":
                    run, visitor, name = arguments
                    answer: Any = desk.watch(run, partial(_write, news, name), visitor)
                    watched[answer] = run
                elif method in REMOTE_METHODS:
                    answer = getattr(desk, method)(*arguments)
                else:
                    raise InputError(f"A desk does not know {method!r}.")
            except InputError as error:
                answer = error
            except Exception as error:
                log.exception("the desk could not answer")
                answer = InputError(f"kdlab's desk could not do this ({type(error).__name__}): its log says why.")
            if number is not None:
                news.put((number, answer))
    except (EOFError, OSError):
        pass
    finally:
        for key, run in watched.items():
            desk.unwatch(run, key)
        news.put(None)
        poster.join()
        pipe.close()


def _write(news: "queue.SimpleQueue[tuple[Any, ...] | None]", name: int, message: RunMessage) -> None:
    news.put((name, message))


def _post(pipe: Connection, news: "queue.SimpleQueue[tuple[Any, ...] | None]") -> None:
    while (first := news.get()) is not None:
        packet = [first]
        while len(packet) < MAX_PACKET_MESSAGES and not news.empty():
            if (more := news.get()) is None:
                return
            packet.append(more)
        try:
            pipe.send(packet)
        except Exception:  # the page disconnected, or a message cannot be sent: the page connects again
            pipe.close()
            return


def _await_end(sentinel: int, until: threading.Event) -> None:
    wait([sentinel])
    until.set()


def main(public: bool = False, scheduler: str | None = None, file: Path | None = None, out: Any = None) -> None:
    """Run a desk until SIGTERM or until the parent process ends; `out`, a pipe, gets the address.

    `KDLAB_DESK` sets the address. `scheduler`: Dask's; `file`: the operator's limits. Raises InputError.
    """
    from kdlab.paths import experiments_folder
    from kdlab.runs.client import open_store
    from kdlab.runs.limits import Limits

    until = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: until.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server too, which ends the desk
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_await_end, args=(parent.sentinel, until), name="kdlab-parent", daemon=True).start()
    limits = Limits.read(file, public)
    shared = public or scheduler is not None
    if shared:
        from kdlab.runs.executors.dask import DaskExecutor

        engine: Any = DaskExecutor(scheduler, limits.runs_at_once or None, limits.worker_memory_bytes or None)
    else:
        from kdlab.runs.executors.local import LocalExecutor

        engine = LocalExecutor()
    with closing(RunServer(engine, open_store(), limits, shared, experiments_folder() if shared else None)) as desk:
        serve(desk, os.environ.get("KDLAB_DESK", ""), out.send if out else partial(print, flush=True), until)


if __name__ == "__main__":
    main()
