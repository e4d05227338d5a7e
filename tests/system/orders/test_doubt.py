"""Orders that ended in doubt: they are asked about until the provider knows, however long that takes."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from ordering import PRICE, QUICK, Handle, Shop, an_order, shop_of, undone
from skipping import skipping
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from harness.checking.invariants import Records, effects_are_atomic, nothing_doubled
from harness.eventually import eventually
from harness.records.operations import Iteration
from harness.records.verdicts import Finding
from harness.scenario import Stores
from scenarios.ordered import order_facts
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Kind
from scenarios.target import effects
from system.breaker import Breakers
from system.dead_letters import listing
from system.dead_letters.models import REDRIVE, Filter, Letter, RedriveProgress, RedriveRequest
from system.dead_letters.store import events_of
from system.orders.activities import OrderActivities
from system.orders.doubt import ASKED_A_RUN
from system.orders.models import CANCEL, DOUBT, CancelResult, InDoubt, OrderOutcome, Settled, Word
from system.orders.providers import Http, Provider
from system.scheduling.command import MAINTENANCE, read
from system.settings import Settings
from system.storage.pool import Pool

IMPATIENT = QUICK.model_copy(update={"settle_seconds": 0.2})


@pytest.fixture
async def shop(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Shop]:
    async with shop_of(settings, database, outside) as standing:
        yield standing


@pytest.fixture
async def providers(outside: Outside) -> AsyncIterator[tuple[Provider, Provider]]:
    """Payment and shipping. A breaker's clock is not skipped: it never opens here."""
    breakers = Breakers(threshold=1_000_000)
    async with Http() as http:
        yield Provider("payment", outside.url, http, breakers), Provider("shipping", outside.url, http, breakers)


async def arrives(payment: Provider, order_id: str) -> None:
    """What an order sent reaches the provider: this is the network, which delivers it at last."""
    body = {"reference": order_id, "amount_cents": 2 * PRICE, "currency": "EUR", "customer": "a customer"}
    key = f"{order_id}/authorise_payment"
    assert (await payment.post("/payments/authorizations", body, key=key, seconds=30)).done


async def in_doubt(shop: Shop, order_id: str, sku: str) -> Handle:
    """An order that was cancelled, and closed while its authorisation is still on its way."""
    await shop.outside.behave(Behaviour(kind=Kind.DOWN, prefix=order_id, actions=(Action.AUTHORIZE,)))
    handle = await shop.start(an_order(sku, policy=IMPATIENT), order_id, execution_timeout=timedelta(hours=1))
    await eventually(lambda: shop.outside.counts(order_id), timeout=30)
    await handle.execute_update(CANCEL, Word(by="the customer"), result_type=CancelResult)
    outcome: OrderOutcome = await handle.result()
    assert (outcome.state, outcome.in_doubt) == ("cancelled", True)
    await shop.outside.behave_well(order_id)
    return handle


async def letter_of(shop: Shop) -> Letter:
    async with shop.database.acquire() as connection:
        [letter] = await listing.find(connection, Filter(), limit=10)
    return letter


async def maintained(shop: Shop) -> RedriveProgress:
    """Run what the maintenance schedule runs."""
    [declared] = [each for each in read(MAINTENANCE).schedules if each.workflow == REDRIVE]
    redrive: WorkflowHandle[object, RedriveProgress] = await shop.client.start_workflow(
        REDRIVE,
        RedriveRequest.model_validate(declared.input),
        id=f"redrive-{secrets.token_hex(4)}",
        task_queue=shop.settings.task_queue,
        result_type=RedriveProgress,
    )
    return await redrive.result()


async def findings(shop: Shop, iteration: Iteration) -> list[Finding]:
    """What the harness finds wrong with the order's rows and its effects."""
    stores = Stores(postgres=shop.database, addresses={"outside.url": shop.outside.url})
    facts = (await order_facts(stores, [iteration]))[iteration.index]
    assert {"close_order", "settle_order"} <= {fact.step for fact in facts}
    recorded = await effects(stores, iteration.prefix)
    records = Records(operations=(), workflows=(), effects=recorded, facts=facts)
    return [each for judge in (effects_are_atomic, nothing_doubled) for each in judge(records).findings]


async def test_a_call_that_arrives_after_its_order_is_closed_is_put_right(
    shop: Shop, providers: tuple[Provider, Provider]
) -> None:
    """Asked again by itself, also by a provider that is down meanwhile; then all is undone, and the letter resolved."""
    iteration = Iteration(run=f"doubt-{secrets.token_hex(4)}", scenario="orders", index=0, seed=0, intended=0)
    sku, order_id = await shop.stock(), iteration.id("order-0")
    await in_doubt(shop, order_id, sku)
    letter = await letter_of(shop)
    assert (letter.error_type, letter.state) == ("StillInDoubt", "open")
    await shop.outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=order_id, actions=(Action.ASK,), times=1))
    assert (await maintained(shop)).redriven == 1
    asked = "SELECT asked FROM provider_calls WHERE step = 'authorise_payment'"
    before = await shop.database.fetchval(asked)

    async def asked_on() -> bool:
        return bool(await shop.database.fetchval(asked) > before + 1)

    await eventually(asked_on, timeout=60)
    assert await shop.database.fetchval("SELECT in_doubt FROM orders")
    assert (await maintained(shop)).redriven == 0, "it is being asked already"
    await arrives(providers[0], order_id)
    letter = await letter_of(shop)
    assert letter.redrive_workflow_id is not None
    doubt: WorkflowHandle[object, Settled] = shop.client.get_workflow_handle(
        letter.redrive_workflow_id, result_type=Settled
    )
    execution = (await doubt.describe()).raw_description.execution_config
    assert not execution.workflow_execution_timeout.ToTimedelta(), "it takes as long as it takes"
    assert not (await doubt.result()).in_doubt
    assert (await shop.totals(order_id)).payments == {"voided": 1}
    assert await shop.books(order_id, sku) == undone("cancelled")
    assert not await shop.database.fetchval("SELECT in_doubt FROM orders")
    assert (await letter_of(shop)).state == "resolved"
    assert await findings(shop, iteration) == []


