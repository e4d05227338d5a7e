"""One container on this machine's own network: started, paused, killed, started again, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import psutil

from harness.errors import CannotRun, ServiceFailed
from harness.services import guard
from harness.services.engine import Found
from harness.services.engine_client import CALL_SECONDS, docker_container, reason_of
from harness.services.process import TailedLog, listens
from harness.services.reaper import reaper

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KILLED = 137
"""What a container's end is taken for where the engine does not tell: as by SIGKILL."""

ENOUGH = (("nofile", resource.RLIMIT_NOFILE, 65_536), ("nproc", resource.RLIMIT_NPROC, 32_768))
"""Limits of a container under Podman. It lowers its own number of processes to the kernel's greatest process id."""

P = ParamSpec("P")
T = TypeVar("T")


class Container:
    """One container, which keeps its file system until it is removed.

    Every call to the engine is made on a thread of the container's own, one after the other: what was cut off in the
    middle of being made is removed only once it is there. Its output is appended to `log_path`.
    """

    def __init__(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        *,
        engine: Found,
        log_path: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.image = image
        self.command = tuple(command)
        self._log = TailedLog(log_path)
        self._engine = engine
        self._env = dict(env or {})
        self.called = f"temper-{name}-{secrets.token_hex(6)}"
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.called)
        self._made: DockerContainer | None = None
        self._ended: Future[int] | None = None
        self._paused = False
        self._pid = 0
        self._logged = 0

    @property
    def alive(self) -> bool:
        """Whether it has been started and has not ended; a paused container is alive."""
        return self._ended is not None and not self._ended.done()

    @property
    def pid(self) -> int:
        """Its first process, by the engine's machine; 0 before the first start."""
        return self._pid

    async def start(self) -> None:
        """Start it, on the data it had if it ran before; raises ServiceFailed."""
        self._log.begin()
        if self._made is None:
            # Before it is made, so that there is no moment in which nobody would remove it.
            reaper.watch_container(self._engine.address, self.called)
        await self._call("started", self._start)

    async def wait(self) -> int:
        """Wait until it has ended; returns its exit code."""
        if self._ended is None:
            raise RuntimeError(f"{self.name} was never started")
        return await asyncio.shield(asyncio.wrap_future(self._ended))

    async def terminate(self, grace: float) -> None:
        """Send it its image's stop signal, kill it after `grace` seconds, and wait until it is gone."""
        if self.alive:
            await self.resume()
            await self._call("stopped", self._wrapped.stop, timeout=int(grace))
            await self._gone()

    async def kill(self) -> None:
        """Kill it with SIGKILL, with all that runs in it, and wait until it is gone."""
        if not self.alive:
            return
        await self.resume()  # Podman kills nothing that is paused
        await self._call("killed", self._kill)
        await self._gone()

    async def pause(self) -> None:
        """Freeze it, with all that runs in it."""
        if self.alive and not self._paused:
            await self._call("paused", self._wrapped.pause)
            self._paused = True

    async def resume(self) -> None:
        """Let it go on after `pause`."""
        if self.alive and self._paused:
            await self._call("resumed", self._wrapped.unpause)
        self._paused = False

    async def remove(self) -> None:
        """Kill it, and remove it with its data; harmless where it was never made."""
        await self._call("removed", guard.remove_container, self._engine.address, self.called)
        reaper.forget_container(self._engine.address, self.called)
        if self._ended is not None:
            await self._gone()
        if self._made is not None:
            await self._call("left", self._made.get_docker_client().client.close)
            self._made = None
        self._thread.shutdown(wait=False)

    def listens_on(self, port: int) -> bool:
        """Whether what runs in it listens on the TCP port; taken for granted where another user's may not be seen."""
        try:
            leader = psutil.Process(self._pid)
            return any(listens(each, port) for each in [leader, *leader.children(recursive=True)])
        except psutil.AccessDenied:
            return True
        except psutil.NoSuchProcess:
            return False

    def last_lines(self) -> list[str]:
        """The last lines of its log since it was last started."""
        return self._log.last_lines()

    def failure(self, what: str) -> ServiceFailed:
        """The error that says what happened to it, and quotes its log."""
        named = f"{self.name} ({self.image})"
        return ServiceFailed(named, what, log_path=self._log.path, last_lines=self.last_lines())

    @property
    def _wrapped(self) -> Any:
        assert self._made is not None
        return self._made.get_wrapped_container()

    async def _gone(self) -> None:
        try:
            await asyncio.wait_for(self.wait(), CALL_SECONDS)
        except TimeoutError as error:
            raise self.failure(f"did not end within {CALL_SECONDS:g} s") from error

    def _start(self) -> None:
        if self._made is None:
            self._made = made = docker_container(self._engine, self.image)
            made.with_name(self.called).with_command(list(self.command)).with_envs(**self._env)
            made.with_kwargs(network="host", ulimits=_limits(self._engine))
            made.start()
        else:
            self._wrapped.start()
        self._wrapped.reload()
        self._pid = self._wrapped.attrs["State"]["Pid"]
        self._ended = Future()
        follow = threading.Thread(target=self._follow, args=(self._wrapped, self._ended), daemon=True)
        follow.start()

    def _kill(self) -> None:
        from docker.errors import APIError  # noqa: PLC0415 - comes with testcontainers

        try:
            self._wrapped.kill()
        except APIError:
            self._wrapped.reload()
            if self._wrapped.status == "running":
                raise  # else it ended by itself in the meantime

    def _follow(self, wrapped: Any, ended: Future[int]) -> None:
        """Write what it says to the log until it ends. The engine tells all it ever said, also before a restart."""
        code = KILLED
        with contextlib.suppress(Exception), self._log.path.open("ab", buffering=0) as file:
            # An engine that is gone says no more; the container counts as gone too.
            told = 0
            for piece in wrapped.logs(stream=True, follow=True):
                file.write(piece[max(0, self._logged - told) :])
                told += len(piece)
                self._logged = max(self._logged, told)
            code = wrapped.wait()["StatusCode"]
            # Podman leaves out what was said shortly before the end.
            rest = wrapped.logs()[self._logged :]
            file.write(rest)
            self._logged += len(rest)
        ended.set_result(code)

    async def _call(self, what: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = self._thread.submit(work, *args, **kwargs)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(call), CALL_SECONDS)
        except TimeoutError as error:
            raise self.failure(f"was not {what} by {self._engine.name} within {CALL_SECONDS:g} s") from error
        except Exception as error:
            if isinstance(error, CannotRun):
                raise
            raise self.failure(f"could not be {what} by {self._engine.name}: {reason_of(error)}") from error


def _limits(engine: Found) -> list[Any]:
    """Podman would give more than it has itself, and then starts nothing; Docker's own are left as they are."""
    from docker.types import Ulimit  # noqa: PLC0415 - an extra

    if engine.name != "podman":
        return []
    limits = []
    for name, which, enough in ENOUGH:
        hard = resource.getrlimit(which)[1]
        limit = enough if hard == resource.RLIM_INFINITY else min(hard, enough)
        limits.append(Ulimit(name=name, soft=limit, hard=limit))
    return limits
