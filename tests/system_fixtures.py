"""A worker of the system in this process, and small files to load with it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from running_system import App, Write
from temporalio.testing import ActivityEnvironment

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
    """The activities, to be called one by one."""
    return PipelineActivities(database, work_directory, Cache(None))


@pytest.fixture
def attempt() -> ActivityEnvironment:
    """Calls an activity as one attempt of a workflow's."""
    return ActivityEnvironment()


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
