"""Orders on real servers, as a customer and an operator see them."""

import secrets
from collections.abc import AsyncIterator

import pytest
from ordering import IN_HAND, PRICE, QUICK, Handle, Shop, an_order, confirmed, shop_of, undone
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import CancelledError

from harness.eventually import eventually
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Kind
from system.control.pausable import PAUSE, RESUME
from system.control.pausable import Order as Instruction
from system.orders.models import (
    APPROVE,
    CANCEL,
    CLOSE_ORDER,
    ESCALATE,
    FIND_ORDER,
    OPEN_ORDER,
    PLACE,
    REJECT,
    CancelResult,
    OrderStatus,
    Policy,
    Word,
)
from system.orders.placing import reason_of
from system.orders.workflow import Order
from system.settings import Settings
from system.storage.pool import Pool

WAITS = Policy(approval_above_cents=0)
WORD = Word(by="the customer", reason="found it cheaper")


@pytest.fixture
async def shop(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Shop]:
    async with shop_of(settings, database, outside) as standing:
        yield standing


async def test_an_order_is_paid_and_shipped_once(shop: Shop) -> None:
    """Stock, ledger and both providers agree; every step has one effect."""
    sku = await shop.stock()
    handle = await shop.start(an_order(sku))
    outcome = await handle.result()
    assert (outcome.state, outcome.reason, outcome.amount_cents) == ("confirmed", "", 2 * PRICE)
    assert await shop.books(handle.id, sku) == confirmed()
    steps = ("open_order", "reserve_stock", "authorise_payment", "capture_payment", "arrange_shipment", "confirm_order")
    assert await shop.standing(handle.id) == dict.fromkeys(steps, 1)


async def test_what_is_not_on_hand_is_not_sold(shop: Shop) -> None:
    """Out of stock is an outcome that says what was missing."""
    sku = await shop.stock()
    handle = await shop.start(an_order(sku, quantity=IN_HAND + 1))
    outcome = await handle.result()
    assert (outcome.state, outcome.reason) == ("out_of_stock", f"{sku}: 11 ordered, 10 on hand")
    assert await shop.books(handle.id, sku) == undone("out_of_stock")
    assert (await handle.query(Order.status)).reason == outcome.reason


@pytest.mark.parametrize(
    ("action", "reason", "state"),
    [
        (Action.AUTHORIZE, "card expired", "declined"),
        (Action.CAPTURE, "limit reached", "declined"),
        (Action.SHIP, "no such street", "undeliverable"),
    ],
)
async def test_a_refusal_is_an_outcome_with_the_provider_s_reason(
    shop: Shop, action: Action, reason: str, state: str
) -> None:
    """What was done before is undone, and nothing is tried again."""
    sku, order_id = await shop.stock(), f"refused-{secrets.token_hex(4)}"
    await shop.outside.behave(Behaviour(kind=Kind.REFUSE, prefix=order_id, actions=(action,), reason=reason))
    outcome = await (await shop.start(an_order(sku), order_id)).result()
    assert (outcome.state, outcome.reason) == (state, reason)
    assert await shop.books(order_id, sku) == undone(state)
    refused = [count for count in await shop.outside.counts(order_id) if count.action is action]
    assert [count.calls for count in refused] == [1]


async def test_a_customer_cancels_while_a_step_is_stuck(shop: Shop) -> None:
    """The order does not wait for the provider to come back; what it held is free, and a second wish is refused."""
    sku, order_id = await shop.stock(), f"stuck-{secrets.token_hex(4)}"
    await shop.outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=order_id, actions=(Action.CAPTURE,)))
    handle = await shop.start(an_order(sku, policy=QUICK.model_copy(update={"settle_seconds": 0.5})), order_id)
    await shop.reaches(handle, "capturing")
    await eventually(lambda: tried(shop, order_id, Action.CAPTURE), timeout=20)
    result = await handle.execute_update(CANCEL, WORD, result_type=CancelResult)
    assert (result.cancelled, result.state) == (True, "cancelled")
    assert (await handle.result()).reason == "the customer: found it cheaper"
    assert await shop.books(order_id, sku) == undone("cancelled")


async def tried(shop: Shop, order_id: str, action: Action) -> bool:
    return any(count.action is action for count in await shop.outside.counts(order_id))


