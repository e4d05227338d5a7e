"""What this machine tells of the connections to a server on it, also while that server says nothing."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import psutil

SOCKETS = Path("/proc/net/tcp")
ESTABLISHED, CLOSE_WAIT = "01", "08"
"""States of a connection; in the second one the other side has closed it."""


def connected(port: int, server: int | None) -> int:
    """How many connections to this port are established, besides those of this process and the `server`'s own."""
    besides = {os.getpid(), *([] if server is None else [server])}
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.raddr[1:] == (port,) and each.pid not in besides
        for each in psutil.net_connections("tcp")
    )


def unread(port: int, besides: Collection[int] = ()) -> tuple[str, ...] | None:
    """Who sent the server at this port what it has not read, one line each: "port 50312: not read, 27 bytes".

    Connections of this process are left out, and those that come from the ports `besides`. None where the system does
    not tell, as any but Linux.
    """
    try:
        rows = SOCKETS.read_text().splitlines()[1:]
        own = {used for each in psutil.Process().net_connections("tcp") for used in each.laddr[1:]}
    except (OSError, psutil.Error):
        return None
    waiting = []
    for row in rows:
        _, local, remote, state, queues, *_ = row.split()
        sender = _port_in(remote)
        if _port_in(local) != port or state not in {ESTABLISHED, CLOSE_WAIT} or sender in {*own, *besides}:
            continue
        left = state == CLOSE_WAIT
        # That the other side has closed it counts as one byte.
        if (count := int(queues.partition(":")[2], 16) - left) > 0:
            waiting.append(f"port {sender}: not read, {count} bytes" + (", and it gave up" if left else ""))
    return tuple(waiting)


def _port_in(address: str) -> int:
    """The port in an address as the kernel writes it: "0100007F:1F90"."""
    return int(address.partition(":")[2], 16)
