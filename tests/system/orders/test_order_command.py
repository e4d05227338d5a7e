"""The order commands: what they print, and their exit status."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from ordering import Shop, shop_of
from running_system import ROOT, environment

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
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "system", "order", *arguments],
        cwd=ROOT,
        env=environment(shop.settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, (done.stdout + done.stderr).strip()


async def test_an_order_from_its_stock_to_its_end(shop: Shop) -> None:
    """Counted, placed, placed again, asked for, and too late to cancel."""
    order = ("place", *WHO, "--id", f"{shop.settings.task_queue}-1", "pen:2:150", "--wait")
    order_id = order[6]
    assert await run(shop, "stock", "pen", "10") == (0, "pen: 10 on hand, 0 reserved, 0 shipped")
    status, said = await run(shop, *order)
    assert (status, said.splitlines()[-1]) == (0, f"{order_id}: confirmed")
    assert await run(shop, *order) == (0, f"{order_id}: confirmed, 3.00 EUR\n{order_id}: confirmed")
    assert await run(shop, "status", order_id) == (0, f"{order_id}: confirmed, 3.00 EUR")
    too_late = f"{order_id}: the order is confirmed: it cannot be cancelled any more"
    assert await run(shop, "cancel", order_id, "--by", "ann") == (1, too_late)


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
        (("status", "nobody-ordered-this"), "there is no order under this id"),
        (("stock", "pen", "x"), "invalid int value: 'x'"),
    ],
)
async def test_what_cannot_be_ordered_is_told(shop: Shop, arguments: tuple[str, ...], says: str) -> None:
    """In one line, with what was expected; exit status 2."""
    status, said = await run(shop, *arguments)
    assert status == 2
    assert says in said
