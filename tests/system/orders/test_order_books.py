"""Stock and ledger in PostgreSQL: what no commit can break, and which indexes are used."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from explain import explained_call
from ordering import an_order

from system.orders import calls, journal, stock, store
from system.orders.models import Close, Line, Opened
from system.storage.effects import Effect
from system.storage.pool import Connection, Pool

ORDER_ID, SKU = "an-order", "a-sku"
MANY = 5_000


@pytest.fixture
async def books(connection: asyncpg.Connection) -> asyncpg.Connection:
    """One open order and ten pieces of one sku."""
    await store.open_order(connection, ORDER_ID, an_order(SKU))
    await stock.count(connection, "a-stocktake", SKU, 10)
    return connection


def lines(quantity: int) -> list[Line]:
    return [Line(sku=SKU, quantity=quantity, price_cents=1)]


async def held(connection: Connection) -> tuple[int, ...]:
    return tuple(await connection.fetchrow("SELECT on_hand, reserved, shipped, counted FROM stock") or ())


async def test_reserving_shipping_and_back_keeps_the_sum(books: asyncpg.Connection) -> None:
    """Pieces move between the three columns; what is released twice is released once."""
    await stock.reserve(books, ORDER_ID, lines(4))
    assert await held(books) == (6, 4, 0, 10)
    await stock.ship(books, ORDER_ID)
    assert await held(books) == (6, 0, 4, 10)
    await stock.unship(books, ORDER_ID)
    await stock.release(books, ORDER_ID)
    await stock.release(books, ORDER_ID)
    assert await held(books) == (10, 0, 0, 10)


async def test_a_count_leaves_what_is_held(books: asyncpg.Connection) -> None:
    """Three are on hand by the new count; the four that are reserved stay reserved."""
    await stock.reserve(books, ORDER_ID, lines(4))
    counted = await stock.count(books, "another-stocktake", SKU, 3)
    assert (counted.on_hand, counted.reserved, counted.shipped) == (3, 4, 0)
    assert await held(books) == (3, 4, 0, 7)


async def test_stock_is_never_negative(books: asyncpg.Connection) -> None:
    """Even code that forgot to look what is on hand cannot oversell."""
    with pytest.raises(asyncpg.CheckViolationError, match="stock_on_hand_check"):
        await stock.reserve(books, ORDER_ID, lines(11))


async def test_stock_neither_appears_nor_vanishes(books: asyncpg.Connection) -> None:
    """The sum can be changed by a count alone."""
    with pytest.raises(asyncpg.CheckViolationError, match="nothing_appears_or_vanishes"):
        await books.execute("UPDATE stock SET on_hand = on_hand + 1")


async def test_a_journal_that_does_not_balance_is_not_committed(books: asyncpg.Connection) -> None:
    """It is refused at the commit, when all of its entries are there."""
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance: its entries sum to 1"):
        async with books.transaction():
            await journal.post(books, ORDER_ID, "a_step", {"sales": -99, "payment_provider": 100})
    async with books.transaction():
        await journal.post(books, ORDER_ID, "a_step", {"sales": -100, "payment_provider": 100})
    assert await books.fetchval("SELECT count(*) FROM entries") == 2


@pytest.mark.parametrize("change", ["UPDATE entries SET amount_cents = 7", "DELETE FROM entries"])
async def test_what_is_posted_is_never_changed(books: asyncpg.Connection, change: str) -> None:
    """A journal is reversed, which can be done once."""
    await journal.post(books, ORDER_ID, "a_step", {"sales": -100, "payment_provider": 100})
    with pytest.raises(asyncpg.CheckViolationError, match="never changed"):
        await books.execute(change)
    await journal.reverse(books, ORDER_ID, "a_step")
    assert await books.fetch("SELECT FROM entries GROUP BY account HAVING sum(amount_cents) <> 0") == []
    with pytest.raises(asyncpg.UniqueViolationError):
        await journal.reverse(books, ORDER_ID, "a_step")


async def test_an_order_that_was_closed_first_is_not_opened(connection: asyncpg.Connection) -> None:
    """Its opening failed and the order was closed as failed: the attempt that wakes up late changes nothing."""
    close = Close(order=an_order(SKU), state="failed", reason="no database", in_doubt=True)
    closed = Opened(state="failed", reason="no database", in_doubt=True)
    assert await store.close_order(connection, ORDER_ID, close) == closed
    await store.open_order(connection, ORDER_ID, an_order(SKU))
    found, _ = await store.find_order(connection, ORDER_ID, "a-run") or (None, {})
    assert found == closed


async def test_an_order_that_ended_is_not_closed_otherwise(books: asyncpg.Connection) -> None:
    """Whoever closes it after all is told how it ended."""
    await store.confirm_order(books, ORDER_ID)
    close = Close(order=an_order(SKU), state="cancelled", reason="too late")
    assert await store.close_order(books, ORDER_ID, close) == Opened(state="confirmed")


async def test_orders_for_the_same_things_never_wait_for_each_other_in_a_circle(database: Pool) -> None:
    """Locked in the order of their names, whatever the order of the lines: no deadlock among forty at once."""
    skus = [f"sku-{number}" for number in range(6)]
    async with database.acquire() as connection:
        for sku in skus:
            await stock.count(connection, "a-stocktake", sku, 1_000)

    async def order(number: int) -> None:
        order_id = f"order-{number}"
        mine = [Line(sku=sku, quantity=1, price_cents=1) for sku in skus[:: 1 if number % 2 else -1]]
        async with database.acquire() as connection:
            await store.open_order(connection, order_id, an_order(SKU))
            async with connection.transaction():
                await stock.lock(connection, mine)
                await stock.reserve(connection, order_id, mine)
            async with connection.transaction():
                await stock.release(connection, order_id)

    await asyncio.gather(*map(order, range(40)))
    assert await database.fetch("SELECT FROM stock WHERE on_hand <> 1000") == []


Call = Callable[[Connection], Awaitable[object]]


@pytest.fixture
async def many(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Thousands of orders, each with a reservation, a journal and a call, all of them analysed."""
    for what in (
        "orders (workflow_id, customer, amount_cents, currency, lines) SELECT 'o-' || n, 'c', 1, 'EUR', '[]'",
        "stock (sku, counted, on_hand, reserved) SELECT 's-' || n, 2, 1, 1",
        "reservations SELECT 'o-' || n, 's-' || n, 1",
        "journal (workflow_id, step) SELECT 'o-' || n, 'a_step'",
        "provider_calls (workflow_id, step) SELECT 'o-' || n, 'a_step'",
        "claims (workflow_id, step, item, state) SELECT 'o-' || n, 'a_step', '', 'done'",
        "effects (workflow_id, step, item, kind, run_id, attempt) SELECT 'o-' || n, 'a_step', '', 'forward', 'r', 1",
    ):
        await connection.execute(f"INSERT INTO {what} FROM generate_series(1, {MANY}) AS n")
    await connection.execute(
        "INSERT INTO entries SELECT id, account, amount FROM journal, (VALUES ('sales', -1), ('payment_provider', 1)) "
        "AS posted (account, amount)"
    )
    await connection.execute("ANALYZE")
    return connection


