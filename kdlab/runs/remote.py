"""The way from a page's kernel to a desk in another process."""

import itertools
import queue
import threading
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from typing import TYPE_CHECKING, Any

from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Hearing, Job
from kdlab.runs.worker import Status

if TYPE_CHECKING:
    from kdlab.runs.store import Row

__all__ = ["RemoteDesk"]

SILENCE = 30.0  # seconds after which a desk that does not answer counts as gone
AWAY = "kdlab's desk, which has the runs, does not answer: reload the page in a moment."


class RemoteDesk:
    """A desk in another process; its methods are `Desk`'s. Raises InputError where it cannot be reached."""

    def __init__(self, address: str) -> None:
        self._place, _, key = address.rpartition("#")
        self._key = bytes.fromhex(key)
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}
        self._names: dict[int, int] = {}  # of what is watched, by its key at the desk
        self._watching: dict[int, Callable[[Hearing], None]] = {}

    def submit(self, job: Job, visitor: str = "", paused: bool = False, run: str = "") -> str:
        """As `Desk.submit`."""
        found: str = self._ask("submit", job, visitor, paused, run)
        return found

    def watch(self, run: str, receive: Callable[[Hearing], None], visitor: str = "") -> int:
        """As `Desk.watch`; when the desk is lost, the receiver hears that too."""
        name = -1 - next(self._numbers)  # beside the numbers of questions, which begin with 0
        self._watching[name] = receive
        try:
            key: int = self._ask("watch", run, visitor, name)
        except InputError:
            self._watching.pop(name, None)
            raise
        self._names[key] = name
        return key

    def unwatch(self, run: str, key: int) -> None:
        """As `Desk.unwatch`."""
        self._watching.pop(self._names.pop(key, 0), None)
        self._send(None, "unwatch", run, key)

    def tell(self, run: str, command: str, value: Any = None, visitor: str = "") -> None:
        """As `Desk.tell`."""
        self._send(None, "tell", run, command, value, visitor)

    def limits(self) -> Limits:
        """As `Desk.limits`."""
        found: Limits = self._ask("limits")
        return found

    def rows(self, visitor: str = "") -> "list[Row]":
        """As `Desk.rows`."""
        found: list[Row] = self._ask("rows", visitor)
        return found

    def row(self, run: str) -> "Row | None":
        """As `Desk.row`."""
        found: Row | None = self._ask("row", run)
        return found

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """As `Desk.files`."""
        found: dict[str, bytes] | None = self._ask("files", run, part)
        return found

    def delete(self, run: str, visitor: str = "") -> None:
        """As `Desk.delete`."""
        self._ask("delete", run, visitor)

    def close(self) -> None:
        """Hang up; the runs go on."""
        self._watching.clear()
        if self._pipe is not None:
            self._send(None, "leave")  # closed from the other end, as a pipe must not be while a thread listens to it

    def _ask(self, method: str, *arguments: Any) -> Any:
        number = next(self._numbers)
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting[number] = answer
        try:
            self._send(number, method, *arguments)
            found = answer.get(timeout=SILENCE)
        except queue.Empty:
            found = InputError(AWAY)
        finally:
            self._waiting.pop(number, None)
        if isinstance(found, InputError):
            raise found
        return found

    def _send(self, number: int | None, method: str, *arguments: Any) -> None:
        with self._lock:
            try:
                if self._pipe is None:
                    self._pipe = Client(self._place, authkey=self._key)
                    threading.Thread(target=self._listen, args=(self._pipe,), name="kdlab-desk", daemon=True).start()
                self._pipe.send((number, method, arguments))
            except (OSError, EOFError) as error:
                self._pipe = None
                raise InputError(AWAY) from error

    def _listen(self, pipe: Connection) -> None:
        while True:
            try:
                packet = pipe.recv()
            except Exception:  # closed, or not to be read: either way this connection is over
                break
            for name, message in packet:
                if receive := self._watching.get(name):
                    receive(message)
                elif waiting := self._waiting.get(name):
                    waiting.put(message)
        with self._lock:
            if self._pipe is not pipe:
                return
            self._pipe = None
        for waiting in list(self._waiting.values()):
            waiting.put(InputError(AWAY))
        watching, self._watching = self._watching, {}
        for receive in watching.values():
            receive(Status("interrupted", "DeskLost", AWAY))
