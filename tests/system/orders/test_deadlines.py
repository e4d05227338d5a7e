"""Waiting, days of it: approval, escalation and the payment's deadline, on a server that skips time."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from ordering import an_order
from skipping import skipping
from temporalio.client import WorkflowHandle

from harness.eventually import eventually
from harness.temporal_test import Temporal
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Kind
from system.breaker import Breakers
from system.connection import connect
from system.dead_letters.activities import DeadLetterActivities
from system.orders.activities import OrderActivities
from system.orders.models import APPROVE, REJECT, SETTLE, OrderOutcome, OrderRequest, Policy, Word
from system.orders.providers import Http, Provider
from system.orders.workflow import Order
from system.settings import Settings
from system.storage.pool import Pool

SKU = "sku"
WAITS = Policy(approval_above_cents=0)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Skipping:
    """Orders on a server that skips time, with the real activities, database and providers."""

    temporal: Temporal
    database: Pool
    outside: Outside

    async def order(self, request: OrderRequest, **options: Any) -> WorkflowHandle[Order, OrderOutcome]:
        return await self.temporal.start(Order.run, request, **options)


@pytest.fixture
async def orders(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Skipping]:
    await database.execute("INSERT INTO stock (sku, counted, on_hand) VALUES ($1, 10, 10)", SKU)
    # A breaker's clock is not skipped: it never opens here.
    breakers = Breakers(threshold=1_000_000)
    async with Http() as http:
        providers = (Provider(name, outside.url, http, breakers) for name in ("payment", "shipping"))
        letters = DeadLetterActivities(database, await connect(settings), settings.task_queue)
        activities = [*OrderActivities(database, *providers).all, *letters.all]
        async with skipping(activities) as temporal:
            yield Skipping(temporal, database, outside)


async def test_silence_is_escalated_once_and_then_a_no(orders: Skipping) -> None:
    """Two days pass; the escalation is on record, nothing was ever held, and the outcome says why."""
    handle = await orders.order(an_order(SKU, policy=WAITS))
    outcome = await handle.result()
    assert (outcome.state, outcome.reason) == ("rejected", "nobody decided in time, although it was escalated")
    assert await orders.temporal.took(handle) >= 2 * DAY
    assert await orders.database.fetchval("SELECT workflow_id FROM escalations") == handle.id
    assert await orders.database.fetchval("SELECT count(*) FROM effects WHERE step = 'reserve_stock'") == 0


async def test_a_yes_after_the_escalation_still_counts(orders: Skipping) -> None:
    """A week's waiting for the second answer: approved meanwhile, the order goes on to its end."""
    handle = await orders.order(an_order(SKU, policy=WAITS.model_copy(update={"escalation_seconds": 7 * 86_400})))

    async def escalated() -> bool:
        await orders.temporal.sleep(DAY / 2)
        return (await handle.query(Order.status)).state == "escalated"

    await eventually(escalated, timeout=20)
    await handle.signal(APPROVE, Word(by="the manager"))
    assert (await handle.result()).state == "confirmed"


async def test_a_no_says_who_and_why(orders: Skipping) -> None:
    """It is there before the order even waits: a signal that comes first counts."""
    handle = await orders.order(
        an_order(SKU, policy=WAITS), start_signal=REJECT, start_signal_args=[Word(by="ann", reason="never paid")]
    )
    outcome = await handle.result()
    assert (outcome.state, outcome.reason) == ("rejected", "ann: never paid")


async def test_a_small_order_waits_for_nobody(orders: Skipping) -> None:
    """At the limit itself nobody is asked."""
    request = an_order(SKU, policy=Policy(approval_above_cents=3_000))
    assert (await (await orders.order(request)).result()).state == "confirmed"


async def test_stock_is_not_held_longer_than_the_payment_may_take(orders: Skipping) -> None:
    """The payment provider is down for good: when its time is up the order expires, and the stock is free again."""
    prefix = f"expires-{secrets.token_hex(4)}"
    await orders.outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=prefix, actions=(Action.AUTHORIZE,)))
    request = an_order(SKU, policy=Policy(payment_seconds=120, step_seconds=86_400))
    handle = await orders.order(request, id=prefix)
    outcome = await handle.result()
    assert (outcome.state, outcome.reason) == ("expired", "the payment was not authorised in time")
    stock = await orders.database.fetchrow("SELECT on_hand, reserved, shipped FROM stock")
    assert tuple(stock or ()) == (10, 0, 0)


async def test_a_step_has_failed_when_its_time_is_up(orders: Skipping) -> None:
    """Shipping is down for good: the order fails, what was paid is given back, and the open call is not forgotten."""
    prefix = f"fails-{secrets.token_hex(4)}"
    await orders.outside.behave(Behaviour(kind=Kind.DOWN, prefix=prefix, actions=(Action.SHIP,)))
    request = an_order(SKU, policy=Policy(step_seconds=60, settle_seconds=5))
    handle = await orders.order(request, id=prefix)
    outcome = await handle.result()
    assert (outcome.state, outcome.in_doubt) == ("failed", True)
    [total] = await orders.outside.totals(prefix)
    assert (total.captured_cents, total.net_cents, total.authorized_cents) == (3_000, 0, 0)
    assert await orders.database.fetchval("SELECT sum(amount_cents) FROM entries WHERE account = 'sales'") is None
    assert await orders.database.fetchval("SELECT in_doubt FROM orders")
    call = "SELECT state FROM provider_calls WHERE step = 'arrange_shipment'"
    assert await orders.database.fetchval(call) == "unknown"
    [(letter, error)] = await orders.database.fetch(
        "SELECT activity_type, error_type FROM dead_letters WHERE activity_type = $1", SETTLE
    )
    assert (letter, error) == (SETTLE, "StillInDoubt")
