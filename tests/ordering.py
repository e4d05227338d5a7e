"""A shop as tests hold it: the running system, its database, and the providers it orders from."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from temporalio.client import Client, WorkflowHandle

from harness.eventually import eventually
from scenarios.outside.client import Outside
from scenarios.outside.wire import Total
from system.connection import connect
from system.orders.models import Line, OrderOutcome, OrderRequest, Policy, StockCount
from system.orders.stocktake import Stocktake
from system.orders.workflow import Order
from system.settings import Settings
from system.storage.effects import ledger
from system.storage.pool import Pool
from system.worker import run_worker

QUICK = Policy(attempt_seconds=3, step_seconds=60, settle_seconds=4)
"""For tests: an attempt that is lost is given up after 3 s."""
IN_HAND = 10
PRICE = 1_500
Handle = WorkflowHandle[Order, OrderOutcome]


@dataclass(frozen=True)
class Books:
    """All that is true of one order, wherever it is written."""

    state: str
    lines: int
    """Reservations."""
    on_hand: int
    reserved: int
    shipped: int
    ledger: dict[str, int]
    """Balances of the order's entries, by account."""
    net_cents: int
    """Captured less refunded, at the provider."""
    authorized_cents: int
    shipments: int
    """Arranged, at the provider."""


@dataclass(frozen=True)
class Shop:
    """The running system with one worker or more, and the outside."""

    client: Client
    settings: Settings
    database: Pool
    outside: Outside

    async def stock(self, on_hand: int = IN_HAND) -> str:
        """Count so many of a new sku, and return the sku."""
        sku = f"sku-{secrets.token_hex(4)}"
        count = StockCount(sku=sku, on_hand=on_hand)
        await self.client.execute_workflow(
            Stocktake.run, count, id=f"stocktake-{sku}", task_queue=self.settings.task_queue
        )
        return sku

    async def start(self, request: OrderRequest, order_id: str | None = None, **options: Any) -> Handle:
        return await self.client.start_workflow(
            Order.run,
            request,
            id=order_id or f"order-{secrets.token_hex(6)}",
            task_queue=self.settings.task_queue,
            **options,
        )

    async def reaches(self, handle: Handle, state: str) -> None:
        """Wait until the order is in this state."""

        async def there() -> bool:
            return (await handle.query(Order.status)).state == state

        await eventually(there, timeout=30)

    async def totals(self, order_id: str) -> Total:
        found = await self.outside.totals(order_id)
        return next((total for total in found if total.reference == order_id), Total(reference=order_id))

    async def books(self, order_id: str, sku: str) -> Books:
        order = await self.database.fetchrow("SELECT state FROM orders WHERE workflow_id = $1", order_id)
        [stock] = await self.database.fetch("SELECT * FROM stock WHERE sku = $1", sku)
        entries = await self.database.fetch(
            """
            SELECT account, sum(amount_cents)::bigint AS balance
            FROM journal JOIN entries ON journal_id = journal.id
            WHERE workflow_id = $1 GROUP BY account HAVING sum(amount_cents) <> 0
            """,
            order_id,
        )
        lines = await self.database.fetchval("SELECT count(*) FROM reservations WHERE workflow_id = $1", order_id)
        outside = await self.totals(order_id)
        return Books(
            state=order["state"] if order else "none",
            lines=lines,
            on_hand=stock["on_hand"],
            reserved=stock["reserved"],
            shipped=stock["shipped"],
            ledger={row["account"]: row["balance"] for row in entries},
            net_cents=outside.net_cents,
            authorized_cents=outside.authorized_cents,
            shipments=outside.shipments.get("arranged", 0),
        )

    async def standing(self, order_id: str) -> dict[str, int]:
        """Effects of the order's steps that were not undone, counted by step."""
        async with self.database.acquire() as connection:
            effects = await ledger(connection, order_id)
        counts: dict[str, int] = {}
        for effect in effects:
            counts[effect.step] = counts.get(effect.step, 0) + (1 if effect.kind == "forward" else -1)
        return {step: count for step, count in counts.items() if count}


def an_order(sku: str, *, quantity: int = 2, policy: Policy = QUICK, **more: Any) -> OrderRequest:
    line = Line(sku=sku, quantity=quantity, price_cents=PRICE)
    return OrderRequest(customer="a customer", address="a street", lines=(line,), policy=policy, **more)


def confirmed(quantity: int = 2, on_hand: int = IN_HAND) -> Books:
    """What must be true of an order of so many that went well."""
    amount = quantity * PRICE
    return Books(
        state="confirmed",
        lines=1,
        on_hand=on_hand - quantity,
        reserved=0,
        shipped=quantity,
        ledger={"payment_provider": amount, "sales": -amount},
        net_cents=amount,
        authorized_cents=0,
        shipments=1,
    )


def undone(state: str, on_hand: int = IN_HAND) -> Books:
    """What must be true of an order that came to nothing: nothing."""
    return Books(
        state=state,
        lines=0,
        on_hand=on_hand,
        reserved=0,
        shipped=0,
        ledger={},
        net_cents=0,
        authorized_cents=0,
        shipments=0,
    )


@asynccontextmanager
async def shop_of(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Shop]:
    """The system with a worker in this process, and the outside it orders from."""
    settings = replace(settings, payment_url=outside.url, shipping_url=outside.url)
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(settings, stop=stop))
    try:
        yield Shop(await connect(settings), settings, database, outside)
    finally:
        stop.set()
        await worker
