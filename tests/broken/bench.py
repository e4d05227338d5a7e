"""The system under the harness with a worker in this process, so that what is planted here is what it runs."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import faultpoints
from harness.clock import now
from harness.driver import drive
from harness.faultpoints import FaultPoints
from harness.observation import conclude
from harness.records.operations import Iteration
from harness.records.run import Run
from harness.records.verdicts import Verdict
from harness.scenario import Scenario
from harness.testbed import Testbed
from system.settings import Settings
from system.worker import run_worker


@dataclass(frozen=True)
class Bench:
    """One testbed that all searches share; each has a run and a worker of its own."""

    bed: Testbed
    results: Path

    @asynccontextmanager
    async def trial(self, name: str, wanted: Callable[[Any], bool] = lambda _: True) -> AsyncIterator["Trial"]:
        """A run of one iteration of this scenario: the first one whose input is as wanted."""
        bed = self.bed
        with Run.create(self.results, kind="scenario", title="", target=bed.target.file.name, seed=1, command="") as run:
            clients = (bed.client, bed.linked_client, bed.plain_client)
            own = Testbed(bed.target, run, bed.stack, bed.links, clients, bed.stores, bed.notify)
            scenario = bed.target.scenario(name)
            iterations = (
                Iteration(run=run.info.id, scenario=name, index=index, seed=run.info.seed, intended=now())
                for index in itertools.count()
            )
            iteration = next(each for each in iterations if wanted(scenario.draw(each.rng())))
            yield Trial(own, scenario, iteration, FaultPoints(run.directory / "faults"))


@dataclass
class Trial:
    """One iteration under a worker in this process, and what the harness says of it."""

    bed: Testbed
    scenario: Scenario[Any]
    iteration: Iteration
    faults: FaultPoints

    async def judged(self, steered: Scenario[Any] | None = None, *, last: bool = False) -> list[str]:
        """Drive it, and return what the harness finds: nothing, where all is well.

        Args:
            steered: drives in place of the scenario; which judges all the same.
            last: judge only when the worker has ended, and with it whatever attempts still ran.

        """
        driven = steered or self.scenario
        queue = f"system-{secrets.token_hex(4)}"
        async with worker_here(self.bed, queue, self.faults):
            self.bed.driven([self.iteration], await drive(driven, self.bed.app(self.iteration, task_queue=queue)))
            self.faults.wake()
            if not last:
                return await self._found()
        return await self._found()

    async def _found(self) -> list[str]:
        bed = self.bed
        judgements = await conclude(bed.run, bed.target, bed.client, bed.stores, bed.iterations, bed.broken)
        vain = [f"a fault never bit: {fault}" for fault in self.faults.unbitten()]
        unknown = [f"{each.invariant}: {each.reason}" for each in judgements if each.verdict is Verdict.UNKNOWN]
        return vain + unknown + [f"{each.invariant}: {found.message}" for each in judgements for found in each.findings]


@asynccontextmanager
async def worker_here(bed: Testbed, task_queue: str, faults: FaultPoints | None = None) -> AsyncIterator[None]:
    """The target's worker, as temper.toml has it, in this process."""
    spec = bed.worker("here", task_queue=task_queue)
    settings = Settings.from_environment(spec.process._env)
    stop = asyncio.Event()
    interceptors = faultpoints.interceptors(faults.environment) if faults else []
    working = asyncio.create_task(run_worker(settings, interceptors=interceptors, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await working
