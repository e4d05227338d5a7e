"""Chooses TCP ports on 127.0.0.1 that a server can keep."""

from __future__ import annotations

import errno
import secrets
import socket
from pathlib import Path

from harness.errors import CannotRun

# A port from the kernel's ephemeral range would not do. While a server is down or a link is cut, the kernel may
# give its port to an outgoing connection, and a client that keeps trying can even connect to itself; after
# that the server cannot come back on it.
RANGE = range(15_000, 30_000)
TRIES = 1_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")

_given: set[int] = set()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    return _binding(port) == 0


def may_bind(port: int) -> bool:
    """Whether this user is allowed the port, taken or not."""
    return _binding(port) not in {errno.EACCES, errno.EPERM}


def is_privileged(port: int) -> bool:
    """Whether the kernel allows this port to root alone."""
    return port < int(UNPRIVILEGED.read_text())


def _binding(port: int) -> int:
    """Bind the port for a moment; returns the error number, or 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno or errno.EINVAL
    return 0


def free_port() -> int:
    """A port that is free now, outside the ephemeral range, never the same one twice in this process."""
    first, last = (int(bound) for bound in EPHEMERAL.read_text().split())
    for _ in range(TRIES):
        # Unseeded on purpose: two copies on one machine must not try the same ports in the same order.
        port = secrets.choice(RANGE)
        if not first <= port <= last and port not in _given and is_free(port):
            _given.add(port)
            return port
    raise CannotRun(
        f"No free TCP port was found on 127.0.0.1 between {RANGE[0]} and {RANGE[-1]}, outside the ephemeral range "
        f"{first}-{last}.",
        remedy="Narrow net.ipv4.ip_local_port_range, or name the ports yourself.",
    )
