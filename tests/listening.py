"""Waiting for a server that has printed its address: JupyterLab prints it shortly before it listens."""

import socket
import subprocess
import time
from urllib.parse import urlsplit

__all__ = ["wait_until_listening"]


def wait_until_listening(address: str, server: subprocess.Popen[str], limit: float = 30.0) -> None:
    """Return once something accepts connections at `address`; fail when `server` ends or `limit` seconds pass."""
    parts = urlsplit(address)
    deadline = time.monotonic() + limit
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=limit).close()
            return
        except ConnectionRefusedError:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, f"nothing listens at {address}"
