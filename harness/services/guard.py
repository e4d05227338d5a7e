"""Kills what a process left running when it ended, and removes its containers and its temporary directories.

Runs as a program of its own (`python -I -S guard.py`) that imports next to nothing, and reads on
standard input what it is to look after, one order a line:

    pid PID STARTED           container ENGINE NAME           dir PATH
    forget-pid PID STARTED    forget-container ENGINE NAME    forget-dir PATH

When standard input ends, whatever ended the writer, the containers still on the list go first, for their engine may
be one of the processes; then every process is killed with all that came from it, and then the directories go.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

TYPE_CHECKING = False  # typing is a large import
if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPConnection
    from typing import Any

PREFIX = "temper-"
"""Only directories whose own name begins with this are ever removed."""


class Stat:
    """One process as /proc shows it; `started` is in clock ticks since boot, which tells a reused pid apart."""

    __slots__ = ("group", "parent", "pid", "session", "started", "state")

    def __init__(self, pid: int, text: bytes) -> None:
        # The command name in brackets may itself hold blanks and brackets.
        fields = text[text.rindex(b")") + 2 :].split()
        self.pid = pid
        self.state = fields[0].decode()
        self.parent, self.group, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        self.started = int(fields[19])

    @property
    def dead(self) -> bool:
        return self.state in "ZX"


def read_stat(pid: int) -> Stat | None:
    """The process with this pid, or None where there is none that we may see."""
    return _read(pid, f"/proc/{pid}/stat")


def _read(pid: int, path: str) -> Stat | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is a large import
            return Stat(pid, file.read())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # /proc may be mounted so that it hides the processes of others


def family(pid: int, started: int) -> list[Stat]:
    """The living processes that came from `pid`, itself included: its session, its group, and all their children.

    Children count even where they left the session, as PostgreSQL's backends do. Once a leader is dead,
    only those that stayed in its session or group can still be found. Empty where the pid now belongs to another.
    """
    table = {int(entry): read_stat(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()}  # noqa: PTH208 - pathlib is a large import
    living = [stat for stat in table.values() if stat is not None and not stat.dead]
    leader = table.get(pid)
    if leader is not None and leader.started != started:
        return []
    found = {stat.pid: stat for stat in living if pid in (stat.pid, stat.session, stat.group)}
    grew = True
    while grew:
        more = {stat.pid: stat for stat in living if stat.parent in found and stat.pid not in found}
        grew = bool(more)
        found.update(more)
    return [stat for stat in found.values() if stat.started >= started]


def signal_all(members: Iterable[Stat], number: int) -> None:
    """Send a signal to each of these processes that is still the same one."""
    for member in members:
        now = read_stat(member.pid)
        if now is None or now.dead or now.started != member.started:
            continue
        try:
            os.kill(member.pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def stopped(members: Iterable[Stat]) -> bool:
    """Whether every thread of each of these stands still: one on another processor goes on for a moment."""
    return all(_threads_stopped(member) for member in members)


def _threads_stopped(member: Stat) -> bool:
    try:
        threads = os.listdir(f"/proc/{member.pid}/task")  # noqa: PTH208 - pathlib is a large import
        stats = [_read(member.pid, f"/proc/{member.pid}/task/{thread}/stat") for thread in threads]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return True  # it has ended
    return all(stat is None or stat.dead or stat.state in "Tt" for stat in stats)


def kill_family(pid: int, started: int) -> list[Stat]:
    """Kill a process and all that came from it; returns them, so that the caller can see them gone."""
    # All are stopped first, until a look finds no new one: what is stopped makes no child between the look and
    # the kill, and none loses the parent by which it is found.
    members: dict[int, Stat] = {}
    while new := [member for member in family(pid, started) if member.pid not in members]:
        signal_all(new, signal.SIGSTOP)
        members |= {member.pid: member for member in new}
    signal_all(members.values(), signal.SIGKILL)
    return list(members.values())


def still_there(members: Iterable[Stat]) -> list[Stat]:
    """Those of these processes that have not ended."""
    return [
        member
        for member in members
        if (now := read_stat(member.pid)) is not None and not now.dead and now.started == member.started
    ]


def remove(path: str, patience: float = 2.0) -> None:
    """Remove a directory of ours, trying again for `patience` seconds while something still writes to it."""
    if not os.path.basename(path).startswith(PREFIX) or os.path.islink(path):  # noqa: PTH114, PTH119 - pathlib is a large import
        return
    import shutil  # noqa: PLC0415 - only needed here, at the very end

    end = time.monotonic() + patience
    while os.path.isdir(path) and time.monotonic() < end:  # noqa: PTH112 - pathlib is a large import
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.02)


def connect(engine: str, timeout: float) -> HTTPConnection:
    """An HTTP connection to the container engine at unix://PATH or tcp://HOST:PORT; `timeout` is in seconds."""
    import http.client  # noqa: PLC0415 - large, as all that is needed only where there are containers
    import socket  # noqa: PLC0415

    scheme, _, place = engine.partition("://")
    if scheme != "unix":
        return http.client.HTTPConnection(place, timeout=timeout)
    connection = http.client.HTTPConnection("localhost", timeout=timeout)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(timeout)
    try:
        connection.sock.connect(place)
    except OSError:
        connection.close()
        raise
    return connection


def remove_container(engine: str, name: str, timeout: float = 30.0) -> bool:
    """Kill a container, and remove it with its volumes; returns whether it was there. Raises OSError."""
    connection = connect(engine, timeout)
    try:
        connection.request("DELETE", f"/containers/{name}?force=1&v=1")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status not in {200, 204, 404}:
        raise OSError(f"{engine} did not remove the container {name}: {answer.status} {body.decode(errors='replace')}")
    return answer.status != 404


def remove_containers(containers: Iterable[tuple[str, str]], patience: float = 3.0) -> None:
    """Remove containers, each an engine and a name; one not there may still be in the making for `patience` seconds."""
    left = set(containers)
    end = time.monotonic() + patience
    while left:
        for engine, name in list(left):
            try:
                removed = remove_container(engine, name)
            except Exception:  # noqa: BLE001 - whatever the engine did, the others must go
                removed = False
            if removed:
                left.discard((engine, name))
        if time.monotonic() >= end:
            return
        time.sleep(0.2)


def look_after(orders: Iterable[str]) -> None:
    """Follow the orders to their end, then kill and remove what is still on the list."""
    processes: dict[tuple[int, int], None] = {}
    containers: dict[tuple[str, str], None] = {}
    directories: dict[str, None] = {}
    lists: dict[str, tuple[dict[Any, None], Callable[[str], Any]]] = {
        "pid": (processes, _process),
        "container": (containers, _container),
        "dir": (directories, str),
    }
    for order in orders:
        if not order.endswith("\n"):
            break  # the writer died in the middle of a line
        word, _, rest = order[:-1].partition(" ")
        standing, read = lists[word.removeprefix("forget-")]
        if word in lists:
            standing[read(rest)] = None
        else:
            standing.pop(read(rest), None)

    remove_containers(containers)
    killed = [member for pid, started in processes for member in kill_family(pid, started)]
    end = time.monotonic() + 5.0
    while still_there(killed) and time.monotonic() < end:
        time.sleep(0.01)
    for path in directories:
        remove(path)


def _process(text: str) -> tuple[int, int]:
    pid, _, started = text.partition(" ")
    return int(pid), int(started)


def _container(text: str) -> tuple[str, str]:
    engine, _, name = text.rpartition(" ")
    return engine, name


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    os.chdir("/")
    look_after(os.fsdecode(order) for order in sys.stdin.buffer)  # a path need not be text
