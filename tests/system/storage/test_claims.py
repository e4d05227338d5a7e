"""A step's effect is written once; once undone, never again."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from system.errors import Superseded
from system.records import Record
from system.storage.claims import once, undo
from system.storage.effects import Effect, ledger
from system.storage.pool import Connection, Pool

STEP = Effect(workflow_id="w", step="write", item="1", run_id="r", attempt=1)


class Written(Record):
    """What the step returned."""

    number: int


@pytest.fixture
async def numbers(database: Pool) -> Pool:
    """A database with a table that a step may write to."""
    await database.execute("CREATE TABLE numbers (number integer NOT NULL)")
    return database


def writing(
    number: int, held: asyncio.Event | None = None, inside: asyncio.Event | None = None
) -> Callable[[Connection], Awaitable[Written]]:
    async def write(connection: Connection) -> Written:
        await connection.execute("INSERT INTO numbers VALUES ($1)", number)
        if inside:
            inside.set()
        if held:
            await held.wait()
        return Written(number=number)

    return write


async def take_back(connection: Connection, written: Written) -> None:
    await connection.execute("DELETE FROM numbers WHERE number = $1", written.number)


async def rows(database: Pool) -> list[int]:
    return [row["number"] for row in await database.fetch("SELECT number FROM numbers ORDER BY number")]


async def kinds(database: Pool) -> list[str]:
    async with database.acquire() as connection:
        return [effect.kind for effect in await ledger(connection, "w")]


async def test_a_repeat_returns_what_the_first_attempt_wrote(numbers: Pool) -> None:
    """The second attempt writes nothing, and gets the first one's result."""
    first = await once(numbers, STEP, Written, writing(1))
    second = await once(numbers, STEP, Written, writing(2))
    assert (first, second) == (Written(number=1), Written(number=1))
    assert (await rows(numbers), await kinds(numbers)) == ([1], ["forward"])


async def test_two_attempts_at_once_write_once(numbers: Pool) -> None:
    """The one that comes second waits for the first one's transaction, and then returns its result."""
    held, inside = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(once(numbers, STEP, Written, writing(1, held, inside)))
    await inside.wait()
    second = asyncio.create_task(once(numbers, STEP, Written, writing(2)))
    held.set()
    assert [one.number for one in await asyncio.gather(first, second)] == [1, 1]
    assert await rows(numbers) == [1]


async def test_an_attempt_that_fails_leaves_no_claim(numbers: Pool) -> None:
    """Row, claim and ledger line are one transaction: the next attempt starts afresh."""

    async def broken(connection: Connection) -> Written:
        await connection.execute("INSERT INTO numbers VALUES (1)")
        raise asyncpg.DeadlockDetectedError

    with pytest.raises(asyncpg.DeadlockDetectedError):
        await once(numbers, STEP, Written, broken)
    assert (await rows(numbers), await kinds(numbers)) == ([], [])
    await once(numbers, STEP, Written, writing(2))
    assert await rows(numbers) == [2]


async def test_undone_twice_is_taken_back_once(numbers: Pool) -> None:
    """The compensation has one effect, however often it is called."""
    await once(numbers, STEP, Written, writing(1))
    assert [await undo(numbers, STEP, Written, take_back) for _ in range(2)] == [True, False]
    assert (await rows(numbers), await kinds(numbers)) == ([], ["forward", "compensation"])


async def test_a_late_attempt_finds_the_tombstone(numbers: Pool) -> None:
    """Undone before it was done, a step is never done any more; nothing was undone, so the ledger is silent."""
    assert not await undo(numbers, STEP, Written, take_back)
    with pytest.raises(Superseded):
        await once(numbers, STEP, Written, writing(1))
    assert (await rows(numbers), await kinds(numbers)) == ([], [])


async def test_undoing_waits_for_the_attempt_that_is_writing(numbers: Pool) -> None:
    """A compensation that overtakes an open transaction takes back what that one commits."""
    held, inside = asyncio.Event(), asyncio.Event()
    writer = asyncio.create_task(once(numbers, STEP, Written, writing(1, held, inside)))
    await inside.wait()
    undoing = asyncio.create_task(undo(numbers, STEP, Written, take_back))
    held.set()
    await writer
    assert await undoing
    assert await rows(numbers) == []