@pytest.mark.parametrize(
    "call",
    [
        lambda connection: store.find_order(connection, "o-7", "a-run"),
        lambda connection: store.confirm_order(connection, "o-7"),
        lambda connection: stock.lock(connection, [Line(sku="s-7", quantity=1, price_cents=1)]),
        lambda connection: stock.reserve(connection, "o-8", [Line(sku="s-7", quantity=1, price_cents=1)]),
        lambda connection: stock.release(connection, "o-7"),
        lambda connection: stock.ship(connection, "o-7"),
        lambda connection: journal.reverse(connection, "o-7", "a_step"),
    ],
)
async def test_what_every_order_asks_reads_no_table_whole(many: asyncpg.Connection, call: Call) -> None:
    """Each query of it finds its rows by an index, however many orders there have been."""
    read = await explained_call(many, call(many))
    assert read
    assert [name for name in read if name.startswith("all of")] == []


async def test_a_call_is_found_by_its_key(many: asyncpg.Connection) -> None:
    """As the outbox asks for it, before and after each call."""
    effect = Effect(workflow_id="o-7", step="a_step", item="", run_id="r", attempt=1)
    assert await explained_call(many, calls.answer(many, effect, calls.Answer(done=True))) == ["provider_calls_pkey"]


async def test_a_refusal_that_comes_late_changes_nothing(database: Pool) -> None:
    """Of two attempts on two connections: the other was refused too, made the call anew, and then has the answer."""
    effect = Effect(workflow_id=ORDER_ID, step="void_payment", item="pay_1", run_id="r", attempt=1)
    first = await calls.intend(database, effect)
    assert await calls.send(database, effect)
    await calls.make_anew(database, effect, first.refusals)
    anew = await calls.intend(database, effect)
    assert (anew.sent, anew.refusals) == (False, 1)
    assert await calls.send(database, effect)
    await calls.make_anew(database, effect, first.refusals)
    assert (await calls.intend(database, effect)).sent, "the call that is under way is not forgotten"
    async with database.acquire() as connection:
        await calls.answer(connection, effect, calls.Answer(done=True, provider_id="void_1"))
    await calls.make_anew(database, effect, anew.refusals)
    settled = await calls.intend(database, effect)
    assert (settled.refusals, settled.answer) == (1, calls.Answer(done=True, provider_id="void_1"))
