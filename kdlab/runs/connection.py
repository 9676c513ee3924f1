"""A client, in a page's kernel, for a desk in another process."""

import itertools
import queue
import threading
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from typing import TYPE_CHECKING, Any

from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import RunMessage, RunRequest
from kdlab.runs.worker import Status

if TYPE_CHECKING:
    from kdlab.runs.run_info import RunInfo

__all__ = ["ServerConnection"]

ANSWER_TIMEOUT = 30.0  # seconds to wait for an answer of the desk
NO_ANSWER = "kdlab's desk, which has the runs, does not answer: reload the page in a moment."


class ServerConnection:
    """A desk in another process; its methods are `Desk`'s. Raises InputError where it cannot be reached."""

    def __init__(self, address: str) -> None:
        self._place, _, key = address.rpartition("#")
        self._key = bytes.fromhex(key)
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}
        self._names: dict[int, int] = {}  # names of watched runs, by the desk's key
        self._watching: dict[int, Callable[[RunMessage], None]] = {}

    def submit(self, job: RunRequest, visitor: str = "", paused: bool = False, run: str = "") -> str:
        """As `Desk.submit`."""
        run_id: str = self._ask("submit", job, visitor, paused, run)
        return run_id

    def watch(self, run: str, receive: Callable[[RunMessage], None], visitor: str = "") -> int:
        """As `Desk.watch`; the receiver also gets a status when the connection is lost."""
        name = -1 - next(self._numbers)  # negative, because the numbers of requests begin with 0
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
        limits: Limits = self._ask("limits")
        return limits

    def rows(self, visitor: str = "") -> "list[RunInfo]":
        """As `Desk.rows`."""
        rows: list[RunInfo] = self._ask("rows", visitor)
        return rows

    def row(self, run: str) -> "RunInfo | None":
        """As `Desk.row`."""
        row: RunInfo | None = self._ask("row", run)
        return row

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """As `Desk.files`."""
        files: dict[str, bytes] | None = self._ask("files", run, part)
        return files

    def delete(self, run: str, visitor: str = "") -> None:
        """As `Desk.delete`."""
        self._ask("delete", run, visitor)

    def close(self) -> None:
        """Disconnect; the runs continue."""
        self._watching.clear()
        if self._pipe is not None:
            self._send(None, "leave")  # the desk closes the pipe, because a thread here still reads from it

    def _ask(self, method: str, *arguments: Any) -> Any:
        number = next(self._numbers)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting[number] = answers
        try:
            self._send(number, method, *arguments)
            answer = answers.get(timeout=ANSWER_TIMEOUT)
        except queue.Empty:
            answer = InputError(NO_ANSWER)
        finally:
            self._waiting.pop(number, None)
        if isinstance(answer, InputError):
            raise answer
        return answer

    def _send(self, number: int | None, method: str, *arguments: Any) -> None:
        with self._lock:
            try:
                if self._pipe is None:
                    self._pipe = Client(self._place, authkey=self._key)
                    threading.Thread(target=self._listen, args=(self._pipe,), name="kdlab-desk", daemon=True).start()
                self._pipe.send((number, method, arguments))
            except (OSError, EOFError) as error:
                self._pipe = None
                raise InputError(NO_ANSWER) from error

    def _listen(self, pipe: Connection) -> None:
        while True:
            try:
                packet = pipe.recv()
            except Exception:  # closed or unreadable: the connection is over
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
            waiting.put(InputError(NO_ANSWER))
        watching, self._watching = self._watching, {}
        for receive in watching.values():
            receive(Status("interrupted", "DeskLost", NO_ANSWER))
