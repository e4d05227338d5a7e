"""A connection from the pool is good, whatever happened to the one before it, and is waited for within bounds."""

import asyncio
import dataclasses
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from linked import through

from harness.eventually import eventually
from harness.links import Link, Links, Toxic
from harness.services.postgres import create_database, drop_database
from harness.services.service import StartedService
from harness.stack import Stack
from system.settings import Settings
from system.storage import pool
from system.storage.pool import Pool, open_pool

FAILING_LATE = "SELECT ($1 || slept)::integer FROM (SELECT pg_sleep(0.15)::text AS slept OFFSET 0) AS waited"
STALL = Toxic(name="stall", type="bandwidth", attributes={"rate": 0})
CLEAN = """
    SELECT current_setting('statement_timeout') = '1min'
       AND NOT EXISTS (SELECT FROM pg_locks JOIN pg_database ON oid = database
                       WHERE locktype = 'advisory' AND datname = current_database())
       AND NOT EXISTS (SELECT FROM loads)
"""
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query = 'SELECT pg_sleep(30)'"


@pytest.fixture(scope="module")
async def postgres_url(stack: Stack, migrated: str) -> AsyncIterator[str]:
    """A database that the tests here share: each leaves its tables empty, which is what they are about."""
    yield await create_database(stack["postgres"].url, "pooled", template=migrated)
    await drop_database(stack["postgres"].url, "pooled")


@pytest.fixture(autouse=True)
def _short_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 1.0)
    monkeypatch.setattr(pool, "RELEASE_SECONDS", 0.5)
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 1.0)


@pytest.fixture
async def link(links: Links) -> Link:
    """From the pool to PostgreSQL."""
    return await links.open("worker", "postgres")


@pytest.fixture
async def one(settings: Settings, link: Link) -> AsyncIterator[Pool]:
    """A pool of one connection, so that whoever comes next is handed what the one before left."""
    url = through(link, settings.database_url)
    made = await open_pool(dataclasses.replace(settings, database_url=url, pool_min=1, pool_max=1))
    yield made
    made.terminate()


async def is_good(database: Pool) -> bool:
    """Whether the pool hands out a connection within its bounds, and nothing on it is left of the one before."""
    async with database.acquire() as connection:
        return bool(not connection.is_in_transaction() and await connection.fetchval(CLEAN))


@asynccontextmanager
async def given_up(seconds: float) -> AsyncIterator[None]:
    """What an activity meets when it is cancelled."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            yield


async def test_sized_from_settings(settings: Settings) -> None:
    """It opens the fewest at once and never more than the most; who finds none free is told so in time."""
    database = await open_pool(dataclasses.replace(settings, pool_min=2, pool_max=3))
    try:
        assert (database.get_size(), database.get_max_size()) == (2, 3)
        held = [await database.acquire() for _ in range(3)]
        with pytest.raises(TimeoutError):
            await database.acquire()
        for connection in held:
            await database.release(connection)
        assert await database.fetchval("SELECT 1") == 1
    finally:
        database.terminate()


async def test_the_server_ends_a_statement(
    settings: Settings, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that takes too long is ended by PostgreSQL itself."""
    assert pool.SERVER_SETTINGS["statement_timeout"] == "60s"
    monkeypatch.setitem(pool.SERVER_SETTINGS, "statement_timeout", "100ms")
    database = await open_pool(settings)
    with pytest.raises(asyncpg.QueryCanceledError):
        await database.execute("SELECT pg_sleep(30)")
    database.terminate()
    await connection.execute("SELECT pg_sleep(0.2)")


