"""A failing service is left alone for a while, and found again by one call."""

import asyncio

import pytest

from harness.eventually import eventually
from system.breaker import Breakers
from system.errors import BreakerOpen, InputError, Unavailable

TTL = 0.05


async def fail(breakers: Breakers, error: BaseException, name: str = "payment") -> None:
    """One call to the service, which ends with the error."""
    with pytest.raises(type(error)):
        async with breakers.guard(name):
            raise error


async def succeed(breakers: Breakers, name: str = "payment") -> bool:
    """One call to the service, which ends well."""
    async with breakers.guard(name):
        return True


def state(breakers: Breakers) -> str:
    """State of the only breaker."""
    return breakers.states()[0].state


@pytest.mark.parametrize("error", [Unavailable("503"), ConnectionResetError(), TimeoutError()])
async def test_failures_in_a_row_open_the_breaker(error: Exception) -> None:
    """The third failure opens it: the next call is not made, and is told when to come back."""
    breakers = Breakers(threshold=3, ttl=30)
    for _ in range(3):
        await fail(breakers, error)
    with pytest.raises(BreakerOpen, match="payment") as refused:
        await succeed(breakers)
    assert 29 < refused.value.retry_after.total_seconds() <= 30
    assert state(breakers) == "open"


async def test_an_answer_in_between_keeps_it_closed() -> None:
    """Only failures in a row count: two, a success, and two again leave it closed."""
    breakers = Breakers(threshold=3, ttl=30)
    for _ in range(2):
        await fail(breakers, Unavailable("503"))
        await fail(breakers, Unavailable("503"))
        await succeed(breakers)
    assert state(breakers) == "closed"


async def test_a_refusal_is_an_answer() -> None:
    """A declined payment never opens the breaker, and proves that the service is there."""
    breakers = Breakers(threshold=2, ttl=30)
    for _ in range(5):
        await fail(breakers, Unavailable("503"))
        await fail(breakers, InputError("declined"))
    assert breakers.states()[0].model_dump(include={"state", "failures"}) == {"state": "closed", "failures": 0}


async def test_a_cancelled_call_says_nothing() -> None:
    """A cancellation is neither a failure nor an answer."""
    breakers = Breakers(threshold=2, ttl=30)
    await fail(breakers, Unavailable("503"))
    for _ in range(5):
        await fail(breakers, asyncio.CancelledError())
    assert breakers.states()[0].failures == 1


async def half_open(breakers: Breakers) -> None:
    """Open the breaker, and wait until its time is over."""
    await fail(breakers, Unavailable("503"))
    await eventually(lambda: state(breakers) == "half-open")


async def test_one_probe_at_a_time_while_half_open() -> None:
    """Of ten calls at once one is let through; when it succeeds, all are."""
    breakers = Breakers(threshold=1, ttl=TTL)
    await half_open(breakers)
    answer = asyncio.Event()

    async def call() -> bool:
        async with breakers.guard("payment"):
            return await answer.wait()

    calls = [asyncio.create_task(call()) for _ in range(10)]
    await eventually(lambda: sum(call.done() for call in calls) == 9)
    refused = [call for call in calls if call.done()]
    assert {type(call.exception()) for call in refused} == {BreakerOpen}
    answer.set()
    assert (await asyncio.gather(*calls, return_exceptions=True)).count(True) == 1
    assert all(await asyncio.gather(*(call() for _ in range(10))))


async def test_a_failed_probe_opens_it_again() -> None:
    """One failure is enough while half-open, whatever the threshold."""
    breakers = Breakers(threshold=3, ttl=TTL)
    for _ in range(3):
        await fail(breakers, Unavailable("503"))
    await eventually(lambda: state(breakers) == "half-open")
    await fail(breakers, Unavailable("still 503"))
    assert state(breakers) == "open"


async def test_a_cancelled_probe_lets_the_next_one_through() -> None:
    """A probe that was cancelled leaves the breaker half-open, with its place free."""
    breakers = Breakers(threshold=1, ttl=TTL)
    await half_open(breakers)
    await fail(breakers, asyncio.CancelledError())
    assert state(breakers) == "half-open"
    assert await succeed(breakers)
    assert state(breakers) == "closed"


async def test_a_call_from_before_it_opened_decides_nothing() -> None:
    """While a probe is under way, a call that began before the breaker opened ends well: only the probe counts."""
    breakers = Breakers(threshold=1, ttl=TTL)
    begun, answer, probe_fails = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def old_call() -> None:
        async with breakers.guard("payment"):
            begun.set()
            await answer.wait()

    async def probe() -> None:
        async with breakers.guard("payment"):
            begun.set()
            await probe_fails.wait()
            raise Unavailable("still 503")

    old = asyncio.create_task(old_call())
    await begun.wait()
    await half_open(breakers)
    begun.clear()
    probing = asyncio.create_task(probe())
    await begun.wait()
    answer.set()
    await old
    assert state(breakers) == "half-open"
    probe_fails.set()
    await asyncio.wait({probing})
    assert isinstance(probing.exception(), Unavailable)
    assert state(breakers) == "open"


async def test_services_have_breakers_of_their_own() -> None:
    """Payment that is down leaves shipping alone; states come by name."""
    breakers = Breakers(threshold=1, ttl=30)
    await fail(breakers, Unavailable("503"), "shipping")
    await succeed(breakers, "payment")
    assert [(each.name, each.state) for each in breakers.states()] == [("payment", "closed"), ("shipping", "open")]
