"""Sees to it that no child process, container or temporary directory outlives this process, however it ends."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from pathlib import Path

from harness.services import guard


class Reaper:
    """One guard process for this process: told what to kill and remove when this process is gone.

    The guard reads a pipe that only this process holds open, so even `kill -9` is noticed. Parent-death signals
    would not do: they are forgotten across `unshare --user`, and they fire when the *thread* that started
    the child ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guard: subprocess.Popen[bytes] | None = None
        self._standing: dict[str, str] = {}

    @property
    def pid(self) -> int | None:
        """The guard's process id, or None while there is no guard."""
        return self._guard.pid if self._guard else None

    def watch(self, pid: int) -> int:
        """Have this process, with all that came from it, killed when we are gone; returns its start time in ticks.

        Raises ProcessLookupError where it is gone already.
        """
        stat = guard.read_stat(pid)
        if stat is None:
            raise ProcessLookupError(pid)
        self._tell(f"pid {pid} {stat.started}", key=f"pid {pid} {stat.started}")
        return stat.started

    def forget(self, pid: int, started: int) -> None:
        """The process has ended; a later one with the same pid is told apart by its start time, as `watch` gave it."""
        self._tell(f"forget-pid {pid} {started}", drop=f"pid {pid} {started}")

    def watch_directory(self, path: Path) -> None:
        """Have this directory removed when we are gone; its name must begin with "temper-"."""
        if not path.name.startswith(guard.PREFIX) or "\n" in str(path):
            raise ValueError(f"{str(path)!r} is no name for a temporary directory: use {guard.PREFIX}…")
        self._tell(f"dir {path.absolute()}", key=f"dir {path.absolute()}")

    def forget_directory(self, path: Path) -> None:
        """The directory has been removed."""
        self._tell(f"forget-dir {path.absolute()}", drop=f"dir {path.absolute()}")

    def watch_container(self, engine: str, name: str) -> None:
        """Have this container of the engine at unix://PATH or tcp://HOST:PORT removed when we are gone.

        To be called before it is made.
        """
        self._tell(f"container {engine} {name}", key=f"container {engine} {name}")

    def forget_container(self, engine: str, name: str) -> None:
        """The container has been removed."""
        self._tell(f"forget-container {engine} {name}", drop=f"container {engine} {name}")

    def close(self) -> None:
        """End the guard; whatever was not forgotten is killed and removed before this returns."""
        with self._lock:
            ended, self._guard = self._guard, None
            self._standing.clear()
        if ended is None or ended.stdin is None:
            return
        ended.stdin.close()
        try:
            ended.wait(timeout=10)
        except subprocess.TimeoutExpired:
            ended.kill()
            ended.wait()

    def _tell(self, order: str, *, key: str = "", drop: str = "") -> None:
        with self._lock:
            if key:
                self._standing[key] = order
            self._standing.pop(drop, None)
            try:
                self._send(order)
            except BrokenPipeError:
                # Somebody killed the guard: the next one learns everything anew.
                self._bury()
                for standing in list(self._standing.values()):
                    self._send(standing)

    def _send(self, order: str) -> None:
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )
        assert self._guard.stdin is not None
        self._guard.stdin.write(os.fsencode(order) + b"\n")

    def _bury(self) -> None:
        if self._guard is None or self._guard.stdin is None:
            return
        self._guard.stdin.close()
        self._guard.wait()
        self._guard = None

    def _disown(self) -> None:
        """In a forked child: let go of the parent's pipe, or the guard would wait for us as well."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.returncode = 0  # it is not ours to wait for
        self._guard = None
        self._standing.clear()
        self._lock = threading.Lock()  # the old one may have been held at the fork


reaper = Reaper()
"""The one of this process."""

os.register_at_fork(after_in_child=reaper._disown)  # noqa: SLF001 - the instance of this very module
atexit.register(reaper.close)
