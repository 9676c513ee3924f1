"""Where the messages of workers wait for the desk's own thread."""

import queue
import time

from kdlab.runs.active_run import LiveRun
from kdlab.runs.worker import Happened, Message

__all__ = ["Inbox"]

MOST_UNHEARD = 1000  # messages that wait before workers wait for the desk


class Inbox:
    """A queue from the engine's threads to the desk's, so that no engine waits for a desk that waits for the engine."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[LiveRun, Message] | None] = queue.SimpleQueue()
        self.closed = False

    def put(self, live: LiveRun, message: Message) -> None:
        """Take a message on an engine's thread, which waits while the desk is far behind; never with an end.

        Of what is to be kept, which may be large, one of a run waits at a time.
        """
        if isinstance(message, Happened):
            saved = hasattr(message.event, "files")
            while (self._queue.qsize() > MOST_UNHEARD or (saved and live.saving)) and not self.closed:
                time.sleep(0.01)
            if saved:
                live.saving = True  # until the desk's thread, which alone takes it back, has written it
        self._queue.put((live, message))

    def get(self, seconds: float) -> tuple[LiveRun, Message] | None:
        """Return the next message, or None when none comes in so many seconds or the inbox is closed meanwhile."""
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            return None

    def rest(self) -> list[tuple[LiveRun, Message]]:
        """Return what is left."""
        left = []
        while not self._queue.empty():
            if said := self._queue.get():
                left.append(said)
        return left

    def close(self) -> None:
        """Let nobody wait any more, neither at this end nor at the other."""
        self.closed = True
        self._queue.put(None)
