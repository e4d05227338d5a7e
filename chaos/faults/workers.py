"""Faults of workers: killed, paused, drained, late, or restarted one after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from chaos.faults.each import OnEach
from chaos.faults.fault import Bite, Fault, FaultPlan
from chaos.faults.links import TRY_SECONDS, names
from harness.errors import UnknownName
from harness.services import web
from harness.services.process import NotReady
from harness.workers import Worker

if TYPE_CHECKING:
    from harness.testbed import Testbed


class WorkerPlan(FaultPlan, frozen=True, kw_only=True):
    """What every fault of a worker is told."""

    worker: str
    """worker-1, worker-2, …, or workers (each of them, at once)."""

    @property
    def on(self) -> str:
        return self.worker

    def touches(self, workers: int) -> frozenset[str]:
        return frozenset(names(workers) if self.worker == "workers" else [self.worker])

    def problems(self, workers: int) -> Iterator[str]:
        known = [*names(workers), "workers"]
        if self.worker not in known:
            yield f"expected one of {', '.join(known)}"

    def fault(self, bed: Testbed) -> Fault:
        members = {worker.name: worker for worker in bed.at_work}
        if self.worker == "workers":
            return OnEach(self.on, [self.of(worker) for worker in members.values()])
        if self.worker not in members:
            raise UnknownName("worker", self.worker, members)
        return self.of(members[self.worker])

    def of(self, worker: Worker) -> Fault:
        """Make it for one worker."""
        raise NotImplementedError


class WorkerKilledPlan(WorkerPlan, frozen=True, kw_only=True, tag="worker_killed"):
    """A worker is killed with SIGKILL."""

    restart: bool = True
    """Whether it is started again at heal; else others must do its work from then on."""

    def problems(self, workers: int) -> Iterator[str]:
        yield from super().problems(workers)
        if not self.restart and self.times > 1:
            yield "it can be killed only once, as nobody starts it again: leave `every` and `times` out, or `restart`"

    def of(self, worker: Worker) -> WorkerDown:
        return WorkerDown("worker_killed", worker, restart=self.restart)


class WorkerDrainedPlan(WorkerPlan, frozen=True, kw_only=True, tag="worker_drained"):
    """A worker is told to finish what it does and end, and is started again at heal."""

    def of(self, worker: Worker) -> WorkerDown:
        return WorkerDown("worker_drained", worker, drained=True)


class WorkerLatePlan(WorkerPlan, frozen=True, kw_only=True, tag="worker_late"):
    """A worker comes only at heal: it is drained as the load begins, before it has much to do."""

    at: float | None = 0.0

    def problems(self, workers: int) -> Iterator[str]:
        yield from super().problems(workers)
        if self.at != 0:
            yield "a worker is late from the start of the load: leave `at` out"

    def of(self, worker: Worker) -> WorkerDown:
        return WorkerDown("worker_late", worker, drained=True)


class WorkerPausedPlan(WorkerPlan, frozen=True, kw_only=True, tag="worker_paused"):
    """A worker stands still (SIGSTOP) and goes on at heal (SIGCONT), when its work may long be another's: a zombie."""

    def of(self, worker: Worker) -> WorkerPaused:
        return WorkerPaused(worker)


class RollingRestartPlan(FaultPlan, frozen=True, kw_only=True, tag="rolling_restart"):
    """All workers are drained and started again, one after the other, spread evenly over `for`."""

    @property
    def on(self) -> str:
        return "workers"

    def touches(self, workers: int) -> frozenset[str]:
        return frozenset(names(workers))

    def fault(self, bed: Testbed) -> RollingRestart:
        return RollingRestart(tuple(bed.at_work), self.duration)


@dataclass
class WorkerDown:
    """A worker that is not there: killed, or drained."""

    name: str
    worker: Worker
    drained: bool = False
    restart: bool = True
    slows: float | None = None
    down: bool = False
    found: bool = True
    """Whether it was there when it was to be broken."""

    @property
    def on(self) -> str:
        return self.worker.name

    async def inject(self) -> None:
        if not self.down:
            self.found = self.worker.alive
        self.down = True
        if self.drained:
            await self.worker.drain()
        else:
            await self.worker.kill()

    async def bite(self) -> Bite:
        """Look for its process, and ask for its health."""
        if self.worker.alive:
            return Bite(in_force=False, evidence=f"its process {self.worker.pid} runs")
        if not self.found:
            return Bite(in_force=False, evidence=f"its process {self.worker.pid} had ended before")
        healthy, told = await _health(self.worker)
        return Bite(in_force=not healthy, evidence=f"its process {self.worker.pid} has ended; {told}")

    async def heal(self) -> None:
        """Start it again, if that is meant, and wait until it is ready. Raises ServiceFailed."""
        if self.down and self.restart:
            await self.worker.kill()  # where breaking it was interrupted
            await self.worker.start()
        self.down = False

    async def met(self) -> None:
        """Histories tell."""


@dataclass
class WorkerPaused:
    """A worker that stands still, with its connections open, and knows nothing of it."""

    worker: Worker
    name: str = "worker_paused"
    slows: float | None = None

    @property
    def on(self) -> str:
        return self.worker.name

    async def inject(self) -> None:
        self.worker.pause()

    async def bite(self) -> Bite:
        """Look at its process, and ask for its health."""
        status = psutil.Process(self.worker.pid).status() if self.worker.alive else psutil.STATUS_DEAD
        healthy, told = await _health(self.worker)
        stands = status == psutil.STATUS_STOPPED and not healthy
        return Bite(in_force=stands, evidence=f"its process {self.worker.pid} is {status}; {told}")

    async def heal(self) -> None:
        self.worker.resume()

    async def met(self) -> None:
        """Histories tell."""


@dataclass
class RollingRestart:
    """Workers that have their turns to be drained and started again; heal waits until each has had it."""

    workers: Sequence[Worker]
    seconds: float
    name: str = "rolling_restart"
    on: str = "workers"
    slows: float | None = None
    before: int = 0
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    turns: asyncio.Task[None] | None = None

    async def inject(self) -> None:
        """Returns when the first is drained; the others follow."""
        self.before = self.workers[0].pid
        self.hurry.clear()
        try:
            await self.workers[0].drain()
        finally:
            self.turns = asyncio.create_task(self._turns())

    async def bite(self) -> Bite:
        """Look for the process that the first worker was."""
        first = self.workers[0].name
        if self.turns is None or psutil.pid_exists(self.before):
            return Bite(in_force=False, evidence=f"{first} has not ended")
        others = ", ".join(worker.name for worker in self.workers[1:]) or "nobody"
        return Bite(in_force=True, evidence=f"{first}'s process {self.before} has ended; {others} will follow")

    async def heal(self) -> None:
        """Raises ServiceFailed where a worker did not come again."""
        self.hurry.set()
        if self.turns is not None:
            await self.turns

    async def met(self) -> None:
        """Histories tell."""

    async def _turns(self) -> None:
        first, *others = self.workers
        await first.start()
        for worker in others:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.hurry.wait(), self.seconds / len(self.workers))
            await worker.drain()
            await worker.start()


async def _health(worker: Worker) -> tuple[bool, str]:
    """Whether it says that it is ready, and what is known of that; one without a ready URL is not asked."""
    if not worker.ready_url:
        return False, "it has no health URL"
    try:
        status, _ = await web.get(worker.ready_url, timeout=TRY_SECONDS)
    except NotReady:
        return False, "its health URL does not answer"
    return True, f"its health URL answers {status}"
