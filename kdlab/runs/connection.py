"""A connection, of a page's kernel, to a server of runs in another process."""

import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from typing import Any

from kdlab.registry import InputError, quote
from kdlab.runs.protocol import Command, RunMessage, RunRequest, Status
from kdlab.runs.run_info import RunInfo

__all__ = ["ServerConnection"]

ANSWER_TIMEOUT = 30.0  # seconds to wait for an answer
NO_ANSWER = "kdlab's server of runs does not answer: reload the page in a moment."


class ServerConnection:
    """A server in another process; its methods are `RunServer`'s. Raises InputError where it cannot be reached."""

    def __init__(self, address: str) -> None:
        self._path, _, key = address.rpartition("#")
        try:
            self._key = bytes.fromhex(key)
        except ValueError as error:
            raise InputError(f"KDLAB_RUN_SERVER is no address of a server of runs: {quote(address)}.") from error
        self._channel: Connection | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}
        self._names: dict[int, int] = {}  # names of subscriptions, by the server's key
        self._receivers: dict[int, Callable[[RunMessage], None]] = {}

    def submit(self, request: RunRequest, visitor: str = "", paused: bool = False, resumed_run: str = "") -> str:
        """As `RunServer.submit`."""
        run: str = self._ask("submit", request, visitor, paused, resumed_run)
        return run

    def subscribe(self, run: str, receive: Callable[[RunMessage], None], visitor: str = "") -> int:
        """As `RunServer.subscribe`; the receiver also gets a status when the connection is lost."""
        name = -1 - next(self._numbers)  # negative, because the numbers of requests begin with 0
        self._receivers[name] = receive
        try:
            key: int = self._ask("subscribe", run, visitor, name)
        except InputError:
            self._receivers.pop(name, None)
            raise
        self._names[key] = name
        return key

    def unsubscribe(self, run: str, key: int) -> None:
        """As `RunServer.unsubscribe`."""
        self._receivers.pop(self._names.pop(key, 0), None)
        self._send(None, "unsubscribe", run, key)

    def send_command(
        self, run: str, command: Command, values: Mapping[str, float] | None = None, visitor: str = ""
    ) -> None:
        """As `RunServer.send_command`."""
        self._send(None, "send_command", run, command, values, visitor)

    def runs(self, visitor: str = "") -> list[RunInfo]:
        """As `RunServer.runs`."""
        infos: list[RunInfo] = self._ask("runs", visitor)
        return infos

    def info(self, run: str) -> RunInfo | None:
        """As `RunServer.info`."""
        info: RunInfo | None = self._ask("info", run)
        return info

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """As `RunServer.files`."""
        files: dict[str, bytes] | None = self._ask("files", run, part)
        return files

    def delete(self, run: str, visitor: str = "") -> None:
        """As `RunServer.delete`."""
        self._ask("delete", run, visitor)

    def close(self) -> None:
        """Disconnect; the runs continue."""
        self._receivers.clear()
        if self._channel is not None:
            self._send(None, "leave")  # the server closes the channel, because a thread here still reads from it

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
                if self._channel is None:
                    self._channel = Client(self._path, authkey=self._key)
                    listener = threading.Thread(
                        target=self._receive_loop, args=(self._channel,), name="kdlab-server-receive", daemon=True
                    )
                    listener.start()
                self._channel.send((number, method, arguments))
            except (OSError, EOFError, AuthenticationError) as error:
                self._channel = None
                raise InputError(NO_ANSWER) from error

    def _receive_loop(self, channel: Connection) -> None:
        while True:
            try:
                packet = channel.recv()
            except Exception:  # closed or unreadable: the connection is over
                break
            for name, message in packet:
                if receive := self._receivers.get(name):
                    receive(message)
                elif waiting := self._waiting.get(name):
                    waiting.put(message)
        with self._lock:
            if self._channel is not channel:
                return
            self._channel = None
        for waiting in list(self._waiting.values()):
            waiting.put(InputError(NO_ANSWER))
        receivers, self._receivers = self._receivers, {}
        for receive in receivers.values():
            receive(Status("interrupted", "ServerLost", NO_ANSWER))