async def test_what_is_confirmed_cannot_be_cancelled(shop: Shop) -> None:
    """While it is being confirmed the customer is told what came of it; the books stay those of a confirmed order."""
    sku, order_id = await shop.stock(), f"late-{secrets.token_hex(4)}"
    async with shop.database.acquire() as connection:
        # Holds the order's row, so that it is being confirmed for as long as we like.
        handle = await shop.start(an_order(sku, policy=WAITS.model_copy(update={"attempt_seconds": 20})), order_id)
        await shop.reaches(handle, "awaiting_approval")
        await connection.execute("BEGIN")
        await connection.execute("SELECT FROM orders WHERE workflow_id = $1 FOR NO KEY UPDATE", order_id)
        await handle.signal(APPROVE, Word(by="the manager"))
        await shop.reaches(handle, "confirming")
        update = await handle.start_update(
            CANCEL, WORD, result_type=CancelResult, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        with pytest.raises(WorkflowUpdateFailedError) as twice:
            await handle.execute_update(CANCEL, WORD, result_type=CancelResult)
        assert "being cancelled already" in str(twice.value.cause)
        await connection.execute("ROLLBACK")
    assert await update.result() == CancelResult(cancelled=False, state="confirmed")
    assert (await handle.result()).state == "confirmed"
    assert await shop.books(order_id, sku) == confirmed()


async def test_an_operator_s_cancellation_compensates_too(shop: Shop) -> None:
    """The workflow ends as cancelled, and nothing of the order stands."""
    sku = await shop.stock()
    handle = await shop.start(an_order(sku, policy=WAITS))
    await shop.reaches(handle, "awaiting_approval")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, CancelledError)
    assert await shop.books(handle.id, sku) == undone("cancelled")


async def test_the_first_decision_counts(shop: Shop) -> None:
    """A second signal changes nothing."""
    sku = await shop.stock()
    handle = await shop.start(an_order(sku, policy=WAITS))
    await shop.reaches(handle, "awaiting_approval")
    await handle.signal(REJECT, Word(by="ann", reason="never paid"))
    await handle.signal(APPROVE, Word(by="bob"))
    outcome = await handle.result()
    assert (outcome.state, outcome.reason) == ("rejected", "ann: never paid")


async def test_a_paused_order_begins_nothing_not_even_a_compensation(shop: Shop) -> None:
    """Cancelled while it is paused, it goes back only once it is resumed."""
    sku, who = await shop.stock(), Instruction(by="an operator", reason="stocktaking")
    handle = await shop.start(an_order(sku), start_signal=PAUSE, start_signal_args=[who])
    placed = await handle.execute_update(PLACE, an_order(sku), result_type=OrderStatus)
    assert (placed.state, placed.paused) == ("opening", True)
    assert await scheduled(handle) == []
    await handle.cancel()
    await shop.reaches(handle, "compensating")
    assert await scheduled(handle) == []
    await handle.signal(RESUME, who)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert await shop.books(handle.id, sku) == undone("cancelled")


