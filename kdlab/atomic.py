"""Files that are written completely or not at all."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

__all__ = ["write_atomic"]


def write_atomic(path: Path, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file, or let the function `content` write it: complete and synced to disk, or not at all.

    A writer that is killed leaves a file `.kdlab-…` in the folder. Raises OSError.
    """
    scratch = path.parent / f".kdlab-{secrets.token_hex(8)}"  # without the file's name, which may be as long as allowed
    try:
        with scratch.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened for fsync
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
