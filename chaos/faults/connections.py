"""The connections that are open through a link, as the operating system knows them."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import TYPE_CHECKING

import psutil

from harness.links import Link

if TYPE_CHECKING:
    from psutil._ntuples import sconn

PIDFD_GETFD = 438
"""The number of a system call of Linux that Python has no name for."""
LINGER_NOT = struct.pack("ii", 1, 0)
"""Closed with this, a connection is reset: without a good-bye, and what was not yet sent is dropped."""


def open_through(link: Link) -> set[int]:
    """The connections that the link's owner has open, by the ports they have at its end."""
    return {each.laddr[1] for each in _established() if each.laddr and each.raddr[1:] == (_port(link),)}


def have_reset(link: Link) -> int:
    """Have the proxy reset these connections when it closes them; returns how many will be.

    Those of a proxy whose sockets are not ours to touch, being another user's or in a container, will not.
    """
    port = _port(link)
    ends = [(each.pid, each.fd) for each in _established() if each.laddr[1:] == (port,)]
    return sum(_linger_not(pid, number, port) for pid, number in ends if pid is not None)


def _established() -> list[sconn]:
    return [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]


def _port(link: Link) -> int:
    return int(link.listen.rpartition(":")[2])


def _linger_not(pid: int, number: int, port: int) -> bool:
    try:
        with _same_socket(pid, number) as ours:
            if ours.getsockname()[1] != port:
                return False  # closed meanwhile, and another one has its number
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            return True
    except OSError:
        return False


def _same_socket(pid: int, number: int) -> socket.socket:
    """The socket that another process has under this number; closing ours leaves it open there. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        descriptor = libc.syscall(PIDFD_GETFD, process, number, 0)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), f"no access to the sockets of process {pid}")
        return socket.socket(fileno=descriptor)
    finally:
        os.close(process)
