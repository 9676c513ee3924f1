"""Addresses and ports for servers."""

import errno
import ipaddress
import socket

from kdlab.registry import InputError

__all__ = ["HOST", "free_port", "is_loopback"]

HOST = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Return whether `host` is reachable from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(port: int | None, host: str = HOST) -> int:
    """Return `port`, or any free port at an address; raises InputError when it is not available."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers set it: a port that was just closed is free
        try:
            probe.bind((host, port or 0))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise InputError(f"This machine has no address {host!r}: name another with --host.") from error
            reason = "is in use by another program" if error.errno == errno.EADDRINUSE else "may not be used"
            raise InputError(f"Port {port} {reason}: name another with --port, or leave it out.") from error
        return int(probe.getsockname()[1])
