"""A compensation never fails for good, and an order that cannot be brought to its providers is not begun."""

from collections.abc import AsyncIterator

import pytest
from ordering import an_order

from harness.attempt import Attempt
from system.breaker import Breakers
from system.errors import SettingsError, StillInDoubt, UndoRefused
from system.orders.activities import OrderActivities
from system.orders.insisting import insisting
from system.orders.models import Ask, Close, InDoubt, OrderRequest
from system.orders.providers import Http, Provider
from system.orders.rules import wait_before
from system.records import Record
from system.storage.pool import Pool

ORDER = an_order("sku")
ATTEMPT = 3
BACK = {
    "release_stock": ORDER,
    "void_payment": ORDER,
    "refund_payment": ORDER,
    "cancel_shipment": ORDER,
    "revoke_confirmation": ORDER,
    "find_order": ORDER,
    "settle": Ask(last=True),
    "ask_again": InDoubt(order_id="an-order", pause_seconds=1),
    "believe": InDoubt(order_id="an-order", pause_seconds=1),
    "close_order": Close(order=ORDER, state="failed", reason=""),
}


@pytest.fixture
async def nowhere(database: Pool) -> AsyncIterator[OrderActivities]:
    """The activities of a worker that was not told where the providers are."""
    breakers = Breakers(threshold=10)
    async with Http() as http:
        payment, shipping = (Provider(name, None, http, breakers) for name in ("payment", "shipping"))
        yield OrderActivities(database, payment, shipping)


async def test_without_a_provider_s_address_nothing_of_an_order_is_begun(
    nowhere: OrderActivities, database: Pool
) -> None:
    """The failure is for good, at once, and names the variable; the order is not even written down."""
    with pytest.raises(SettingsError, match="PAYMENT_URL is not set") as raised:
        await Attempt(ATTEMPT).run(nowhere.open_order, ORDER)
    assert not raised.value.retryable
    assert await database.fetchval("SELECT count(*) FROM orders") == 0


@pytest.mark.parametrize("name", BACK)
async def test_no_compensation_fails_for_good(nowhere: OrderActivities, database: Pool, name: str) -> None:
    """Without its table, or its provider's address: Temporal tries it again, later each time, and says why."""
    await database.execute("ALTER TABLE claims RENAME TO away")
    compensation, argument = getattr(nowhere, name), BACK[name]
    with pytest.raises(UndoRefused, match=r"NotMigrated: .*claims|SettingsError: (PAYMENT|SHIPPING)_URL") as raised:
        await Attempt(ATTEMPT).run(compensation, argument)
    assert raised.value.retryable
    assert raised.value.retry_after == wait_before(ATTEMPT)


@pytest.mark.parametrize("error", [StillInDoubt("a call"), UndoRefused("not yet"), KeyError("unforeseen")])
async def test_what_is_retried_already_and_a_doubt_that_is_given_up_stay_as_they_are(error: Exception) -> None:
    """Only a final error is another one afterwards."""

    async def compensation(order: OrderRequest) -> Record:
        raise error

    with pytest.raises(type(error)) as raised:
        await Attempt(ATTEMPT).run(insisting(compensation), ORDER)
    assert raised.value is error
