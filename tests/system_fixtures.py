"""The system as tests have it: with a worker in this process, or under the harness; caches; small files to load."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from running_system import ROOT, App, Write
from system_bed import system_bed

from harness.attempt import Attempt
from harness.stack import Stack
from harness.testbed import Testbed
from system.cache.cache import Cache
from system.connection import connect
from system.pipeline.activities import PipelineActivities
from system.pipeline.schema import Schema
from system.settings import Settings
from system.storage.pool import Pool, open_pool
from system.worker import run_worker


@pytest.fixture
def settings(postgres_url: str, temporal_address: str, work_directory: Path) -> Settings:
    """Settings of this test's own database and task queue."""
    return Settings(
        database_url=postgres_url,
        temporal_address=temporal_address,
        task_queue=f"system-{secrets.token_hex(6)}",
        work_directory=work_directory,
        drain_seconds=5,
    )


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Pool]:
    """Connections to this test's database."""
    pool = await open_pool(settings)
    yield pool
    pool.terminate()


@pytest.fixture
async def connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """One connection to this test's database."""
    one = await asyncpg.connect(settings.database_url)
    yield one
    await one.close()


@pytest.fixture
async def app(settings: Settings, database: Pool) -> AsyncIterator[App]:
    """The system with one worker, in this process."""
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(settings, stop=stop))
    yield App(await connect(settings), settings, database)
    stop.set()
    await worker


@pytest.fixture
def activities(database: Pool, work_directory: Path) -> PipelineActivities:
    """The activities, to be called one by one; Temporal knows of no workflow, and is told that all of them run."""

    async def none_has_ended(_: str, __: str | None) -> None:
        """Stand in for Temporal."""

    return PipelineActivities(database, work_directory, Cache(None), none_has_ended)


@pytest.fixture
def attempt() -> Attempt:
    """Calls an activity as one attempt of a workflow's."""
    return Attempt()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a source file."""

    def write_bytes(content: bytes) -> Path:
        path = tmp_path / f"{secrets.token_hex(4)}.csv"
        path.write_bytes(content)
        return path

    return write_bytes


@pytest.fixture
def people() -> Schema:
    """Two columns: a required name and an age."""
    return Schema.model_validate(
        {
            "dataset": "people",
            "null": ["NA"],
            "fields": [{"name": "name", "required": True}, {"name": "age", "type": "integer", "minimum": 0}],
        }
    )


@pytest.fixture(scope="module")
async def bed(stack: Stack, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Testbed]:
    """The system under the harness with one worker, its reference data loaded; tests of one module share it."""
    results = tmp_path_factory.mktemp("results")
    async with system_bed(ROOT / "temper.toml", stack, migrated, results) as standing, standing.workers(1):
        await standing.prepare()
        yield standing


@pytest.fixture
def namespace() -> str:
    """Where this test's keys are in Redis."""
    return secrets.token_hex(6)


@pytest.fixture
async def cache(redis_url: str, namespace: str) -> AsyncIterator[Cache]:
    """One process's cache, with the patience of a machine that does much else."""
    async with Cache(redis_url, namespace=namespace, call_seconds=30) as opened:
        yield opened


@pytest.fixture
async def other(redis_url: str, namespace: str) -> AsyncIterator[Cache]:
    """What another process would have."""
    async with Cache(redis_url, namespace=namespace, call_seconds=30) as opened:
        yield opened
