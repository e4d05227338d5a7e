"""A child process: started, seen to be ready, paused, drained or killed, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

from harness.errors import ServiceFailed
from harness.services import guard
from harness.services.reaper import reaper

Answer = TypeVar("Answer")

QUOTED_LINES = 15
PAUSE_SECONDS = 1.0
"""How long a stop is waited for; one in the middle of a disk operation ends that first."""
TAIL_BYTES = 16_384

# The child waits at this gate until the guard knows of it: were we killed in between, `read` sees the
# end of the pipe and the program never starts.
GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh")


NOT_FOUND = 127
"""The exit code of a shell that does not find the program it is to run."""


class NotReady(Exception):
    """A probe's answer: not yet, and why."""


class TailedLog:
    """A log that is appended to from start to start, and quoted from the last start on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def begin(self) -> None:
        """Quote what is written from now on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._start = self.path.stat().st_size if self.path.exists() else 0

    def last_lines(self, count: int = QUOTED_LINES) -> list[str]:
        """The last lines since it began."""
        try:
            with self.path.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._start, size - TAIL_BYTES))
                return log.read().decode(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []


class Process:
    """One supervised child process, in a session of its own, so that Ctrl-C in a terminal does not reach it.

    `env` is added to this process's environment. Standard output and error are appended to `log_path`.
    `user` is the user and group id to run as; only root can ask for another's.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.log_path = log_path
        self._env = dict(env or {})
        self._cwd = cwd
        self._user = user
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0
        self._log = TailedLog(log_path)

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError before the first start."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether it has been started and has not ended; a paused process is alive."""
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """As in subprocess: None while it runs, minus the signal where one killed it."""
        return None if self._child is None else self._child.poll()

    def start(self) -> None:
        """Start it; it counts as ready only once `ready` has returned. Can be called again after it ended."""
        if self.alive:
            raise RuntimeError(f"{self.name} runs already, as process {self.pid}")
        self._log.begin()
        with self.log_path.open("ab") as log:
            child = subprocess.Popen(
                [*GATE, *self.argv],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env={**os.environ, **self._env},
                start_new_session=True,
                user=self._user[0] if self._user else None,
                group=self._user[1] if self._user else None,
                extra_groups=[] if self._user else None,
            )
        self._child = child
        assert child.stdin is not None
        with child.stdin as gate:
            self._started = reaper.watch(child.pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(gate.fileno(), b"\n")

    async def ready(self, probe: Callable[[], Awaitable[Answer]], timeout: float) -> Answer:
        """Ask `probe` until it stops raising NotReady, as in `until_ready`."""
        return await until_ready(self, probe, timeout)

    async def wait(self) -> int:
        """Wait until it has ended; returns its return code."""
        child = self._running()
        pause = 0.002
        while (code := child.poll()) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.02)
        return code

    async def terminate(self, grace: float, *, number: int = signal.SIGTERM) -> bool:
        """Ask it to end with a signal to its group, and kill it after `grace` seconds.

        Returns whether it ended by itself. What it left behind is killed in either case.
        """
        if self._child is None:
            return True
        members = guard.family(self.pid, self._started)
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            self.resume()
        try:
            await asyncio.wait_for(self.wait(), timeout=grace)
            in_time = True
        except TimeoutError:
            in_time = False
        finally:
            await self._sweep(members)
        return in_time

    async def kill(self) -> None:
        """Kill it with SIGKILL, with all its children, and wait until they are gone."""
        if self._child is not None:
            await self._sweep([])

    def pause(self) -> None:
        """Stop it with SIGSTOP, and all its children, also those that left its group; they stand still on return."""
        if not self.alive:
            return
        members = guard.family(self.pid, self._started)
        guard.signal_all(members, signal.SIGSTOP)
        deadline = time.monotonic() + PAUSE_SECONDS
        while not guard.stopped(members) and time.monotonic() < deadline:
            time.sleep(0.0005)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self.alive:
            guard.signal_all(guard.family(self.pid, self._started), signal.SIGCONT)

    def listens_on(self, port: int) -> bool:
        """Whether it is this very process, not another's, that listens on the TCP port."""
        try:
            return listens(psutil.Process(self.pid), port)
        except psutil.Error:
            return False

    def last_lines(self, count: int = QUOTED_LINES) -> list[str]:
        """The last lines of its log since it was last started."""
        return self._log.last_lines(count)

    def failure(self, what: str) -> ServiceFailed:
        """The error that says what happened to it, and quotes its log."""
        return ServiceFailed(self.name, what, log_path=self.log_path, last_lines=self.last_lines())

    async def _sweep(self, members: list[guard.Stat]) -> None:
        """Kill what is left, see it gone, and only then strike it off the guard's list."""
        pid, started = self.pid, self._started  # by the end it may have been started again
        members = [*members, *guard.kill_family(pid, started)]
        guard.signal_all(members, signal.SIGKILL)
        await self.wait()
        while guard.still_there(members):  # noqa: ASYNC110 - the kernel sets no event of ours
            await asyncio.sleep(0.005)
        reaper.forget(pid, started)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._child


def listens(process: psutil.Process, port: int) -> bool:
    """Whether this process listens on the TCP port; raises psutil.Error where that cannot be seen."""
    sockets = process.net_connections("tcp")
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)


class Ending(Protocol):
    """What runs, and may end before it is ready."""

    async def wait(self) -> int:
        """Wait until it has ended; returns its return code."""

    def failure(self, what: str) -> ServiceFailed:
        """The error that says what happened to it, and quotes its log."""


async def until_ready(running: Ending, probe: Callable[[], Awaitable[Answer]], timeout: float) -> Answer:
    """Ask `probe` until it stops raising NotReady, for `timeout` seconds; returns its answer.

    Raises ServiceFailed, quoting the log, at once when what runs ends and when the time is up.
    """
    deadline = time.monotonic() + timeout
    death = asyncio.ensure_future(running.wait())
    reason = "no answer"
    pause = 0.005
    try:
        while True:
            question = asyncio.ensure_future(probe())
            left = max(0.0, deadline - time.monotonic())
            try:
                await asyncio.wait({question, death}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if death.done():
                    raise running.failure(f"ended with {describe_exit(death.result())} before it was ready")
                if question.done():
                    return question.result()
                raise running.failure(f"was not ready within {timeout:g} s: {reason}")
            except NotReady as answer:
                reason = str(answer)
            finally:
                await _abandon(question)
            if time.monotonic() >= deadline:
                raise running.failure(f"was not ready within {timeout:g} s: {reason}")
            await asyncio.wait({death}, timeout=pause)
            pause = min(pause * 1.5, 0.1)
    finally:
        await _abandon(death)


async def to_its_end(process: Process, timeout: float) -> None:
    """Run it to its end, for `timeout` seconds at most. Raises ServiceFailed, quoting its log, where it does not."""
    try:
        process.start()
        async with asyncio.timeout(timeout):
            code = await process.wait()
        if code == NOT_FOUND:
            raise process.failure(f"cannot be done: {process.argv[0]}, or what it calls, is not on PATH")
        if code:
            raise process.failure(f"ended with {describe_exit(code)}")
    except TimeoutError:
        raise process.failure(f"did not end within {timeout:.0f} s") from None
    finally:
        await process.kill()


def describe_exit(code: int) -> str:
    """Say "exit code 3", or which signal killed it."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


async def _abandon(task: asyncio.Future[Answer]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