async def test_the_server_ends_a_wait_for_a_lock(
    settings: Settings, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits too long for a lock is told so by PostgreSQL itself."""
    assert pool.SERVER_SETTINGS["lock_timeout"] == "5s"
    monkeypatch.setitem(pool.SERVER_SETTINGS, "lock_timeout", "100ms")
    database = await open_pool(settings)
    async with connection.transaction():
        await connection.execute("LOCK TABLE loads")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await database.execute("SELECT FROM loads")
    database.terminate()


async def test_the_server_ends_an_idle_transaction(
    settings: Settings, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that nobody goes on with is ended by PostgreSQL itself; its locks are free, its connection gone."""
    assert pool.SERVER_SETTINGS["idle_in_transaction_session_timeout"] == "15s"
    monkeypatch.setitem(pool.SERVER_SETTINGS, "idle_in_transaction_session_timeout", "100ms")
    database = await open_pool(settings)
    idle, gone = await database.acquire(), asyncio.Event()
    idle.add_termination_listener(lambda _: gone.set())
    await idle.execute("BEGIN; LOCK TABLE loads")
    assert await asyncio.wait_for(connection.fetchval("SELECT count(*) FROM loads"), 5) == 0
    await asyncio.wait_for(gone.wait(), 5)
    assert await is_good(database)
    database.terminate()


@pytest.mark.parametrize(
    "left",
    [
        "SET statement_timeout = '1ms'",
        "SELECT pg_advisory_lock(1)",
        "BEGIN; INSERT INTO loads (workflow_id) VALUES ('x')",
        "BEGIN; SELECT pg_advisory_xact_lock(1)",
    ],
)
async def test_nothing_is_left_for_the_next(one: Pool, left: str) -> None:
    """Session settings, session locks and an open transaction end with whoever made them."""
    async with one.acquire() as connection:
        pid = connection.get_server_pid()
        await connection.execute(left)
    assert await is_good(one)
    async with one.acquire() as connection:
        assert connection.get_server_pid() == pid


async def test_a_transaction_given_up_in_the_middle(one: Pool, connection: asyncpg.Connection) -> None:
    """Its query no longer runs, its rows are not there, and the connection is good."""
    async with given_up(0.3), one.acquire() as given, given.transaction():
        pid = given.get_server_pid()
        await given.execute("INSERT INTO loads (workflow_id) VALUES ('x')")
        await given.execute("SELECT pg_sleep(30)")
    assert await is_good(one)
    assert await connection.fetchval(SLEEPING, pid) == 0


async def test_a_copy_given_up_in_the_middle(one: Pool) -> None:
    """A COPY whose source fails, or stops, leaves no row and a good connection."""

    async def failing() -> AsyncIterator[bytes]:
        yield b"x\n"
        raise ValueError

    async def stopping() -> AsyncIterator[bytes]:
        yield b"x\n"
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match=r"^$"):
        await one.copy_to_table("loads", columns=["workflow_id"], source=failing())
    assert await is_good(one)
    async with given_up(0.3):
        await one.copy_to_table("loads", columns=["workflow_id"], source=stopping())
    assert await is_good(one)


async def test_a_link_cut_during_a_query(one: Pool, link: Link, links: Links, connection: asyncpg.Connection) -> None:
    """The query fails at once, and another connection takes the place of the one that is gone."""
    async with one.acquire() as cut:
        pid = cut.get_server_pid()
        running = asyncio.create_task(cut.execute("SELECT pg_sleep(30)"))
        assert await eventually(lambda: connection.fetchval(SLEEPING, pid)) == 1
        await links.api.disable(link)
        with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
            await asyncio.wait_for(running, 5)
    with pytest.raises(OSError, match="Connect call failed"):
        await one.acquire()
    await links.api.enable(link)
    assert await is_good(one)
    async with one.acquire() as cut:
        assert cut.get_server_pid() != pid


async def test_a_link_that_stalls_during_a_query(
    one: Pool, link: Link, links: Links, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up, the connection is closed within bounds, which hides nothing of what the caller meets."""
    monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 30.0)
    begun = time.monotonic()
    async with given_up(0.3), one.acquire() as connection:
        pid = connection.get_server_pid()
        await links.api.add_toxic(link, STALL)
        await connection.execute("SELECT 1")
    assert time.monotonic() - begun < 3
    assert "closed a connection that could not be reset" in caplog.text
    await links.api.remove_toxic(link, STALL.name)
    assert await is_good(one)
    async with one.acquire() as connection:
        assert connection.get_server_pid() != pid


async def test_a_server_that_is_stopped(settings: Settings, stack: Stack) -> None:
    """While it stands still, waiting ends within bounds; when it goes on, every connection is good."""
    database = await open_pool(dataclasses.replace(settings, pool_max=2))
    server = stack["postgres"]
    assert isinstance(server, StartedService)
    begun = time.monotonic()
    await server.pause()
    try:
        for _ in range(2):
            async with given_up(0.3):
                await database.execute("SELECT 1")
        with pytest.raises(TimeoutError):
            await database.acquire()
        assert time.monotonic() - begun < 6
    finally:
        await server.resume()
    assert await eventually(lambda: is_good(database))
    async with database.acquire() as first, database.acquire() as second:
        assert await first.fetchval("SELECT 1") + await second.fetchval("SELECT 1") == 2
    database.terminate()


async def test_slow_queries_are_logged_without_their_arguments(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """How long, how it ended and a shortened text are logged; arguments, quoted values and fast queries never."""
    database = await open_pool(dataclasses.replace(settings, slow_query_seconds=0.1))
    caplog.set_level(logging.WARNING)
    await database.fetchval("SELECT 'fast', $1::text", "secret")
    await database.fetchval("SELECT pg_sleep(0.15),\n  $1::text" + ", 1" * 300, "secret")
    with pytest.raises(asyncpg.DataError, match="secret"):
        await database.fetchval(
            "SELECT ($1 || slept)::integer FROM (SELECT pg_sleep(0.15)::text AS slept OFFSET 0) AS s", "secret"
        )
    database.terminate()
    slow = [record.getMessage() for record in caplog.records if record.name == pool.__name__]
    assert len(slow) == 2
    assert re.match(r"slow query: done after 0\.\d\d s: SELECT pg_sleep\(0\.15\), \$1::text, 1,.* …$", slow[0])
    assert re.match(r"slow query: InvalidTextRepresentationError after 0\.\d\d s: SELECT \(\$1 ", slow[1])
    assert len(slow[0]) < 250
    assert "secret" not in caplog.text
