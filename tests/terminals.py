"""Commands on a terminal of their own, which end by a signal."""

import os
import pty
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["run_until"]


def run_until(
    words: str, command: list[str | Path], end: signal.Signals, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Send a command a signal once it has written `words` on its terminal; return its status, output and terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment) as process:
        try:
            os.close(theirs)
            seen = ""
            while words not in seen:
                seen += os.read(ours, 4096).decode(errors="replace")
            process.send_signal(end)
            try:
                while chunk := os.read(ours, 4096):
                    seen += chunk.decode(errors="replace")
            except OSError:  # how Linux says that nobody writes any more
                pass
            output, _ = process.communicate()
        finally:
            process.kill()  # does nothing to what has ended; a test that fails must not wait for the rest
            os.close(ours)
    return process.returncode, output, seen
