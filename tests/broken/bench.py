"""The system under the harness with a worker in this process, so that what is planted here is what it runs."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import faultpoints
from harness.clock import now
from harness.driver import drive
from harness.environments import own_namespace
from harness.faultpoints import FaultPoints
from harness.observation import conclude
from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.operations import Iteration
from harness.records.run import Recorded, Run
from harness.records.verdicts import Verdict
from harness.scenario import Scenario
from harness.target import Target
from harness.temporal_test import Temporal
from harness.testbed import Testbed
from harness.watching import Watch, Watched
from system.plugin import SystemPlugin
from system.search_attributes import register
from system.settings import Settings
from system.storage.pool import Pool, open_pool
from system.worker import run_worker


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    problems: list[str]
    """Each as "check: what is wrong"."""
    sound: frozenset[str] = frozenset()
    """The checks that looked at something, and found nothing wrong."""
    kinds: frozenset[DiscrepancyKind] = frozenset()
    """What reconciliation classed it as."""

    @classmethod
    def by(cls, check: str, problems: list[str]) -> Found:
        """What one check found, which has looked."""
        return cls([f"{check}: {problem}" for problem in problems], frozenset() if problems else frozenset({check}))


@dataclass(frozen=True)
class Bench:
    """One testbed that all searches share; each has a run and a worker of its own."""

    bed: Testbed
    results: Path
    planted: str = ""
    """The bug that is planted in this process, for what is done in others."""

    @asynccontextmanager
    async def trial(
        self, name: str, wanted: Callable[[Any], bool] = lambda _: True, *, target: Target | None = None
    ) -> AsyncIterator[Trial]:
        """A run of one iteration of this scenario: the first one whose input is as wanted."""
        bed, target = self.bed, target or self.bed.target
        told = {"kind": "scenario", "title": name, "target": target.file.name, "command": "pytest"}
        with Run.create(self.results, seed=1, **told) as run:
            clients = (bed.client, bed.linked_client, bed.plain_client)
            own = Testbed(target, run, bed.stack, bed.links, clients, bed.stores, bed.notify)
            scenario = target.scenario(name)
            iterations = (
                Iteration(run=run.info.id, scenario=name, index=index, seed=run.info.seed, intended=now())
                for index in itertools.count()
            )
            iteration = next(each for each in iterations if wanted(scenario.draw(each.rng())))
            yield Trial(own, scenario, iteration, FaultPoints(run.directory / "faults"))

    @asynccontextmanager
    async def temporal(self) -> AsyncIterator[Temporal]:
        """What the pytest plugin gives a test of the system's workflows."""
        watched = Watched()
        address = self.bed.stack.addresses["temporal.address"]
        async with own_namespace(address, [SystemPlugin(), Watch(watched)]) as environment:
            await register(environment.client)
            async with aclosing(Temporal(environment, watched)) as temporal:
                yield temporal

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Pool]:
        """Connections as the system's workers have them."""
        pool = await open_pool(settings_of(self.bed, "nobody"))
        yield pool
        pool.terminate()


@dataclass
class Trial:
    """One iteration under a worker in this process, and what the harness says of it."""

    bed: Testbed
    scenario: Scenario[Any]
    iteration: Iteration
    faults: FaultPoints
    queue: str = field(default_factory=lambda: f"system-{secrets.token_hex(4)}")

    async def judged(self, steered: Scenario[Any] | None = None, *, last: bool = False) -> Found:
        """Drive it, and have it judged.

        Args:
            steered: drives in place of the scenario; which judges all the same.
            last: judge only when the worker has ended, and with it whatever attempts still ran.

        """
        async with worker_here(self.bed, self.queue, self.faults):
            await self.driven(steered or self.scenario)
            if not last:
                return await self.found()
        return await self.found()

    async def driven(self, scenario: Scenario[Any]) -> None:
        """Drive it, for whoever works on its queue."""
        app = self.bed.app(self.iteration, task_queue=self.queue)
        self.bed.planned([self.iteration])
        self.bed.broken += await drive(scenario, app)
        self.faults.wake()

    async def found(self) -> Found:
        """Have it judged."""
        bed = self.bed
        judgements = await conclude(bed.run, bed.target, bed.client, bed.stores, bed.iterations, bed.broken)
        problems = [f"{each.invariant}: {found.message}" for each in judgements for found in each.findings]
        problems += [f"fault points: {fault} never bit" for fault in self.faults.unbitten()]
        sound = frozenset(each.invariant for each in judgements if each.verdict is Verdict.VALID)
        kinds = frozenset(each.kind for each in Recorded(bed.run.directory).read(Discrepancy))
        return Found(problems, sound, kinds)


@asynccontextmanager
async def worker_here(
    bed: Testbed,
    task_queue: str,
    faults: FaultPoints | None = None,
    addresses: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """The target's worker, as temper.toml has it, in this process; `addresses` are where it finds services instead."""
    settings = settings_of(bed, task_queue, addresses)
    stop = asyncio.Event()
    interceptors = faultpoints.interceptors(faults.environment) if faults else []
    working = asyncio.create_task(run_worker(settings, interceptors=interceptors, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await working


def settings_of(bed: Testbed, task_queue: str, addresses: Mapping[str, str] | None = None) -> Settings:
    """What temper.toml hands to a worker."""
    return Settings.from_environment(bed.worker("here", task_queue=task_queue, addresses=addresses).process._env)


def database_of(bench: Bench) -> str:
    """Where the system's tables are."""
    return settings_of(bench.bed, "nobody").database_url
