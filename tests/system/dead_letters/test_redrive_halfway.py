"""Workflows that ended after some of their effects are redriven: each effect happens once all the same."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from ordering import PRICE, Shop, an_order, confirmed, shop_of
from running_system import App, Write
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from harness.eventually import eventually
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Kind
from system.dead_letters import listing
from system.dead_letters.models import DIGEST, DigestReport, DigestRequest, Filter, Letter, Redriven
from system.dead_letters.redrive import Redrives
from system.pipeline.schema import Schema
from system.settings import Settings
from system.storage.pool import Pool
from system.tasks.models import BatchReport, BatchRequest, Item

ROWS = 200


@pytest.fixture
async def shop(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Shop]:
    async with shop_of(settings, database, outside) as standing:
        yield standing


async def letters(database: Pool) -> list[Letter]:
    async with database.acquire() as connection:
        return await listing.find(connection, Filter(), limit=10)


async def redrive(database: Pool, client: Client, letter: Letter) -> Redriven:
    return await Redrives(database, client).redrive(letter.id, "an operator", "it is repaired")


async def terminated(client: Client, settings: Settings, handle: WorkflowHandle[Any, Any]) -> None:
    """Terminate a workflow, and have the digest keep its letter."""
    await handle.terminate(reason="the test ends it")
    ended = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Terminated'"

    async def visible() -> bool:
        return (await client.count_workflows(ended)).count == 1

    await eventually(visible, timeout=30)
    await client.execute_workflow(
        DIGEST, DigestRequest(), id=f"digest-{handle.id}", task_queue=settings.task_queue, result_type=DigestReport
    )


async def test_a_load_that_failed_at_its_last_chunk_loads_each_row_once(
    app: App, people: Schema, write: Write, connection: asyncpg.Connection
) -> None:
    """What the first run loaded stays, the rest is added, and the letter is resolved."""
    source = write(b"name,age\n" + b"".join(b"n%d,%d\n" % (n, n) for n in range(ROWS)))
    await connection.execute("CREATE TABLE datasets.people (name text NOT NULL, age bigint, _chunk bigint)")
    await connection.execute(f"ALTER TABLE datasets.people ADD CHECK (age < {ROWS - 1})")
    load = await app.start(source, people, chunk_bytes=1024, concurrency=1)
    with pytest.raises(WorkflowFailureError):
        await load.result()
    before = await connection.fetchval("SELECT count(*) FROM datasets.people")
    assert 0 < before < ROWS
    await connection.execute("ALTER TABLE datasets.people DROP CONSTRAINT people_age_check")
    (letter,) = await letters(app.database)
    redriven = await redrive(app.database, app.client, letter)
    assert (redriven.outcome, redriven.workflow_id) == ("redriven", load.id)
    again = app.client.get_workflow_handle(load.id, run_id=redriven.run_id)
    assert (await again.result())["rows_loaded"] == ROWS
    rows = await connection.fetchrow("SELECT count(*), count(DISTINCT name) FROM datasets.people")
    assert rows is not None
    assert tuple(rows) == (ROWS, ROWS)
    assert [one.state for one in await letters(app.database)] == ["resolved"]


async def test_an_order_terminated_while_it_is_shipped_is_paid_once(shop: Shop) -> None:
    """Its redrive finds the money captured, ships, and confirms: books, stock and provider have one order."""
    sku, order_id = await shop.stock(), f"halfway-{secrets.token_hex(4)}"
    await shop.outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=order_id, actions=(Action.SHIP,)))
    handle = await shop.start(an_order(sku), order_id)
    await shop.reaches(handle, "shipping")
    assert (await shop.totals(order_id)).net_cents == 2 * PRICE
    await terminated(shop.client, shop.settings, handle)
    await shop.outside.behave_well(order_id)
    (letter,) = await letters(shop.database)
    redriven = await redrive(shop.database, shop.client, letter)
    again = shop.client.get_workflow_handle(order_id, run_id=redriven.run_id)
    assert (await again.result())["state"] == "confirmed"
    assert await shop.books(order_id, sku) == confirmed()
    assert [one.state for one in await letters(shop.database)] == ["resolved"]


async def test_a_batch_terminated_halfway_does_each_item_once(app: App) -> None:
    """Its items came along with it; what was posted is not posted again."""
    items = tuple(
        Item(key=f"i{n}", handler="account.post", input={"account": "a", "amount": 1}, priority=1) for n in range(60)
    )
    handle = await app.client.start_workflow(
        "tasks.Batch",
        BatchRequest(items=items, concurrency=1),
        id=f"batch-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
    )
    done = "SELECT count(*) FROM task_items WHERE state = 'done'"

    async def begun() -> bool:
        return bool(await app.database.fetchval(done))

    await eventually(begun, timeout=30)
    await terminated(app.client, app.settings, handle)
    assert await app.database.fetchval(done) < len(items)
    (letter,) = await letters(app.database)
    redriven = await redrive(app.database, app.client, letter)
    again: WorkflowHandle[Any, BatchReport] = app.client.get_workflow_handle(
        handle.id, run_id=redriven.run_id, result_type=BatchReport
    )
    assert (await again.result()).done == len(items)
    runs = await app.database.fetchrow(
        "SELECT count(*), count(DISTINCT item) FROM effects WHERE workflow_id = $1 AND step = 'run'", handle.id
    )
    assert runs is not None
    assert tuple(runs) == (len(items), len(items))
    assert [one.state for one in await letters(app.database)] == ["resolved"]
