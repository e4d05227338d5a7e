"""A chunk that waits for a lock on a real server: it stays alive, is cancelled at once, and says why it failed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from running_system import App, Write
from temporalio import workflow
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.history.v1 import ActivityTaskStartedEventAttributes
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.worker import Worker

from harness.eventually import eventually
from system.cache.cache import Cache
from system.connection import connect
from system.pipeline.activities import PipelineActivities
from system.pipeline.models import ChunkResult, ChunkTask, LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.unfinished import ended_at
from system.settings import Settings
from system.storage.pool import Pool

FILE = b"name,age\nann,1\nbob,2\n"
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
IMPATIENT = timedelta(seconds=1)


@workflow.defn(sandboxed=False)
class ImpatientLoad:
    """Prepares and loads the first chunk, with a heartbeat timeout shorter than a lock may be waited for."""

    @workflow.run
    async def run(self, request: LoadRequest) -> ChunkResult:
        manifest = await workflow.execute_activity_method(
            PipelineActivities.prepare, request, start_to_close_timeout=timedelta(minutes=1)
        )
        return await workflow.execute_activity_method(
            PipelineActivities.load_chunk,
            ChunkTask(load_id=manifest.load_id, chunk=manifest.chunks[0]),
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=IMPATIENT,
        )


@pytest.fixture
async def locked(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Holds a lock that every chunk's claim waits for, until it is rolled back."""
    await connection.execute("BEGIN; LOCK TABLE chunks IN EXCLUSIVE MODE")
    yield connection
    await connection.execute("ROLLBACK")


async def waiting(database: Pool) -> int:
    """The server process that runs the chunk's transaction."""
    return int(await eventually(lambda: database.fetchval(WAITING), timeout=20))


async def starts(handle: WorkflowHandle[Any, Any]) -> list[ActivityTaskStartedEventAttributes]:
    return [
        event.activity_task_started_event_attributes
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_started_event_attributes")
    ]


async def test_a_chunk_that_waits_longer_than_its_heartbeat_timeout_stays_alive(
    settings: Settings, database: Pool, locked: asyncpg.Connection, write: Write, people: Schema
) -> None:
    """It succeeds on its first attempt."""
    client = await connect(settings)
    activities = PipelineActivities(database, settings.work_directory, Cache(None), ended_at(client))
    async with Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[ImpatientLoad],
        activities=activities.all,
        max_heartbeat_throttle_interval=IMPATIENT / 4,
    ):
        handle = await client.start_workflow(
            ImpatientLoad.run,
            LoadRequest(sources=(str(write(FILE)),), schema=people),
            id=settings.task_queue,
            task_queue=settings.task_queue,
        )
        long = f"{WAITING} AND clock_timestamp() - query_start > $1"
        await eventually(lambda: database.fetchval(long, 2 * IMPATIENT), timeout=20)
        await locked.execute("ROLLBACK")
        assert (await handle.result()).rows_loaded == 2
        assert [one.attempt for one in await starts(handle)] == [1, 1]


async def test_cancelling_reaches_a_chunk_that_waits(
    app: App, locked: asyncpg.Connection, write: Write, people: Schema
) -> None:
    """The load is cancelled while the lock is still held; nothing of the chunk is left."""
    handle = await app.start(write(FILE), people)
    await waiting(app.database)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, CancelledError)
    assert locked.is_in_transaction()
    assert await app.database.fetchval("SELECT state FROM loads") == "cancelled"
    assert await app.database.fetchval("SELECT count(*) FROM datasets.people") == 0


@pytest.mark.usefixtures("locked")
async def test_a_chunk_that_fails_once_it_is_to_be_cancelled_is_cancelled(
    app: App, write: Write, people: Schema
) -> None:
    """It has not noticed yet when PostgreSQL goes away; there is no further attempt, and the load has not failed."""
    handle = await app.start(write(FILE), people)
    attempt = await waiting(app.database)
    await handle.cancel()

    async def cancel_requested() -> bool:
        [pending] = (await handle.describe()).raw_description.pending_activities
        return pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED

    await eventually(cancel_requested, timeout=20)
    await app.database.execute("SELECT pg_terminate_backend($1)", attempt)
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, CancelledError)
    assert await app.database.fetchval("SELECT state FROM loads") == "cancelled"


async def test_a_cut_connection_is_the_reason_in_history(
    app: App, connection: asyncpg.Connection, write: Write, people: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of a COPY: the second attempt tells why the first one failed, and the log has the traceback."""
    await app.load(write(FILE), people)
    await connection.execute("BEGIN; LOCK TABLE datasets.people IN SHARE MODE")
    handle = await app.start(write(FILE), people, again=True)
    await app.database.execute("SELECT pg_terminate_backend($1)", await waiting(app.database))

    async def again() -> bool:
        return bool(await app.database.fetchval(WAITING))

    await eventually(again, timeout=20)
    await connection.execute("ROLLBACK")
    assert (await handle.result()).rows_loaded == 2
    [failure] = [one.last_failure for one in await starts(handle) if one.attempt == 2]
    assert "terminating connection due to administrator command" in failure.message
    assert not failure.HasField("cause"), "the stack traces of a chain take it beyond the server's limit"
    [logged] = [one for one in caplog.records if one.name == "system.interceptors"]
    assert logged.levelname == "WARNING"
    assert "in copy_rows" in caplog.text
