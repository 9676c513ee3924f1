"""A disk without room, as far as this process can tell."""

import contextlib
import resource
import signal
from collections.abc import Iterator

__all__ = ["full_disk"]


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Let the system refuse to write beyond `room` bytes of any file of this process."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
