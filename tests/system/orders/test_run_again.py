"""Orders that are run again after they ended somewhere on their way: what an earlier run did is not lost."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from ordering import PRICE, QUICK, Handle, Shop, an_order, confirmed, shop_of, undone
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateStage

from harness.eventually import eventually
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Kind
from system.control.pausable import PAUSE, RESUME
from system.control.pausable import Order as Instruction
from system.dead_letters import listing
from system.dead_letters.models import DIGEST, DigestReport, DigestRequest, Filter, Letter
from system.dead_letters.redrive import Redrives
from system.orders.models import CANCEL, CancelResult, OrderOutcome, Word
from system.scheduling.models import PURGE, PurgeRequest, Run
from system.settings import Settings
from system.storage.pool import Pool

WHO = Instruction(by="an operator", reason="a look at it first")
LONG_AGO = timedelta(days=90)


@pytest.fixture
async def shop(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Shop]:
    async with shop_of(settings, database, outside) as standing:
        yield standing


async def test_a_redriven_order_goes_on_with_its_compensation(shop: Shop) -> None:
    """Ended while the provider would not refund: run again, everything is taken back, and each of it once."""
    sku, order_id = await shop.stock(), f"refund-{secrets.token_hex(4)}"
    await shop.outside.behave(
        Behaviour(kind=Kind.REFUSE, prefix=order_id, actions=(Action.SHIP,)),
        Behaviour(kind=Kind.REFUSE, prefix=order_id, actions=(Action.REFUND,)),
    )
    handle = await shop.start(an_order(sku), order_id)
    await eventually(lambda: _called(shop, order_id, Action.REFUND), timeout=30)
    letter = await _terminated(shop, handle)
    await shop.outside.behave_well(order_id)
    redriven = await Redrives(shop.database, shop.client).redrive(letter.id, "an operator", "it refunds again")
    again: WorkflowHandle[object, OrderOutcome] = shop.client.get_workflow_handle(
        order_id, run_id=redriven.run_id, result_type=OrderOutcome
    )
    outcome = await again.result()
    assert (outcome.state, outcome.reason) == ("failed", "an earlier run of the order had begun to take it back")
    assert await shop.books(order_id, sku) == undone("failed")
    effects = [count.effects for count in await shop.outside.counts(order_id) if count.action is Action.REFUND]
    assert sum(effects) == 1
    undoings = "SELECT count(*) FROM effects WHERE kind = 'compensation' GROUP BY step, item HAVING count(*) > 1"
    assert await shop.database.fetch(undoings) == []
    assert [each.state for each in await _letters(shop)] == ["resolved"]


async def test_what_an_earlier_run_did_is_taken_back_with_a_cancelled_one(shop: Shop) -> None:
    """Paid in the first run, and cancelled in the second before that has done anything: the money goes back."""
    sku, order_id = await shop.stock(), f"again-{secrets.token_hex(4)}"
    await _stuck_at_shipping(shop, order_id, sku)
    hasty = an_order(sku, policy=QUICK.model_copy(update={"settle_seconds": 0.2}))
    again = await shop.start(hasty, order_id, start_signal=PAUSE, start_signal_args=[WHO])
    await again.cancel()
    await again.signal(RESUME, WHO)
    with pytest.raises(WorkflowFailureError):
        await again.result()
    assert await shop.books(order_id, sku) == undone("cancelled")


async def test_a_call_that_an_earlier_run_left_open_is_asked_for(shop: Shop) -> None:
    """It arrives once the second run has undone all it knows of: the order is not closed before that is put right."""
    sku, order_id = await shop.stock(), f"open-{secrets.token_hex(4)}"
    await shop.outside.behave(Behaviour(kind=Kind.HOLD, prefix=order_id, actions=(Action.AUTHORIZE,)))
    patient = an_order(sku, policy=QUICK.model_copy(update={"settle_seconds": 600}))
    handle = await shop.start(patient, order_id)
    await eventually(lambda: _called(shop, order_id, Action.AUTHORIZE), timeout=30)
    await handle.terminate()
    again = await shop.start(patient, order_id, start_signal=PAUSE, start_signal_args=[WHO])
    update = await again.start_update(
        CANCEL, Word(by="ann"), result_type=CancelResult, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    await again.signal(RESUME, WHO)
    await shop.reaches(again, "settling")
    await shop.outside.behave_well(order_id)
    assert (await update.result()).cancelled
    assert await shop.books(order_id, sku) == undone("cancelled")
    assert (await shop.totals(order_id)).payments == {"voided": 1}


async def test_an_open_order_is_not_forgotten_by_the_purge(shop: Shop) -> None:
    """Terminated long ago with its stock reserved and its money taken, run again it goes on from there."""
    sku, order_id = await shop.stock(), f"long-ago-{secrets.token_hex(4)}"
    await _stuck_at_shipping(shop, order_id, sku)
    for table, column in (("claims", "claimed_at"), ("effects", "committed_at")):
        await shop.database.execute(f"UPDATE {table} SET {column} = {column} - $1::interval", LONG_AGO)
    purge = await shop.client.start_workflow(
        PURGE, PurgeRequest(), id=f"purge-{order_id}", task_queue=shop.settings.task_queue, result_type=Run
    )
    counts = (await purge.result()).counts
    assert counts["claims"] == counts["effects"] == 1, "of the stocktake"
    assert (await (await shop.start(an_order(sku), order_id)).result()).state == "confirmed"
    assert await shop.books(order_id, sku) == confirmed()


async def _stuck_at_shipping(shop: Shop, order_id: str, sku: str) -> None:
    """An order that was terminated once it was paid; its provider is well again."""
    await shop.outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=order_id, actions=(Action.SHIP,)))
    handle = await shop.start(an_order(sku), order_id)
    await shop.reaches(handle, "shipping")
    assert (await shop.totals(order_id)).net_cents == 2 * PRICE
    await handle.terminate()
    await shop.outside.behave_well(order_id)


async def _called(shop: Shop, order_id: str, action: Action) -> bool:
    return any(count.action is action for count in await shop.outside.counts(order_id))


async def _terminated(shop: Shop, handle: Handle) -> Letter:
    """Terminate an order, and have the digest keep its letter."""
    await handle.terminate()

    async def kept() -> list[Letter]:
        await shop.client.execute_workflow(
            DIGEST,
            DigestRequest(),
            id=f"digest-{secrets.token_hex(4)}",
            task_queue=shop.settings.task_queue,
            result_type=DigestReport,
        )
        return await _letters(shop)

    [letter] = await eventually(kept, timeout=30, interval=0.2)
    return letter


async def _letters(shop: Shop) -> list[Letter]:
    async with shop.database.acquire() as connection:
        return await listing.find(connection, Filter(), limit=10)
