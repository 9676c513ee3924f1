"""Waiting for a server that has printed its address: JupyterLab prints it shortly before it listens."""

import http.client
import subprocess
import time
from urllib.parse import urlsplit

__all__ = ["wait_until_listening"]


def wait_until_listening(address: str, server: subprocess.Popen[str], limit: float = 30.0) -> None:
    """Return once HTTP is answered at `address`; fail when `server` ends or `limit` seconds pass.

    A connection alone proves nothing: Jupyter's servers open their port once to see that it is free, and close it.
    """
    parts = urlsplit(address)
    deadline = time.monotonic() + limit
    while True:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=limit)
        try:
            connection.request("HEAD", "/")
            connection.getresponse()
            return
        except ConnectionError:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, f"nothing listens at {address}"
        finally:
            connection.close()
