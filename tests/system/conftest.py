"""A worker of the system in this process, and small files to load with it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import ActivityEnvironment

from system.connection import connect
from system.pipeline.activities import PipelineActivities
from system.pipeline.models import LoadReport, LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline
from system.settings import Settings
from system.storage.pool import Pool, open_pool
from system.worker import run_worker

Write = Callable[[bytes], Path]


@dataclass(frozen=True)
class App:
    """The running system, as a user has it."""

    client: Client
    settings: Settings
    database: Pool

    async def start(self, source: Path, schema: Schema, **options: Any) -> WorkflowHandle[Pipeline, LoadReport]:
        """Start a load under an id of its own."""
        return await self.client.start_workflow(
            Pipeline.run,
            LoadRequest(source=str(source), schema=schema, **options),
            id=f"load-{secrets.token_hex(6)}",
            task_queue=self.settings.task_queue,
        )

    async def load(self, source: Path, schema: Schema, **options: Any) -> LoadReport:
        """Load a file and wait for the report."""
        return await (await self.start(source, schema, **options)).result()


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
    return PipelineActivities(database, work_directory)


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
