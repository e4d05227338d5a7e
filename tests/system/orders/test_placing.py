"""Placing an order is get or create: on a real server, before, while and after it runs."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from ordering import PRICE, Shop, an_order, confirmed, shop_of, undone
from temporalio.client import WithStartWorkflowOperation, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from scenarios.outside.client import Outside
from system.errors import InputError
from system.orders import store
from system.orders.models import APPROVE, ORDER, PLACE, Close, OrderOutcome, OrderRequest, OrderStatus, Policy, Word
from system.orders.placing import place, reason_of
from system.orders.workflow import Order
from system.settings import Settings
from system.storage.pool import Pool

WAITS = Policy(approval_above_cents=0)


@pytest.fixture
async def shop(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Shop]:
    async with shop_of(settings, database, outside) as standing:
        yield standing


async def test_an_order_placed_again_is_the_same_order(shop: Shop) -> None:
    """Placed three times at once, once more while it waits, and once more when it has ended: one order, one payment."""
    order_id, order = f"order-{secrets.token_hex(4)}", an_order(await shop.stock(), policy=WAITS)

    async def placed() -> str:
        return (await place(shop.client, shop.settings.task_queue, order_id, order)).state

    assert set(await asyncio.gather(placed(), placed(), placed())) == {"awaiting_approval"}
    assert await placed() == "awaiting_approval"
    handle = shop.client.get_workflow_handle(order_id)
    await handle.signal(APPROVE, Word(by="the manager"))
    await handle.result()
    assert await placed() == "confirmed"
    assert (await shop.totals(order_id)).net_cents == 2 * PRICE
    assert await shop.database.fetchval("SELECT count(*) FROM orders") == 1


async def test_another_order_under_the_same_id_is_refused(shop: Shop) -> None:
    """While the first one waits and when it has ended: told what differs; and the first order is what it was."""
    order_id, sku = f"order-{secrets.token_hex(4)}", await shop.stock()
    first, other = an_order(sku, policy=WAITS), an_order(sku, quantity=3, policy=WAITS)

    async def placed(order: OrderRequest) -> str:
        return (await place(shop.client, shop.settings.task_queue, order_id, order)).state

    assert await placed(first) == "awaiting_approval"
    for ended in (False, True):
        with pytest.raises(InputError, match=rf"^{order_id} is another order already \(lines: not the same\)"):
            await placed(other)
        if not ended:
            handle = shop.client.get_workflow_handle(order_id)
            await handle.signal(APPROVE, Word(by="the manager"))
            await handle.result()
    assert await placed(first) == "confirmed"
    assert await shop.books(order_id, sku) == confirmed()


async def test_of_two_orders_at_once_under_one_id_one_is_placed(shop: Shop) -> None:
    """Whichever comes first; the other is told that the id is taken."""
    order_id, sku = f"order-{secrets.token_hex(4)}", await shop.stock()
    orders = [an_order(sku, quantity=quantity, policy=WAITS) for quantity in (1, 2, 3, 4)]
    ends = await asyncio.gather(
        *(place(shop.client, shop.settings.task_queue, order_id, order) for order in orders), return_exceptions=True
    )
    [(status, order)] = [(end, order) for end, order in zip(ends, orders, strict=True) if isinstance(end, OrderStatus)]
    assert status.amount_cents == order.amount_cents
    assert [type(end) for end in ends].count(InputError) == len(orders) - 1
    assert await shop.database.fetchval("SELECT amount_cents FROM orders") == order.amount_cents
    await shop.client.get_workflow_handle(order_id).terminate()


async def test_an_id_is_taken_also_once_its_order_is_forgotten(shop: Shop) -> None:
    """By Temporal, and by the purge: the order's row tells. Another one under the id is refused, and writes nothing."""
    order_id, sku = f"order-{secrets.token_hex(4)}", await shop.stock()
    await (await shop.start(an_order(sku), order_id)).result()
    for table in ("claims", "effects"):
        await shop.database.execute(f"DELETE FROM {table}")
    other = an_order(sku, quantity=3)
    again: WithStartWorkflowOperation[Order, OrderOutcome] = WithStartWorkflowOperation(
        Order.run,
        other,
        id=order_id,
        task_queue=shop.settings.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await shop.client.execute_update_with_start_workflow(PLACE, other, start_workflow_operation=again)
    assert f"{order_id} is another order already (lines: not the same)" in str(refused.value.cause)
    outcome = await (await again.workflow_handle()).result()
    assert (outcome.state, outcome.reason) == ("failed", reason_of(refused.value))
    assert await shop.books(order_id, sku) == confirmed()
    assert await shop.database.fetchval("SELECT count(*) FROM claims") == 0


async def test_an_order_that_temporal_has_forgotten_keeps_its_id(shop: Shop) -> None:
    """Another one was refused it meanwhile: the first is still the one that is placed, and the other still refused."""
    order_id, sku = f"order-{secrets.token_hex(4)}", await shop.stock()
    first, other = an_order(sku), an_order(sku, quantity=3)

    async def placed(order: OrderRequest) -> str:
        return (await place(shop.client, shop.settings.task_queue, order_id, order)).state

    async with shop.database.acquire() as connection:
        await store.close_order(connection, order_id, Close(order=first, state="declined", reason="no money"))
    for _ in range(2):
        with pytest.raises(InputError, match=rf"^{order_id} is another order already \(lines: not the same\)"):
            await placed(other)
        assert await placed(first) == "declined"
    assert await shop.books(order_id, sku) == undone("declined")


async def test_an_id_that_no_order_can_have_starts_nothing(shop: Shop) -> None:
    """It is refused by whoever places it, before Temporal hears of it."""
    order_id = f"an order/{secrets.token_hex(4)}"
    with pytest.raises(InputError, match="is no order id: expected"):
        await place(shop.client, shop.settings.task_queue, order_id, an_order("sku"))
    with pytest.raises(RPCError, match="not found"):
        await shop.client.get_workflow_handle(order_id).describe()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"lines": []}, "lines: tuple should have at least 1 item"),
        ({"policy": {"attempt_seconds": 1e300}}, "policy.attempt_seconds: input should be less than or equal to 86400"),
    ],
)
async def test_what_is_no_order_fails_once(shop: Shop, wrong: dict[str, object], why: str) -> None:
    """Started by a client that checks nothing: the workflow fails and says why, and no task of it is tried again."""
    handle = await shop.client.start_workflow(
        ORDER,
        an_order("sku").model_dump(mode="json") | wrong,
        id=f"order-{secrets.token_hex(4)}",
        task_queue=shop.settings.task_queue,
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(handle.result(), 60)
    assert why in reason_of(failed.value)
    assert not any(
        event.HasField("workflow_task_failed_event_attributes") for event in (await handle.fetch_history()).events
    )


async def test_the_id_of_something_else_is_refused(shop: Shop) -> None:
    """A stocktake that has ended has no order to tell of."""
    sku = await shop.stock()
    with pytest.raises(InputError, match="is the id of something else than an order"):
        await place(shop.client, shop.settings.task_queue, f"stocktake-{sku}", an_order(sku))
