"""A queue of the workers' messages for the desk's thread."""

import queue
import time

from kdlab.runs.active_run import ActiveRun
from kdlab.runs.worker import Happened, Message

__all__ = ["Inbox"]

MAX_PENDING_MESSAGES = 1000  # messages in the queue from which on engine threads wait


class Inbox:
    """A queue from the engine's threads to the desk's thread, so that the two cannot deadlock."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[ActiveRun, Message] | None] = queue.SimpleQueue()
        self.closed = False

    def put(self, live: ActiveRun, message: Message) -> None:
        """Queue a message on an engine's thread, which waits while the queue is full; the end of a run never waits.

        Each run has at most one message with files, which may be large, in the queue.
        """
        if isinstance(message, Happened):
            saved = hasattr(message.event, "files")
            while (self._queue.qsize() > MAX_PENDING_MESSAGES or (saved and live.saving)) and not self.closed:
                time.sleep(0.01)
            if saved:
                live.saving = True  # only the desk's thread resets this, after writing the files
        self._queue.put((live, message))

    def get(self, seconds: float) -> tuple[ActiveRun, Message] | None:
        """Return the next message, or None after `seconds` without one or when the inbox is closed."""
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            return None

    def rest(self) -> list[tuple[ActiveRun, Message]]:
        """Return the remaining messages."""
        entries = []
        while not self._queue.empty():
            if entry := self._queue.get():
                entries.append(entry)
        return entries

    def close(self) -> None:
        """Wake the waiting threads at both ends."""
        self.closed = True
        self._queue.put(None)
