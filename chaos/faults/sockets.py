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
    but = _processes(server)
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.raddr[1:] == (port,) and each.pid not in but
        for each in psutil.net_connections("tcp")
    )


def unread(port: int, server: int | None, besides: Collection[int] = ()) -> tuple[str, ...]:
    """Who sent the server at this port what it has not read, one line each: "port 50312: not read, 27 bytes".

    Connections of this process and the `server`'s own are left out, and those that come from the ports `besides`. Where
    the system does not tell, as any but Linux, nobody is named.
    """
    try:
        rows = SOCKETS.read_text().splitlines()[1:]
        sockets = [each for pid in _processes(server) for each in psutil.Process(pid).net_connections("tcp")]
    except (OSError, psutil.Error):
        return ()
    own = {used for each in sockets for used in each.laddr[1:]}
    waiting = []
    for row in rows:
        _, local, remote, state, queues, *_ = row.split()
        sender = _port_in(remote)
        if _port_in(local) != port or state not in {ESTABLISHED, CLOSE_WAIT} or sender in {*own, *besides}:
            continue
        left = state == CLOSE_WAIT
        # That the other side has closed it counts as one byte.
        if count := int(queues.partition(":")[2], 16) - left:
            waiting.append(f"port {sender}: not read, {count} bytes" + (", and it gave up" if left else ""))
    return tuple(waiting)


def _processes(server: int | None) -> set[int]:
    return {os.getpid(), *([] if server is None else [server])}


def _port_in(address: str) -> int:
    """The port in an address as the kernel writes it: "0100007F:1F90"."""
    return int(address.partition(":")[2], 16)
