"""The connections to a database, as PostgreSQL tells of them."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from harness.records.sessions import IN_TRANSACTION
from harness.sessions import LONGEST_TRANSACTION, OURS, read_sessions


@pytest.fixture
async def ours(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    """What the harness looks by."""
    async with asyncpg.create_pool(
        postgres_url, min_size=2, max_size=2, server_settings={"application_name": OURS}
    ) as pool:
        yield pool


@pytest.fixture
async def theirs(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A worker's connection."""
    connection = await asyncpg.connect(postgres_url, server_settings={"application_name": "shop"})
    yield connection
    await connection.close()


class Looks:
    """A pool that tells when it was asked first."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.first = asyncio.Event()

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        rows = await self.pool.fetch(query, *arguments)
        self.first.set()
        return rows


async def test_a_connection_at_rest_is_told(ours: asyncpg.Pool, theirs: asyncpg.Connection) -> None:
    """And none of the harness's own."""
    await theirs.execute("SELECT 1")
    (session,) = await read_sessions(ours)
    assert (session.application, session.state, session.query) == ("shop", "idle", "SELECT 1")
    assert session.pid == theirs.get_server_pid()


async def test_one_that_stays_within_a_transaction_is_told(ours: asyncpg.Pool, theirs: asyncpg.Connection) -> None:
    """For how long, and what it did last."""
    await theirs.execute("BEGIN")
    (session,) = await read_sessions(ours)
    assert session.state == IN_TRANSACTION
    assert session.seconds >= LONGEST_TRANSACTION
    assert session.query == "BEGIN"


async def test_one_that_is_between_two_statements_is_looked_at_again(
    ours: asyncpg.Pool, theirs: asyncpg.Connection
) -> None:
    """Its transaction, which was seen, ends by itself."""
    await theirs.execute("BEGIN")
    looks = Looks(ours)
    looking = asyncio.create_task(read_sessions(looks))  # type: ignore[arg-type]  # all that it uses of a pool
    await looks.first.wait()
    await theirs.execute("COMMIT")
    (session,) = await looking
    assert not session.state.startswith(IN_TRANSACTION)
