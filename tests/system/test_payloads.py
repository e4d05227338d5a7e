"""Large payloads travel by reference, and nothing is lost on the way."""

import asyncio
import base64
import dataclasses
import hashlib
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from explain import explained_call, explained_in
from linked import through
from payload_workflows import Grow, Refused, Text, Travel, refuse, turn
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from harness.eventually import eventually
from harness.links import Link, Links, Toxic
from system import payloads
from system.errors import NotMigrated, PayloadLost, Unavailable
from system.payloads import LIMIT, PayloadStore, purge
from system.settings import Settings
from system.storage import pool
from system.storage.pool import Pool, open_pool

MEGABYTE = 1_000_000
TASK_TIMEOUT = timedelta(seconds=2)
"""The SDK tells of the first failure of a workflow task only: the next attempt begins when the one before times out."""
CONNECTIONS = """
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def text_of(size: int) -> Text:
    """A text that nothing compresses to below the limit."""
    return Text(text=base64.b64encode(random.Random(size).randbytes(size)).decode()[:size])


def converter(store: PayloadStore) -> DataConverter:
    return dataclasses.replace(pydantic_data_converter, external_storage=store.external_storage)


async def connected(settings: Settings, store: PayloadStore) -> Client:
    return await Client.connect(settings.temporal_address, data_converter=converter(store))


def largest(history: WorkflowHistory) -> int:
    return max(event.ByteSize() for event in history.events)


async def stored(store: PayloadStore, *contents: bytes) -> list[StorageDriverClaim]:
    return await store.store(StorageDriverStoreContext(), [Payload(data=content) for content in contents])


async def fetched(store: PayloadStore, *claims: StorageDriverClaim) -> list[bytes]:
    return [payload.data for payload in await store.retrieve(StorageDriverRetrieveContext(), claims)]


@pytest.fixture
async def client(settings: Settings) -> Client:
    """Holds nothing but the database's URL."""
    return await connected(settings, PayloadStore(settings.database_url))


@pytest.fixture
def store(database: Pool) -> PayloadStore:
    """Of a worker."""
    return PayloadStore(database)


@pytest.fixture
async def worker(settings: Settings, store: PayloadStore) -> AsyncIterator[Worker]:
    """Runs the workflows here, and caches none: each workflow task fetches everything anew."""
    async with Worker(
        await connected(settings, store),
        task_queue=settings.task_queue,
        workflows=[Travel, Refused],
        activities=[turn, refuse],
        max_cached_workflows=0,
    ) as running:
        yield running


async def started(client: Client, settings: Settings, given: Text) -> WorkflowHandle[Travel, Text]:
    return await client.start_workflow(
        Travel.run, given, id=settings.task_queue, task_queue=settings.task_queue, task_timeout=TASK_TIMEOUT
    )


@pytest.mark.usefixtures("worker")
async def test_messages_of_any_size_arrive(client: Client, settings: Settings, connection: asyncpg.Connection) -> None:
    """Messages of 5 MB, more than Temporal takes, arrive whole; no event of the history has 1 KB; it replays."""
    given, more = text_of(5 * MEGABYTE), text_of(5 * MEGABYTE + 1)
    handle = await client.start_workflow(Travel.run, given, id=settings.task_queue, task_queue=settings.task_queue)
    await handle.signal(Travel.add, more)
    assert await handle.query(Travel.given) == more
    assert await handle.result() == Text(text=given.text + more.text)

    history = await handle.fetch_history()
    assert largest(history) < 1000
    replayer = Replayer(workflows=[Travel], data_converter=client.data_converter)
    await replayer.replay_workflow(history)
    # Equal content is one row: input of workflow and activity, the activity's result, signal and query, the result.
    assert await connection.fetchval("SELECT count(*) FROM payloads") == 4


