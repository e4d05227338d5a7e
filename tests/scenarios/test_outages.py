"""Services and workers stop under use: each is felt, and nothing fails, nothing is lost, nothing is doubled."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from running_system import ROOT
from system_bed import system_bed

from harness.eventually import eventually
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun
from harness.services import web
from harness.services.service import StartedService
from harness.stack import Stack
from harness.testbed import Testbed
from harness.workers import Worker, Workers
from loadtests.arrivals import parse
from loadtests.engine import Progress
from loadtests.load import Load
from loadtests.mix import Mix
from loadtests.run import under_load

USE = {"orders-place": 2.0, "tasks-batch": 0.5, "pipeline-slice": 0.5}
"""Iterations started a second, of each."""
RATE = sum(USE.values())
BEFORE = AFTER = 4
"""Iterations that have ended before anything is broken, and some that have not when it is whole again: the use before
and after it is part of what is tested."""
PATIENCE = 120
OUTAGE_SECONDS = 10.0

pytestmark = [pytest.mark.timeout(300), pytest.mark.thorough]


class Use:
    """All of the scenarios under load at once, until as many iterations have ended as were planned."""

    def __init__(self, bed: Testbed, iterations: int) -> None:
        self._bed = bed
        self._planned = iterations
        self._progress = Progress(planned=iterations)

    @property
    def begun(self) -> int:
        return self._progress.started

    @property
    def ended(self) -> int:
        return self._progress.ended

    async def made(self) -> None:
        """Start all of it, and wait until every iteration has ended."""
        mix = Mix({self._bed.target.scenario(name): rate for name, rate in USE.items()})
        load = Load(mix=mix, arrivals=parse("constant", RATE, self._planned / RATE))
        await under_load(self._bed, load, on_progress=self._note)

    def _note(self, progress: Progress) -> None:
        self._progress = progress

    async def begins(self, iterations: int) -> None:
        """Wait until so many more have begun."""
        wanted = min(self.begun + iterations, self._planned)
        await eventually(lambda: self.begun >= wanted, timeout=PATIENCE)

    async def goes_on(self, iterations: int) -> None:
        """Wait until so many more have begun than have by now, and have ended; a few are left in any case."""
        wanted = min(self.begun + iterations, self._planned - AFTER)
        await eventually(lambda: self.ended >= wanted, timeout=PATIENCE)
        assert self.ended < self._planned, "the use was over before the outage was"


@pytest.fixture(scope="module")
async def breakable(provider: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Servers that no other test uses; each test leaves them running."""
    services = ["temporal", "postgres", "redis"]
    logs = tmp_path_factory.mktemp("breakable")
    async with Stack.of(services, provider=provider, log_directory=logs) as started:
        yield started


@pytest.fixture
async def bed(breakable: Stack, tmp_path: Path) -> AsyncIterator[Testbed]:
    """The system on these servers, with a database of its own."""
    async with system_bed(ROOT / "temper.toml", breakable, "template1", tmp_path) as standing:
        yield standing


@pytest.fixture(autouse=True)
async def workers(bed: Testbed) -> AsyncIterator[Workers]:
    """Two workers, and what the scenarios need to be there."""
    async with bed.workers(2) as started:
        await bed.prepare(*(bed.target.scenario(name) for name in USE))
        yield started


@asynccontextmanager
async def used(bed: Testbed, iterations: int) -> AsyncIterator[Use]:
    """The system in use: for some time before the body, during all of it, and to its end after it."""
    use = Use(bed, iterations)
    making = asyncio.create_task(use.made())
    try:
        await use.goes_on(BEFORE)
        yield use
        await making
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


def service(stack: Stack, name: str) -> StartedService:
    found = stack[name]
    assert isinstance(found, StartedService)
    return found


async def figures(worker: Worker) -> Any:
    """What a worker says of itself."""
    return json.loads((await web.get(worker.ready_url))[1])


async def cache_figure(workers: Workers, name: str) -> int:
    """What the workers' caches have counted, together."""
    return sum([(await figures(worker))["cache"][name] for worker in workers])


async def wrong(bed: Testbed) -> list[object]:
    """What the invariants find, and every workflow that did not complete."""
    judgements = [one for one in await bed.conclude() if one.verdict is not Verdict.VALID]
    ends = [one for one in ended(bed) if one.status not in ("completed", "continued_as_new")]
    return [*judgements, *ends]


def ended(bed: Testbed) -> list[WorkflowRun]:
    """The workflows of a run that is concluded."""
    return Recorded(bed.run.directory).read(WorkflowRun)


async def test_redis_gone_for_ten_seconds_fails_no_workflow(bed: Testbed, breakable: Stack, workers: Workers) -> None:
    """Killed under use, with nothing on disk, and started again: the caches miss it, and make up for it by themselves.

    Thirty iterations arrive meanwhile, three a second; should they come faster, after a stall, it stays away all the
    same.
    """
    redis, loop = service(breakable, "redis"), asyncio.get_running_loop()
    async with used(bed, BEFORE + 38 + AFTER) as use:
        await redis.stop()
        gone = loop.time()
        await use.goes_on(30)
        assert await cache_figure(workers, "undelivered") > 0, "no load needed the cache while it was away"
        await eventually(lambda: loop.time() - gone >= OUTAGE_SECONDS, timeout=PATIENCE)
        away = loop.time() - gone
        await redis.restart()
    assert away >= OUTAGE_SECONDS
    await eventually(lambda: all_delivered(workers), timeout=PATIENCE)
    assert await wrong(bed) == []


async def all_delivered(workers: Workers) -> bool:
    return await cache_figure(workers, "undelivered") == 0


async def test_postgres_restarted_under_use_loses_and_doubles_nothing(bed: Testbed, breakable: Stack) -> None:
    """Killed with transactions open, and started again on the same data: attempts fail, and every row is there once."""
    postgres = service(breakable, "postgres")
    async with used(bed, BEFORE + 16 + AFTER) as use:
        await postgres.kill()
        await use.begins(3)
        await postgres.restart()
    assert await wrong(bed) == []
    failures = [one.last_failure or "" for run in ended(bed) for one in run.activities if one.attempts > 1]
    assert any("connect" in failure.lower() for failure in failures), f"no attempt met the outage: {failures}"


async def test_a_worker_that_drains_under_use_fails_no_workflow_task(bed: Testbed, workers: Workers) -> None:
    """Told to stop with its hands full, it ends in time; the other one goes on with what it had."""
    async with used(bed, BEFORE + 10 + AFTER):
        assert await eventually(lambda: busy(workers[0]), timeout=PATIENCE) > 0
        assert await workers[0].drain()
    assert await wrong(bed) == []


async def busy(worker: Worker) -> int:
    """How many activities a worker runs."""
    return int((await figures(worker))["busy"])
