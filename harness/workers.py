"""Workers: the processes that do the target's work, started until ready, drained, killed and paused."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import CannotRun, ServiceFailed
from harness.services import web
from harness.services.ports import free_port
from harness.services.process import NotReady, Process
from harness.templates import fill, fill_each, fill_values
from harness.together import together


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """How a target's workers are run.

    Command, environment and URLs may name addresses ("{postgres.url}"), "{python}" (this interpreter),
    "{worker.name}", "{worker.health}" and "{worker.metrics}" (two host:port of the worker's own, free). A worker is
    ready when its `ready_url` answers 200 or, where there is none, when it has lived for `settle_seconds`. At
    `metrics_url` Prometheus would find its metrics.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_url: str = ""
    metrics_url: str = ""
    ready_seconds: float = 30.0
    settle_seconds: float = 1.0
    drain_signal: str = "SIGTERM"
    drain_seconds: float = 30.0
    directory: Path | None = None

    def __post_init__(self) -> None:
        if not self.command:
            raise CannotRun("The worker command is empty.", remedy='Give it as a list: ["{python}", "-m", "app"].')
        if self.drain_signal not in signal.Signals.__members__:
            raise CannotRun(
                f"{self.drain_signal!r} is no signal to drain a worker with.", remedy="Use SIGTERM or SIGINT."
            )


class Worker:
    """One worker process."""

    def __init__(self, name: str, spec: WorkerSpec, addresses: Mapping[str, str], *, log_path: Path) -> None:
        """Fill the templates of `spec` with `addresses`; raises UnknownName for a placeholder that is not known."""
        health = f"127.0.0.1:{free_port()}"
        metrics = f"127.0.0.1:{free_port()}"
        own = {"worker.name": name, "worker.health": health, "worker.metrics": metrics}
        known = {"python": sys.executable, **addresses, **own}
        self.name = name
        self.spec = spec
        self.health = health
        self.ready_url = fill(spec.ready_url, known)
        self.metrics_url = fill(spec.metrics_url, known)
        self.process = Process(
            name,
            fill_each(spec.command, known),
            env=fill_values(spec.environment, known),
            cwd=spec.directory,
            log_path=log_path,
        )

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError before the first start."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; a paused one does."""
        return self.process.alive

    async def start(self) -> None:
        """Start it and wait until it is ready; can be called again after a kill. Raises ServiceFailed."""
        self.process.start()
        try:
            if self.ready_url:
                await self.process.ready(self._probe, self.spec.ready_seconds)
            else:
                await self._settle()
        except BaseException:
            await self.process.kill()
            raise

    async def drain(self) -> bool:
        """Ask it to finish what it does and end; returns whether it did within `drain_seconds`, else it was killed."""
        number = signal.Signals[self.spec.drain_signal]
        return await self.process.terminate(self.spec.drain_seconds, number=number)

    async def kill(self) -> None:
        """Kill it with SIGKILL, and wait until it is gone."""
        await self.process.kill()

    def pause(self) -> None:
        """Stop it with SIGSTOP."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.process.resume()

    async def _probe(self) -> None:
        status, _ = await web.get(self.ready_url)
        if status != 200:
            raise NotReady(f"{self.ready_url} answered {status}")

    async def _settle(self) -> None:
        with contextlib.suppress(TimeoutError):
            code = await asyncio.wait_for(self.process.wait(), self.spec.settle_seconds)
            raise self.process.failure(f"ended with exit code {code} within {self.spec.settle_seconds:g} s")


class Workers:
    """Some workers of one target: started concurrently, drained concurrently."""

    def __init__(self, members: Sequence[Worker]) -> None:
        self._members = tuple(members)

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> Worker:
        return self._members[index]

    async def start(self) -> None:
        """Start them all; if one is never ready the others are killed, and its ServiceFailed is raised."""
        try:
            await together(worker.start() for worker in self)
        except BaseException:
            await self.kill()
            raise

    async def drain(self) -> list[Worker]:
        """Drain them all; returns those that had to be killed because their time was up."""
        in_time = await asyncio.gather(*(worker.drain() for worker in self))
        return [worker for worker, drained in zip(self, in_time, strict=True) if not drained]

    async def kill(self) -> None:
        """Kill them all."""
        await asyncio.gather(*(worker.kill() for worker in self))

    @contextlib.asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[Counter[str]]:
        """Inside the block, start each member again as soon as it has died; yields how often, by name.

        Drain only after the block; one that is just being started when it ends is killed. Raises ServiceFailed, and
        ends the block, where one gives up while it starts.
        """
        restarts: Counter[str] = Counter()
        try:
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(_keep_alive(worker, restarts)) for worker in self]
                try:
                    yield restarts
                finally:
                    for keeper in keepers:
                        keeper.cancel()
        except BaseExceptionGroup as failures:
            first = failures.exceptions[0]
            raise first from first.__cause__

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain()


async def _keep_alive(worker: Worker, restarts: Counter[str]) -> None:
    while True:
        await worker.process.wait()
        await worker.kill()  # what the dead one left behind
        restarts[worker.name] += 1
        try:
            await worker.start()
        except ServiceFailed:
            # A fault may kill it again before it is ready; one that ends by itself would do so for ever.
            if (worker.process.returncode or 0) >= 0:
                raise