async def test_an_order_that_is_not_closed_is_not_asked_about_nor_run_again(shop: Shop) -> None:
    """Terminated after its letter was kept and before it was closed: maintenance leaves that to a person."""
    order_id = f"order-{secrets.token_hex(4)}"
    await shop.outside.behave(Behaviour(kind=Kind.DOWN, prefix=order_id, actions=(Action.AUTHORIZE,)))
    handle = await shop.start(an_order(await shop.stock(), policy=IMPATIENT), order_id)
    await eventually(lambda: shop.outside.counts(order_id), timeout=30)
    async with shop.database.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM orders FOR UPDATE")  # it cannot be closed
        await handle.cancel()
        letter = await eventually(lambda: letter_of(shop), timeout=30)
        await handle.terminate()
        progress = await maintained(shop)
        assert (progress.redriven, progress.refused) == (0, 1)
        async with shop.database.acquire() as other:
            [refused] = await events_of(other, letter.id)
    assert refused.reason.startswith("the order is not closed")
    newest = await shop.client.get_workflow_handle(order_id).describe()
    assert (newest.run_id, newest.status) == (handle.first_execution_run_id, WorkflowExecutionStatus.TERMINATED)


async def test_an_order_that_temporal_has_forgotten_is_asked_about_until_somebody_knows(shop: Shop) -> None:
    """Neither its history is needed, nor does its timeout hold; and cancelling the questions ends the doubt."""
    iteration = Iteration(run=f"doubt-{secrets.token_hex(4)}", scenario="orders", index=0, seed=0, intended=0)
    sku, order_id = await shop.stock(), iteration.id("order-0")
    await in_doubt(shop, order_id, sku)
    await shop.database.execute("UPDATE dead_letters SET run_id = gen_random_uuid()")  # which has no history
    assert (await maintained(shop)).redriven == 1
    letter = await letter_of(shop)
    assert letter.redrive_workflow_id is not None
    doubt = shop.client.get_workflow_handle(letter.redrive_workflow_id)
    await doubt.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await doubt.result()
    assert isinstance(ended.value.cause, CancelledError)
    assert (await letter_of(shop)).state == "discarded"
    assert not await shop.database.fetchval("SELECT in_doubt FROM orders")
    assert await findings(shop, iteration) == []


async def test_an_order_that_is_in_doubt_no_more_is_not_asked_about(shop: Shop) -> None:
    """There is nothing to run: the letter is resolved."""
    await in_doubt(shop, f"order-{secrets.token_hex(4)}", await shop.stock())
    await shop.database.execute("UPDATE orders SET in_doubt = false")
    assert (await maintained(shop)).redriven == 0
    assert (await letter_of(shop)).state == "resolved"


async def test_months_of_asking_are_short_histories(database: Pool, providers: tuple[Provider, Provider]) -> None:
    """Each pause is twice the one before, up to a day, and the history is cut off; the answer comes all the same."""
    order_id = f"months-{secrets.token_hex(4)}"
    await database.execute(
        "INSERT INTO provider_calls (workflow_id, step, state, sent) VALUES ($1, 'authorise_payment', 'unknown', 1)",
        order_id,
    )

    async def asked_for_long() -> bool:
        return bool(await database.fetchval("SELECT max(asked) > $1 FROM provider_calls", 2 * ASKED_A_RUN))

    async with skipping(OrderActivities(database, *providers).all) as temporal:
        doubt = InDoubt(order_id=order_id, pause_seconds=60)
        handle = await temporal.start(DOUBT, doubt, id=f"{order_id}.redrive.1", result_type=Settled)
        result = asyncio.create_task(handle.result())
        await eventually(asked_for_long, timeout=60)
        await arrives(providers[0], order_id)
        assert not (await result).in_doubt
        first = temporal.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        assert [event async for event in first.fetch_history_events()][-1].HasField(
            "workflow_execution_continued_as_new_event_attributes"
        )
        began, ended = (await first.describe()).start_time, (await handle.describe()).close_time
    assert ended is not None
    assert ended - began > timedelta(days=ASKED_A_RUN)
    step = "SELECT state FROM provider_calls WHERE step = $1"
    assert await database.fetchval(step, "authorise_payment") == "undone"
    assert await database.fetchval(step, "void_payment") == "succeeded"
