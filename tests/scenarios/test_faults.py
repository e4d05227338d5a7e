"""The faults that `system` brings itself: the providers misbehave towards the orders of a run, and say to whom."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from provider_caller import Caller

from harness.eventually import eventually
from harness.scenario import Stores
from scenarios.faults import FAULTS, Late, Slow
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Kind
from system.orders.models import AUTHORISE_PAYMENT


@pytest.fixture
def stores(outside: Outside) -> Stores:
    return Stores(addresses={"outside.url": outside.url})


@pytest.fixture
async def caller(outside: Outside) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(session, outside.url)


async def authorized(caller: Caller) -> int:
    """The status that it is answered; 0 where the connection is dropped."""
    try:
        return (await caller.authorize(key=caller.key(f"authorize {caller.reference}"))).status
    except aiohttp.ClientConnectionError:
        return 0


@pytest.mark.parametrize(
    ("name", "status", "effects"),
    [
        ("outside.slow", 201, 1),
        ("outside.failing", 503, 0),
        ("outside.down", 0, 0),
        ("outside.silent", 0, 1),
        ("outside.twice", 201, 1),
    ],
)
async def test_each_is_in_force_until_it_is_healed(
    caller: Caller, outside: Outside, stores: Stores, name: str, status: int, effects: int
) -> None:
    """It is met by the run's calls alone, says so of each, and leaves what the order's scenario asked for."""
    prefix = caller.reference.partition("/")[0]
    fault = Slow(seconds=0.01) if name == "outside.slow" else FAULTS[name]()
    await fault.heal(stores, prefix)
    own = Behaviour(kind=Kind.REFUSE, prefix=f"{prefix}/refused")
    await outside.behave(own)
    assert not await fault.in_force(stores, prefix)
    await fault.inject(stores, prefix)
    assert await fault.in_force(stores, prefix)
    assert not await fault.in_force(stores, "another.")
    assert await authorized(caller) == status
    (count,) = await outside.counts(caller.reference)
    assert count.effects == effects
    await fault.heal(stores, prefix)
    await fault.heal(stores, prefix)
    assert not await fault.in_force(stores, prefix)
    assert await outside.behaviours(prefix) == [own]
    assert await authorized(caller) == 201
    assert await fault.met(stores, prefix) == [f"{caller.reference}: {AUTHORISE_PAYMENT}, authorize"]
    await outside.behave_well(prefix)


async def test_what_an_orders_own_scenario_asked_for_is_not_met_by_the_fault(
    caller: Caller, outside: Outside, stores: Stores
) -> None:
    """The same misbehaviour, told by somebody else."""
    prefix = caller.reference.partition("/")[0]
    await outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=caller.reference))
    assert await authorized(caller) == 503
    assert await FAULTS["outside.failing"]().met(stores, prefix) == []
    await outside.behave_well(prefix)


async def test_only_the_calls_that_are_named_meet_it(caller: Caller, stores: Stores) -> None:
    """Other actions of the same order go on."""
    prefix = caller.reference.partition("/")[0]
    fault = Late(actions=(Action.SHIP,))
    await fault.inject(stores, prefix)
    assert await authorized(caller) == 201
    await fault.heal(stores, prefix)
    assert await fault.met(stores, prefix) == []


async def test_what_is_late_arrives_at_heal(caller: Caller, outside: Outside, stores: Stores) -> None:
    """Also where its caller has given up."""
    prefix = caller.reference.partition("/")[0]
    fault = Late()
    await fault.inject(stores, prefix)
    with pytest.raises(TimeoutError):
        await caller.call(
            "POST",
            "/payments/authorizations",
            key=caller.key("late"),
            json={"reference": caller.reference, "amount_cents": 1, "currency": "EUR", "customer": "c"},
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
    (count,) = await outside.counts(caller.reference)
    assert count.effects == 0
    await fault.heal(stores, prefix)

    async def arrived() -> bool:
        return (await outside.counts(caller.reference))[0].effects == 1

    await eventually(arrived)
    assert await fault.met(stores, prefix) == [f"{caller.reference}: {AUTHORISE_PAYMENT}, authorize"]