@pytest.mark.usefixtures("worker")
async def test_details_of_a_failure_travel_by_reference(client: Client, settings: Settings) -> None:
    """Details of 1 MB reach the client through an activity's failure and a workflow's, which histories hold as such."""
    given = text_of(MEGABYTE)
    with pytest.raises(WorkflowFailureError) as failure:
        await client.execute_workflow(Refused.run, given, id=settings.task_queue, task_queue=settings.task_queue)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.details[0]) == ("GivenUp", given.model_dump())
    history = await client.get_workflow_handle(settings.task_queue).fetch_history()
    assert largest(history) < 5000
    await Replayer(workflows=[Refused], data_converter=client.data_converter).replay_workflow(history)


@pytest.mark.usefixtures("worker")
async def test_small_payloads_stay_inline(client: Client, settings: Settings, connection: asyncpg.Connection) -> None:
    """Below the limit nothing is stored."""
    handle = await started(client, settings, text_of(LIMIT // 2))
    await handle.signal(Travel.add, text_of(3))
    await handle.result()
    assert await connection.fetchval("SELECT count(*) FROM payloads") == 0


async def test_the_limit_can_be_set(settings: Settings, connection: asyncpg.Connection) -> None:
    """A payload of the limit's size goes by reference, a smaller one does not."""
    one = PayloadStore(settings.database_url, limit=100)
    [small, large] = await converter(one).encode(["x" * 50, "x" * 100])
    assert (len(small.external_payloads), len(large.external_payloads)) == (0, 1)
    assert await connection.fetchval("SELECT max(size) FROM payloads") == large.external_payloads[0].size_bytes


async def test_equal_content_is_one_row(store: PayloadStore, connection: asyncpg.Connection) -> None:
    """Stored again, also twice at once, it is the same row, and counts as stored just now."""
    [first, twin] = await stored(store, b"same", b"same")
    before = await connection.fetchrow("SELECT * FROM payloads")
    again, _ = await asyncio.gather(stored(store, b"same", b"other"), stored(store, b"other", b"same"))
    after = await connection.fetchrow(
        "SELECT * FROM payloads WHERE sha256 = $1", bytes.fromhex(first.claim_data["sha256"])
    )
    assert first == twin == again[0]
    assert before is not None
    assert after is not None
    assert (before["created_at"], before["content"]) == (after["created_at"], after["content"])
    assert after["last_stored_at"] > before["last_stored_at"]
    assert await connection.fetchval("SELECT count(*) FROM payloads") == 2
    assert await fetched(store, again[1], first, first) == [b"other", b"same", b"same"]


async def test_a_payload_is_what_was_stored_or_an_error(store: PayloadStore, connection: asyncpg.Connection) -> None:
    """One that is gone or damaged is named, and never taken for the right one."""
    [good, gone, damaged] = await stored(store, b"good", b"gone", b"damaged")
    await connection.execute("DELETE FROM payloads WHERE sha256 = $1", bytes.fromhex(gone.claim_data["sha256"]))
    await connection.execute(
        "UPDATE payloads SET content = $2 WHERE sha256 = $1", bytes.fromhex(damaged.claim_data["sha256"]), b"else"
    )
    with pytest.raises(PayloadLost, match=f"{gone.claim_data['sha256']} is not in the database"):
        await fetched(store, good, gone)
    with pytest.raises(PayloadLost, match=f"is damaged.*4 bytes, is {hashlib.sha256(b'else').hexdigest()}"):
        await fetched(store, good, damaged)
    assert await fetched(store, good) == [b"good"]


async def test_a_workflow_waits_for_a_lost_payload(
    client: Client, settings: Settings, connection: asyncpg.Connection
) -> None:
    """A workflow whose input is gone does not fail: stored again, the input is found, and the workflow completes."""
    given = text_of(MEGABYTE)
    handle = await started(client, settings, given)
    await handle.signal(Travel.add, Text(text=""))
    await connection.execute("DELETE FROM payloads")
    async with Worker(client, task_queue=settings.task_queue, workflows=[Travel], activities=[turn]):
        assert "is not in the database" in await eventually(lambda: why_a_workflow_task_failed(handle), timeout=20)
        await client.data_converter.encode([given])
        assert await asyncio.wait_for(handle.result(), 60) == given


async def test_purge_takes_what_is_not_stored_again(
    store: PayloadStore, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches, all that was last stored before the retention; what was stored again since then stays."""
    monkeypatch.setattr(payloads, "PURGED_AT_ONCE", 2)
    old = await stored(store, *(b"%d" % number for number in range(6)))
    await connection.execute("UPDATE payloads SET created_at = now() - interval '8 days'")
    await connection.execute("UPDATE payloads SET last_stored_at = created_at")
    await stored(store, b"0", b"new")
    assert await purge(connection, timedelta(days=9)) == 0
    assert await purge(connection, timedelta(days=7)) == 5
    assert await purge(connection, timedelta(days=7)) == 0
    assert await fetched(store, old[0]) == [b"0"]


async def test_purge_spares_what_is_stored_meanwhile(
    store: PayloadStore, settings: Settings, connection: asyncpg.Connection
) -> None:
    """A payload that is being stored again while the purge runs is left alone."""
    await stored(store, b"used")
    await connection.execute("UPDATE payloads SET last_stored_at = now() - interval '8 days'")
    other = await asyncpg.connect(settings.database_url)
    try:
        async with other.transaction():
            await other.execute("UPDATE payloads SET last_stored_at = clock_timestamp()")
            assert await asyncio.wait_for(purge(connection, timedelta(days=7)), 10) == 0
    finally:
        await other.close()
    assert await purge(connection, timedelta(days=7)) == 0


async def test_rows_are_found_by_an_index(settings: Settings, connection: asyncpg.Connection) -> None:
    """Fetching and purging never read the whole table, which is the largest there is."""
    await connection.execute(
        """
        INSERT INTO payloads (sha256, content, last_stored_at)
        SELECT sha256(n::text::bytea), n::text::bytea, now() - n * interval '1 minute' FROM generate_series(1, 5000) n;
        ANALYZE payloads;
        """
    )
    one = await open_pool(dataclasses.replace(settings, pool_min=1, pool_max=1))
    store = PayloadStore(one)
    [claim] = await stored(store, b"new")
    assert set(await explained_in(one, fetched(store, claim))) == {"payloads_pkey"}
    assert "payloads_last_stored" in (purged := await explained_call(connection, purge(connection, timedelta(days=3))))
    assert "all of payloads" not in purged
    one.terminate()


async def test_errors_say_what_to_do(settings: Settings, connection: asyncpg.Connection) -> None:
    """An absent server and an absent table are the system's own errors, without the password."""
    absent = PayloadStore("postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(Unavailable, match=r"me:…@127\.0\.0\.1:1/x.*DATABASE_URL"):
        await stored(absent, b"x")
    await connection.execute("DROP TABLE payloads")
    with pytest.raises(NotMigrated, match="python -m system migrate"):
        await stored(PayloadStore(settings.database_url), b"x")


async def test_a_client_leaves_no_connection_open(settings: Settings, connection: asyncpg.Connection) -> None:
    """Many at once use few connections, and none is there afterwards."""
    store = PayloadStore(settings.database_url)
    storing = [asyncio.create_task(stored(store, b"%d" % number)) for number in range(20)]
    most = 0
    while not all(task.done() for task in storing):
        most = max(most, await connection.fetchval(f"SELECT count(*) {CONNECTIONS}"))
    claims = await asyncio.gather(*storing)
    assert 0 < most <= 2 * payloads.CLIENT_CONNECTIONS  # some may be on their way out
    assert await fetched(store, *(claim for [claim] in claims)) == [b"%d" % number for number in range(20)]

    async def none_left() -> bool:
        return bool(await connection.fetchval(f"SELECT count(*) = 0 {CONNECTIONS}"))

    await eventually(none_left)


@pytest.fixture
async def link(links: Links) -> Link:
    """From the worker to PostgreSQL."""
    return await links.open("worker", "postgres")


@pytest.fixture
def linked(settings: Settings, link: Link) -> Settings:
    """Of a worker whose way to its database is the link."""
    return dataclasses.replace(settings, database_url=through(link, settings.database_url))


async def why_a_workflow_task_failed(handle: WorkflowHandle[Any, Any]) -> str:
    async for event in handle.fetch_history_events():
        if event.HasField("workflow_task_failed_event_attributes"):
            return event.workflow_task_failed_event_attributes.failure.message
    return ""


async def test_workflow_tasks_wait_for_postgres(
    client: Client, settings: Settings, linked: Settings, link: Link, links: Links
) -> None:
    """PostgreSQL away while inputs are fetched: tasks fail and are retried, and the workflow completes."""
    given = text_of(MEGABYTE)
    handle = await started(client, settings, given)
    await handle.signal(Travel.add, given)
    await links.api.disable(link)
    async with Worker(
        await connected(settings, PayloadStore(linked.database_url)),
        task_queue=settings.task_queue,
        workflows=[Travel],
        activities=[turn],
    ):
        failure = await eventually(lambda: why_a_workflow_task_failed(handle), timeout=20)
        await links.api.enable(link)
        assert await asyncio.wait_for(handle.result(), 60) == Text(text=given.text * 2)
    assert "large payloads could not be fetched" in failure


async def test_results_of_workflows_wait_for_postgres(
    client: Client, settings: Settings, linked: Settings, link: Link, links: Links
) -> None:
    """PostgreSQL away while a result is stored: the workflow task fails and is retried, and the workflow completes."""
    await links.api.disable(link)
    async with Worker(
        await connected(settings, PayloadStore(linked.database_url)), task_queue=settings.task_queue, workflows=[Grow]
    ):
        handle = await client.start_workflow(
            Grow.run,
            Text(text="x"),
            id=settings.task_queue,
            task_queue=settings.task_queue,
            task_timeout=TASK_TIMEOUT,
        )
        failure = await eventually(lambda: why_a_workflow_task_failed(handle), timeout=20)
        await links.api.enable(link)
        assert await asyncio.wait_for(handle.result(), 60) == Text(text="x" * MEGABYTE)
    assert "large payloads could not be stored" in failure


async def test_results_of_activities_wait_for_postgres(
    client: Client, settings: Settings, linked: Settings, link: Link, links: Links
) -> None:
    """PostgreSQL away while a result is stored: the attempt fails and is retried."""
    attempts: list[int] = []

    @activity.defn(name="payloads.turn")
    async def turn_and_cut(given: Text) -> Text:
        attempts.append(activity.info().attempt)
        await (links.api.disable(link) if activity.info().attempt == 1 else links.api.enable(link))
        return Text(text=given.text * MEGABYTE)

    database = await open_pool(linked)
    try:
        async with Worker(
            await connected(settings, PayloadStore(database)),
            task_queue=settings.task_queue,
            workflows=[Travel],
            activities=[turn_and_cut],
        ):
            handle = await started(client, settings, Text(text="x"))
            await handle.signal(Travel.add, Text(text="y"))
            assert await asyncio.wait_for(handle.result(), 60) == Text(text="x" * MEGABYTE + "y")
    finally:
        database.terminate()
    assert attempts == [1, 2]


async def test_a_stalled_postgres_is_not_waited_for(
    linked: Settings, link: Link, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes the call and never answers is given up in time, by workers and by clients."""
    monkeypatch.setattr(payloads, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(pool, "RELEASE_SECONDS", 0.5)
    database = await open_pool(linked)
    try:
        await links.api.add_toxic(link, Toxic(name="stall", type="bandwidth", attributes={"rate": 0}))
        for store in (PayloadStore(database), PayloadStore(linked.database_url)):
            with pytest.raises(Unavailable, match=r"could not be stored: no connection, or no answer"):
                await asyncio.wait_for(stored(store, b"x"), 3)
    finally:
        database.terminate()
