"""The order commands: what they print, and their exit status."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from ordering import Shop, shop_of
from running_system import command

from scenarios.outside.client import Outside
from system.settings import Settings
from system.storage.pool import Pool

WHO = ("--customer", "ann", "--address", "Elm Street 1")


@pytest.fixture
async def shop(settings: Settings, database: Pool, outside: Outside) -> AsyncIterator[Shop]:
    async with shop_of(settings, database, outside) as standing:
        yield standing


async def run(shop: Shop, *arguments: str) -> tuple[int, str]:
    """Exit status and what was printed; nothing goes to stderr but errors."""
    status, out, err = await command(shop.settings, "order", *arguments)
    return status, (out + err).strip()


async def test_an_order_from_its_stock_to_its_end(shop: Shop) -> None:
    """Counted, placed, placed again, asked for, and too late to cancel; another one is not placed under its id."""
    order = ("place", *WHO, "--id", f"{shop.settings.task_queue}-1", "pen:2:150", "--wait")
    order_id = order[6]
    assert await run(shop, "stock", "pen", "10") == (0, "pen: 10 on hand, 0 reserved, 0 shipped")
    status, said = await run(shop, *order)
    assert (status, said.splitlines()[-1]) == (0, f"{order_id}: confirmed")
    assert await run(shop, *order) == (0, f"{order_id}: confirmed, 3.00 EUR\n{order_id}: confirmed")
    assert await run(shop, "status", order_id) == (0, f"{order_id}: confirmed, 3.00 EUR")
    too_late = f"{order_id}: the order is confirmed: it cannot be cancelled any more"
    assert await run(shop, "cancel", order_id, "--by", "ann") == (1, too_late)
    taken = "is another order already (lines: not the same): place this one under a new id"
    assert await run(shop, *order[:-2], "pen:3:150") == (2, f"error: {order_id} {taken}")


async def test_a_person_decides(shop: Shop) -> None:
    """A large order waits, is rejected with a reason, and its exit status says that it is not confirmed."""
    order_id = f"{shop.settings.task_queue}-2"
    order = ("place", *WHO, "--id", order_id, "--approve-above", "0", "pen:2:150")
    assert await run(shop, *order) == (0, f"{order_id}: awaiting_approval, 3.00 EUR")
    status, _ = await run(shop, "reject", order_id, "--by", "bob", "--reason", "never paid")
    assert status == 0
    status, said = await run(shop, *order, "--wait")
    assert (status, said.splitlines()[-1]) == (1, f"{order_id}: rejected (bob: never paid)")


async def test_a_customer_cancels_what_waits(shop: Shop) -> None:
    """The command waits for what became of it."""
    order_id = f"{shop.settings.task_queue}-3"
    await run(shop, "place", *WHO, "--id", order_id, "--approve-above", "0", "pen:2:150")
    assert await run(shop, "cancel", order_id, "--by", "ann") == (0, f"{order_id}: cancelled")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("place", *WHO, "pen:2"), "'pen:2': expected sku:quantity:cents, such as pen:2:150"),
        (("place", *WHO, "pen:1:5", "pen:2:5"), "a sku is ordered in two lines"),
        (("place", *WHO, "pen:1:0"), "expected a total of at least one cent"),
        (("place", "--customer", "", "--address", "a", "pen:1:5"), "customer: string should have at least 1 char"),
        (("place", *WHO, "--approve-above", "-1", "pen:1:5"), "approval_above_cents: input should be greater than"),
        (("status", "nobody-ordered-this"), "there is no order under this id"),
        (("stock", "pen", "x"), "invalid int value: 'x'"),
    ],
)
async def test_what_cannot_be_ordered_is_told(shop: Shop, arguments: tuple[str, ...], says: str) -> None:
    """In one line, with what was expected; exit status 2."""
    status, said = await run(shop, *arguments)
    assert status == 2
    assert says in said


async def test_an_id_that_no_order_can_have_is_refused_at_once(settings: Settings) -> None:
    """Without asking Temporal, which is not even there."""
    nowhere = replace(settings, temporal_address="127.0.0.1:1")
    status, _, err = await command(nowhere, "order", "place", *WHO, "--id", "an order", "pen:1:5")
    assert status == 2
    assert "'an order' is no order id: expected 1 to 200 letters" in err
