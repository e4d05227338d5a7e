"""The system behind a wire that loses and repeats calls: what it has in the stores is the same as without."""

from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest
from ordering import an_order, confirmed, shop_of
from running_system import App, Write

from harness.wire import Wire
from scenarios.outside.client import Outside
from system.orders.models import CAPTURE_PAYMENT
from system.pipeline.models import LOAD_CHUNK, RECONCILE
from system.pipeline.schema import Schema
from system.settings import Settings
from system.storage.effects import ledger
from system.storage.pool import Pool

COMPLETED = "RespondActivityTaskCompleted"
PEOPLE = b"name,age\n" + b"".join(b"n%03d,1\n" % number for number in range(120))
CHUNK_BYTES = -(-len(PEOPLE) // 4)


@pytest.fixture
async def wire(temporal_address: str) -> AsyncIterator[Wire]:
    """Before the server of the session."""
    async with Wire.to(temporal_address) as standing:
        yield standing


@pytest.fixture
def settings(settings: Settings, wire: Wire) -> Settings:
    """Those of the system that knows of no other server."""
    return replace(settings, temporal_address=wire.address)


async def test_a_capture_that_temporal_never_hears_of_takes_the_money_once(
    wire: Wire, settings: Settings, database: Pool, outside: Outside
) -> None:
    """The second attempt finds what the first has done, at the provider and in the books."""
    lost = wire.lose_request(COMPLETED, activity=CAPTURE_PAYMENT, attempt=1, times=None, code=grpc.StatusCode.NOT_FOUND)
    async with shop_of(settings, database, outside) as shop:
        sku = await shop.stock()
        order = await shop.start(an_order(sku))
        await order.result()
        assert [bite.about.workflow_id for bite in lost.bitten] == [order.id]
        assert await shop.books(order.id, sku) == confirmed()
        assert set((await shop.standing(order.id)).values()) == {1}


async def loaded_once(app: App, write: Write, people: Schema) -> None:
    """Load four chunks; each has one effect, its first attempt's, and each row is there once."""
    report = await app.load(write(PEOPLE), people, chunk_bytes=CHUNK_BYTES, concurrency=1)
    assert (report.rows_read, report.rows_loaded, report.chunks) == (120, 120, 4)
    rows = await app.database.fetch("SELECT name FROM datasets.people ORDER BY name")
    assert [row["name"] for row in rows] == [f"n{number:03}" for number in range(120)]
    async with app.database.acquire() as connection:
        effects = await ledger(connection, "load-")
    chunks = sorted((effect.item, effect.attempt) for effect in effects if effect.step == "load_chunk")
    assert chunks == [(str(number), 1) for number in range(4)]


async def test_answers_that_are_lost_and_calls_that_come_twice_leave_a_load_as_it_is(
    wire: Wire, app: App, write: Write, people: Schema
) -> None:
    """The worker sends completions again that the server has; a start, and a completion, arrive twice."""
    unheard = wire.lose_response(COMPLETED, activity=LOAD_CHUNK, times=2)
    lost = wire.lose_request(COMPLETED, activity=LOAD_CHUNK)
    twice = wire.duplicate(COMPLETED, activity=RECONCILE)
    started = wire.duplicate("StartWorkflowExecution")
    await loaded_once(app, write, people)
    assert (len(unheard.bitten), len(lost.bitten)) == (2, 1)
    assert [bite.answers for bite in [*started.bitten, *twice.bitten]] == [("OK", "OK"), ("OK", "NOT_FOUND")]


@pytest.mark.long
async def test_a_chunk_that_temporal_never_hears_of_is_loaded_once(
    wire: Wire, app: App, write: Write, people: Schema
) -> None:
    """The second attempt, once ten seconds have passed without a heartbeat, adds nothing."""
    lost = wire.lose_request(COMPLETED, activity=LOAD_CHUNK, attempt=1, code=grpc.StatusCode.NOT_FOUND)
    await loaded_once(app, write, people)
    assert len(lost.bitten) == 1
