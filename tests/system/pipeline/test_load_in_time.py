"""What takes time: a chunk while PostgreSQL is away, an attempt that falls silent, another's file; time is skipped."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from running_system import Write
from skipping import skipping
from temporalio import activity

from harness.attempt import Attempt
from harness.eventually import eventually
from harness.stack import Stack
from system import heartbeats
from system.pipeline import store
from system.pipeline.activities import PipelineActivities
from system.pipeline.models import (
    CLAIM,
    LOAD_CHUNK,
    ChunkResult,
    ChunkTask,
    Claimed,
    ClaimRequest,
    LoadRequest,
)
from system.pipeline.schema import Schema
from system.pipeline.steps import Step
from system.pipeline.workflow import Pipeline
from system.storage.effects import Effect
from system.storage.pool import Pool

FILE = b"name,age\nann,1\nbob,2\n"
ROWS = "SELECT count(*) FROM datasets.people"


@pytest.fixture
def request_(write: Write, people: Schema) -> LoadRequest:
    """To load a file of one chunk."""
    return LoadRequest(sources=(str(write(FILE)),), schema=people)


def with_its_own(real: PipelineActivities, own: Callable[..., Any], instead_of: Callable[..., Any]) -> list[Any]:
    """The real activities, but for one, which the test watches."""
    return [own if one == instead_of else one for one in real.all]


def began() -> datetime:
    """When the attempt that runs now began, by the clock that skips."""
    return activity.info().started_time


@dataclass(frozen=True)
class Outage:
    """PostgreSQL, as far as this test's database goes: it takes no connections while it is away, and has none."""

    server: asyncpg.Connection
    database: str

    async def begin(self) -> None:
        await self.server.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS false")
        await self.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", self.database
        )

    async def end(self) -> None:
        await self.server.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS true")


@pytest.fixture
async def outage(stack: Stack, postgres_url: str) -> AsyncIterator[Outage]:
    server = await asyncpg.connect(stack["postgres"].url)
    yield Outage(server, urlsplit(postgres_url).path.removeprefix("/"))
    await server.close()


async def test_a_chunk_outlasts_an_outage_by_pauses_of_two_seconds(
    activities: PipelineActivities, request_: LoadRequest, outage: Outage
) -> None:
    """The pauses double from 0.2 s on until they are 2 s: however long it was away, the load goes on soon."""
    attempts: list[datetime] = []
    enough = 20

    @activity.defn(name=LOAD_CHUNK)
    async def load_chunk(task: ChunkTask) -> ChunkResult:
        attempts.append(began())
        if len(attempts) == 1:
            await outage.begin()
        if len(attempts) == enough:
            await outage.end()
        return await activities.load_chunk(task)

    async with skipping(with_its_own(activities, load_chunk, activities.load_chunk)) as temporal:
        assert (await temporal.run(Pipeline.run, request_)).rows_loaded == 2
    pauses = [(after - before).total_seconds() for before, after in pairwise(attempts)]
    expected = [min(0.2 * 2**number, 2) for number in range(enough - 1)]
    assert len(pauses) == len(expected), "each attempt failed that came while it was away, and no other"
    assert [was >= due - 0.01 for was, due in zip(pauses, expected, strict=True)] == [True] * len(pauses)
    # An attempt takes real time as well; but most pauses of 20 s, Temporal's own limit here, would show.
    assert median(pauses) < 10


async def test_an_attempt_that_falls_silent_is_superseded_and_writes_nothing_late(
    activities: PipelineActivities, request_: LoadRequest, database: Pool
) -> None:
    """Once its heartbeat timeout is over another attempt loads the chunk; waking, it is told what came of that."""
    attempts: list[datetime] = []
    results: list[ChunkResult] = []
    silent, loaded = asyncio.Event(), asyncio.Event()

    @activity.defn(name=LOAD_CHUNK)
    async def load_chunk(task: ChunkTask) -> ChunkResult:
        attempts.append(began())
        if len(attempts) == 1:
            silent.set()
            await loaded.wait()
        results.append(await activities.load_chunk(task))
        loaded.set()
        return results[-1]

    async with skipping(with_its_own(activities, load_chunk, activities.load_chunk)) as temporal:

        async def skip() -> None:
            """No time is skipped while an attempt runs, but for this."""
            await silent.wait()
            await temporal.sleep(heartbeats.TIMEOUT)

        handle = await temporal.start(Pipeline.run, request_)
        async with asyncio.timeout(20):
            report, _ = await asyncio.gather(handle.result(), skip())
        assert report.rows_loaded == 2
        await eventually(lambda: len(results) == 2, timeout=20)
    assert attempts[1] - attempts[0] >= heartbeats.TIMEOUT
    assert results[0] == results[1]
    assert await database.fetchval(ROWS) == 2


async def test_a_load_waits_for_hours_until_another_is_done_with_its_file(
    activities: PipelineActivities, attempt: Attempt, request_: LoadRequest, database: Pool
) -> None:
    """It asks ever more seldom, once a minute in the end; when the other is cancelled it goes on, and has every row."""
    attempts: list[datetime] = []
    wait, most, too_many = timedelta(hours=2), timedelta(minutes=1), 300
    assert (await attempt.run(activities.prepare, request_)).claimed

    @activity.defn(name=CLAIM)
    async def claim(request: ClaimRequest) -> Claimed:
        attempts.append(began())
        if attempts[-1] - attempts[0] >= wait or len(attempts) == too_many:
            async with database.acquire() as connection:
                await store.close_load(
                    connection,
                    Effect(workflow_id="test", step=Step.CLOSE, item="cancelled", run_id="another", attempt=1),
                )
        return await activities.claim(request)

    async with skipping(with_its_own(activities, claim, activities.claim)) as temporal:
        handle = await temporal.start(Pipeline.run, request_)
        assert (await handle.result()).rows_loaded == 2
        assert await temporal.took(handle) >= wait
    assert attempts[1] - attempts[0] < most <= attempts[-1] - attempts[-2]
    assert await database.fetchval(ROWS) == 2
