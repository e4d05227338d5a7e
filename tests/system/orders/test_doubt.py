"""Orders that ended in doubt: they are asked about until the provider knows, however long that takes."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from ordering import PRICE, QUICK, Handle, Shop, an_order, shop_of, undone
from skipping import skipping
from temporalio.client import WorkflowHandle

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
from system.dead_letters.redrive import Inputs, Restart
from system.orders.activities import OrderActivities
from system.orders.doubt import ASKED_A_RUN
from system.orders.models import CANCEL, DOUBT, REJECT, CancelResult, InDoubt, OrderOutcome, Settled, Word
from system.orders.providers import Http, Provider
from system.orders.redrive import asking_again
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
    handle = await shop.start(an_order(sku, policy=IMPATIENT), order_id)

    async def sent() -> bool:
        return bool(await shop.outside.counts(order_id))

    await eventually(sent, timeout=30)
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
    assert not (await doubt.result()).in_doubt
    assert (await shop.totals(order_id)).payments == {"voided": 1}
    assert await shop.books(order_id, sku) == undone("cancelled")
    assert not await shop.database.fetchval("SELECT in_doubt FROM orders")
    assert (await letter_of(shop)).state == "resolved"
    assert await findings(shop, iteration) == []


async def test_an_order_that_is_not_closed_yet_is_not_asked_about(shop: Shop) -> None:
    """It would be closed as one in doubt after the doubt was gone; closed, it is asked about at its own pace."""
    policy = IMPATIENT.model_copy(update={"approval_above_cents": 0})
    handle = await shop.start(an_order(await shop.stock(), policy=policy))
    await shop.reaches(handle, "awaiting_approval")
    letter = Letter.model_construct(workflow_id=handle.id, run_id=handle.first_execution_run_id)
    redriven, inputs = asking_again(shop.database), Inputs(shop.client, letter)
    assert await redriven(letter, inputs) is None
    await handle.signal(REJECT, Word(by="the manager"))
    await handle.result()
    doubt = InDoubt(order_id=handle.id, pause_seconds=IMPATIENT.settle_seconds)
    assert await redriven(letter, inputs) == Restart(DOUBT, doubt)


async def test_months_of_asking_are_short_histories(database: Pool, providers: tuple[Provider, Provider]) -> None:
    """Each pause is twice the one before, up to a day, and the history is cut off; the answer comes all the same."""
    order_id = f"months-{secrets.token_hex(4)}"
    await database.execute(
        "INSERT INTO provider_calls (workflow_id, step, state, sent) VALUES ($1, 'authorise_payment', 'unknown', 1)",
        order_id,
    )

    async def asked_for_long() -> bool:
        return bool(await database.fetchval("SELECT max(asked) > $1 FROM provider_calls", 2 * ASKED_A_RUN))

    async with skipping(OrderActivities(database, *providers).all) as (client, task_queue):
        handle: WorkflowHandle[object, Settled] = await client.start_workflow(
            DOUBT,
            InDoubt(order_id=order_id, pause_seconds=60),
            id=f"{order_id}.redrive.1",
            task_queue=task_queue,
            result_type=Settled,
        )
        result = asyncio.create_task(handle.result())
        await eventually(asked_for_long, timeout=60)
        await arrives(providers[0], order_id)
        assert not (await result).in_doubt
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        assert [event async for event in first.fetch_history_events()][-1].HasField(
            "workflow_execution_continued_as_new_event_attributes"
        )
        began, ended = (await first.describe()).start_time, (await handle.describe()).close_time
    assert ended is not None
    assert ended - began > timedelta(days=ASKED_A_RUN)
    step = "SELECT state FROM provider_calls WHERE step = $1"
    assert await database.fetchval(step, "authorise_payment") == "undone"
    assert await database.fetchval(step, "void_payment") == "succeeded"