async def scheduled(handle: Handle) -> list[str]:
    """The activities that the order has begun, in order."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


async def test_a_paused_order_is_not_escalated_before_it_is_resumed(shop: Shop) -> None:
    """Its time to be approved runs out while it is paused: nothing begins, until it goes on."""
    sku, who = await shop.stock(), Instruction(by="an operator", reason="stocktaking")
    handle = await shop.start(an_order(sku, policy=WAITS.model_copy(update={"approval_seconds": 5})))
    await shop.reaches(handle, "awaiting_approval")
    await handle.signal(PAUSE, who)
    await shop.reaches(handle, "escalated")
    assert await scheduled(handle) == [OPEN_ORDER]
    await handle.signal(RESUME, who)
    await handle.signal(REJECT, Word(by="ann", reason="never paid"))
    assert (await handle.result()).state == "rejected"
    assert await scheduled(handle) == [OPEN_ORDER, ESCALATE, FIND_ORDER, CLOSE_ORDER]


async def test_what_ends_already_is_not_ended_otherwise_by_a_cancellation(shop: Shop) -> None:
    """It comes while the compensation waits: that goes on to its end, and the order is what it was to be."""
    sku, who = await shop.stock(), Instruction(by="an operator", reason="stocktaking")
    handle = await shop.start(an_order(sku, policy=WAITS))
    await shop.reaches(handle, "awaiting_approval")
    await handle.signal(PAUSE, who)
    await handle.signal(REJECT, Word(by="ann", reason="never paid"))
    await shop.reaches(handle, "compensating")
    await handle.cancel()

    async def heard() -> bool:
        return any(
            event.HasField("workflow_execution_cancel_requested_event_attributes")
            for event in (await handle.fetch_history()).events
        )

    await eventually(heard, timeout=20)
    assert (await handle.query(Order.status)).state == "compensating"
    await handle.signal(RESUME, who)
    assert (await handle.result()).state == "rejected"
    assert await shop.books(handle.id, sku) == undone("rejected")


async def test_an_id_that_no_provider_takes_fails_the_order(shop: Shop) -> None:
    """It is closed as failed, and says what an id looks like; nothing was held."""
    sku = await shop.stock()
    outcome = await (await shop.start(an_order(sku), "an order/17")).result()
    assert outcome.state == "failed"
    assert "is no order id: expected" in outcome.reason


async def test_words_that_cannot_be_stored_are_refused(shop: Shop) -> None:
    """A client that checks nothing sends a NUL: its update is refused, its signal dropped, and the order goes on."""
    sku, spoilt = await shop.stock(), {"by": "ann", "reason": "no\0thing"}
    handle = await shop.start(an_order(sku, policy=WAITS))
    await shop.reaches(handle, "awaiting_approval")
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(CANCEL, spoilt, result_type=CancelResult)
    assert "it holds a NUL or half a character, which cannot be stored: leave that out" in reason_of(refused.value)
    await handle.signal(REJECT, spoilt)
    await handle.signal(APPROVE, Word(by="the manager"))
    assert (await handle.result()).state == "confirmed"
    assert not any(
        event.HasField("workflow_task_failed_event_attributes") for event in (await handle.fetch_history()).events
    )


async def test_what_a_provider_says_is_stored_whatever_it_says(shop: Shop) -> None:
    """A NUL in its reason is made visible: the order ends as it must."""
    sku, order_id = await shop.stock(), f"refused-{secrets.token_hex(4)}"
    refuses = Behaviour(kind=Kind.REFUSE, prefix=order_id, actions=(Action.AUTHORIZE,), reason="no\0thing")
    await shop.outside.behave(refuses)
    outcome = await (await shop.start(an_order(sku), order_id)).result()
    assert (outcome.state, outcome.reason) == ("declined", "no\N{SYMBOL FOR NULL}thing")
    assert await shop.books(order_id, sku) == undone("declined")


async def test_a_compensation_that_is_refused_shows_why_and_goes_on(shop: Shop) -> None:
    """The provider will not refund at first: the order is not closed before it does, asked by another key each time."""
    sku, order_id = await shop.stock(), f"refund-{secrets.token_hex(4)}"
    await shop.outside.behave(
        Behaviour(kind=Kind.REFUSE, prefix=order_id, actions=(Action.SHIP,)),
        Behaviour(kind=Kind.REFUSE, prefix=order_id, actions=(Action.REFUND,), times=2, reason="is being settled"),
    )
    assert (await (await shop.start(an_order(sku), order_id)).result()).state == "undeliverable"
    assert await shop.books(order_id, sku) == undone("undeliverable")
    refunds = [count for count in await shop.outside.counts(order_id) if count.action is Action.REFUND]
    assert [(count.calls, count.effects) for count in refunds] == [(1, 0), (1, 0), (1, 1)]


async def test_an_ended_order_run_again_tells_how_it_ended(shop: Shop) -> None:
    """A second run under the id of an order that came to nothing neither tries it again nor undoes it again."""
    sku = await shop.stock(on_hand=1)
    handle = await shop.start(an_order(sku))
    first = await handle.result()
    await shop.database.execute("UPDATE stock SET on_hand = 5, counted = 5")
    again = await shop.start(an_order(sku), handle.id)
    assert await again.result() == first
    assert first.state == "out_of_stock"
    assert await shop.books(handle.id, sku) == undone("out_of_stock", on_hand=5)


@pytest.mark.parametrize("quantity", [2, IN_HAND + 1])
async def test_an_id_that_is_used_again_after_the_purge_tells_how_its_order_ended(shop: Shop, quantity: int) -> None:
    """The claims are gone, the order's row is not: nothing is done again, be the order confirmed or not."""
    sku = await shop.stock()
    handle = await shop.start(an_order(sku, quantity=quantity))
    first = await handle.result()
    books = await shop.books(handle.id, sku)
    await purge(shop)
    again = await shop.start(an_order(sku, quantity=quantity), handle.id)
    assert await again.result() == first
    assert await shop.books(handle.id, sku) == books


@pytest.mark.parametrize("forgotten", [False, True])
async def test_what_an_earlier_run_confirmed_is_not_cancelled_by_a_later_one(shop: Shop, forgotten: bool) -> None:
    """Cancelled before it could look what is written, be it after a purge: its customer is told that it stands."""
    sku, who = await shop.stock(), Instruction(by="an operator", reason="stocktaking")
    handle = await shop.start(an_order(sku))
    first = await handle.result()
    if forgotten:
        await purge(shop)
    again = await shop.start(an_order(sku), handle.id, start_signal=PAUSE, start_signal_args=[who])
    update = await again.start_update(
        CANCEL, WORD, result_type=CancelResult, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    await again.signal(RESUME, who)
    assert await update.result() == CancelResult(cancelled=False, state="confirmed")
    assert await again.result() == first
    assert await shop.books(handle.id, sku) == confirmed()


async def purge(shop: Shop) -> None:
    """Forget what retention forgets."""
    await shop.database.execute("DELETE FROM claims")
    await shop.database.execute("DELETE FROM effects")
