"""Placing an order is get or create: on a real server, before, while and after it runs."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from ordering import PRICE, Shop, an_order, shop_of
from temporalio.client import WorkflowUpdateFailedError

from scenarios.outside.client import Outside
from system.orders.models import APPROVE, Policy, Word
from system.orders.placing import place
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
    """It is told that the id is taken, and the first order goes on."""
    order_id, sku = f"order-{secrets.token_hex(4)}", await shop.stock()
    await place(shop.client, shop.settings.task_queue, order_id, an_order(sku, policy=WAITS))
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await place(shop.client, shop.settings.task_queue, order_id, an_order(sku, quantity=3, policy=WAITS))
    assert "another order exists under this id" in str(refused.value.cause)
    await shop.client.get_workflow_handle(order_id).terminate()
