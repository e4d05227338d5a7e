"""Services and workers stop under use: nothing fails, nothing is lost, nothing is doubled."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.records.run import Recorded, Run
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun
from harness.services.service import EmbeddedService
from harness.target import Target
from harness.testbed import Testbed, Wanted
from harness.workers import Workers
from loadtests.run import under_load

ROOT = Path(__file__).parents[2]
USE = {"orders-place": 2.0, "tasks-batch": 0.5, "pipeline-slice": 0.5}
"""Iterations started a second, of each."""
OUTAGE_SECONDS = 10.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Testbed]:
    """The system's servers, which no other test uses."""
    target = Target.read(ROOT / "temper.toml")
    with Run.create(tmp_path, kind="scenario", title="outages", target="system", seed=1, command="pytest") as run:
        async with Testbed.standing(target, run, Wanted()) as standing:
            yield standing


@pytest.fixture(autouse=True)
async def workers(bed: Testbed) -> AsyncIterator[Workers]:
    """Two workers, and what the scenarios need to be there."""
    async with bed.workers(2) as started:
        await bed.prepare(*(bed.target.scenario(name) for name in USE))
        yield started


async def used(bed: Testbed, seconds: float) -> None:
    """Put all of them under load at once, and wait until every iteration has ended."""
    async with asyncio.TaskGroup() as group:
        for name, rate in USE.items():
            group.create_task(under_load(bed, bed.target.scenario(name), rate=rate, duration=seconds))


def service(bed: Testbed, name: str) -> EmbeddedService:
    found = bed.stack[name]
    assert isinstance(found, EmbeddedService)
    return found


async def wrong(bed: Testbed) -> list[object]:
    """What the invariants find, and every workflow that did not complete."""
    judgements = [one for one in await bed.conclude() if one.verdict is not Verdict.VALID]
    ends = [
        one
        for one in Recorded(bed.run.directory).read(WorkflowRun)
        if one.status not in ("completed", "continued_as_new")
    ]
    return [*judgements, *ends]


async def test_redis_gone_for_ten_seconds_fails_no_workflow(bed: Testbed) -> None:
    """Killed under use, with nothing on disk, and started again: the system goes on without its cache meanwhile."""
    use = asyncio.create_task(used(bed, 2 * OUTAGE_SECONDS))
    await asyncio.sleep(OUTAGE_SECONDS / 4)  # the use before it is part of what is tested
    redis = service(bed, "redis")
    await redis.stop()
    await asyncio.sleep(OUTAGE_SECONDS)  # the length of the outage
    assert not use.done(), "the outage was over before the use was"
    await redis.restart()
    await use
    assert await wrong(bed) == []


async def test_postgres_restarted_under_use_loses_and_doubles_nothing(bed: Testbed) -> None:
    """Killed with transactions open, and started again on the same data: every row is there once."""
    use = asyncio.create_task(used(bed, OUTAGE_SECONDS))
    await asyncio.sleep(OUTAGE_SECONDS / 4)  # the use before it is part of what is tested
    postgres = service(bed, "postgres")
    assert postgres.process is not None
    await postgres.process.kill()
    await postgres.restart()
    assert not use.done(), "the outage was over before the use was"
    await use
    assert await wrong(bed) == []


async def test_a_worker_that_drains_under_use_fails_no_workflow_task(bed: Testbed, workers: Workers) -> None:
    """Told to stop with its hands full, it ends in time; the other one goes on with what it had."""
    use = asyncio.create_task(used(bed, OUTAGE_SECONDS))
    await asyncio.sleep(OUTAGE_SECONDS / 4)  # the use before it is part of what is tested
    assert await workers[0].drain()
    assert not use.done(), "the use was over before the worker was"
    await use
    assert await wrong(bed) == []
