"""What a provider did and did not say: answers that are lost, late, or of calls that nobody wanted any more."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from ordering import QUICK, an_order, shop_of, undone

from harness.attempt import Attempt
from harness.eventually import eventually
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Count, Kind
from system.breaker import Breakers
from system.errors import BreakerOpen, ProviderUnanswered, Superseded, Unavailable
from system.orders.activities import OrderActivities
from system.orders.models import CANCEL, CancelResult, OrderRequest, StepResult, Word
from system.orders.providers import Http, Provider
from system.settings import Settings
from system.storage.pool import Pool

ORDER = an_order("sku")


class Attempts:
    """Attempts at the activities of one order, made by the test itself."""

    def __init__(self, database: Pool, outside: Outside, http: Http) -> None:
        self.order_id = f"attempts-{secrets.token_hex(6)}"
        self.database = database
        self.outside = outside
        breakers = Breakers(threshold=2, ttl=60, failures=(ProviderUnanswered,))
        providers = (Provider(name, outside.url, http, breakers) for name in ("payment", "shipping"))
        self.activities = OrderActivities(database, *providers)

    def attempt(self, seconds: float = 30) -> Attempt:
        return Attempt(workflow_id=self.order_id, start_to_close_timeout=timedelta(seconds=seconds))

    async def authorise(self, seconds: float = 30) -> StepResult:
        return await self.attempt(seconds).run(self.activities.authorise_payment, ORDER)

    async def void(self) -> bool:
        return (await self.attempt().run(self.activities.void_payment, ORDER)).in_doubt

    async def behave(self, kind: Kind, action: Action = Action.AUTHORIZE, **more: float) -> None:
        behaviour = Behaviour(kind=kind, prefix=self.order_id, actions=(action,))
        await self.outside.behave(msgspec.structs.replace(behaviour, **more))

    async def count(self, action: Action) -> Count:
        counts = await self.outside.counts(self.order_id)
        return next((each for each in counts if each.action is action), Count(key="", action=action, reference=""))

    async def call(self) -> tuple[object, ...]:
        """State, sent and asked of the authorisation in the outbox."""
        [row] = await self.database.fetch("SELECT state, sent, asked FROM provider_calls WHERE item = ''")
        return tuple(row)

    async def held_cents(self) -> int:
        return sum(total.authorized_cents for total in await self.outside.totals(self.order_id))


@pytest.fixture
async def attempts(database: Pool, outside: Outside) -> AsyncIterator[Attempts]:
    async with Http() as http:
        made = Attempts(database, outside, http)
        await made.attempt().run(made.activities.open_order, ORDER)
        yield made


@pytest.mark.parametrize("kind", [Kind.DROP_AFTER, Kind.FAIL_AFTER])
async def test_an_answer_that_is_lost_is_asked_for(attempts: Attempts, kind: Kind) -> None:
    """One attempt is enough: the provider knows what it did, and is not told to do it again."""
    await attempts.behave(kind, times=1)
    assert (await attempts.authorise()).done
    count = await attempts.count(Action.AUTHORIZE)
    assert (count.calls, count.effects) == (1, 1)
    assert await attempts.call() == ("succeeded", 1, 1)


@pytest.mark.parametrize("kind", [Kind.DOWN, Kind.FAIL_BEFORE])
async def test_a_call_that_never_arrived_is_made_again_by_the_same_key(attempts: Attempts, kind: Kind) -> None:
    """The provider says that it knows of none: the next attempt asks again, and then sends."""
    await attempts.behave(kind, times=1)
    with pytest.raises(ProviderUnanswered, match="payment"):
        await attempts.authorise()
    assert await attempts.call() == ("unknown", 1, 1)
    assert (await attempts.authorise()).done
    count = await attempts.count(Action.AUTHORIZE)
    assert (count.calls, count.effects) == (2, 1)
    assert await attempts.call() == ("succeeded", 2, 2)


async def test_a_refusal_whose_answer_is_lost_is_still_a_refusal(attempts: Attempts) -> None:
    """It is asked for, and never tried again in the hope of another answer."""
    await attempts.behave(Kind.REFUSE)
    await attempts.behave(Kind.DROP_AFTER, times=1)
    assert await attempts.authorise() == StepResult(done=False, reason="insufficient_funds")
    assert await attempts.authorise() == StepResult(done=False, reason="insufficient_funds")
    assert (await attempts.count(Action.AUTHORIZE)).calls == 1


async def test_a_withdrawn_call_is_not_made(attempts: Attempts) -> None:
    """The compensation came first, where there was nothing yet: the attempt that wakes up late does not even call."""
    assert await attempts.void() is False
    with pytest.raises(Superseded, match="withdrawn before this attempt could call"):
        await attempts.authorise()
    assert (await attempts.count(Action.AUTHORIZE)).calls == 0
    assert await attempts.database.fetchval("SELECT count(*) FROM effects WHERE step = 'authorise_payment'") == 0


async def test_an_attempt_whose_time_is_up_makes_no_call(attempts: Attempts) -> None:
    """As one that was stopped and wakes up: Temporal has given it up, and another may have settled the matter."""
    with pytest.raises(Unavailable, match="time was up before it called"):
        await attempts.authorise(seconds=0)
    assert (await attempts.count(Action.AUTHORIZE)).calls == 0


async def test_a_call_that_slipped_out_is_put_right_by_whoever_made_it(attempts: Attempts) -> None:
    """Compensated while the call is on its way: the answer says that money is held, and its caller has it let go."""
    await attempts.behave(Kind.SLOW_BEFORE, seconds=1)
    late = asyncio.create_task(attempts.authorise())

    async def under_way() -> bool:
        return (await attempts.count(Action.AUTHORIZE)).calls == 1

    await eventually(under_way, timeout=10)
    assert await attempts.void() is True, "the provider does not know the call yet: it is in doubt"
    with pytest.raises(Superseded):
        await late
    assert (await attempts.count(Action.AUTHORIZE)).effects == 1
    assert (await attempts.count(Action.VOID)).effects == 1
    assert await attempts.held_cents() == 0


async def test_a_known_call_leaves_no_doubt(attempts: Attempts) -> None:
    """The worker died between the effect and writing it down: the provider knows the key, and all of it is undone."""
    await attempts.behave(Kind.SLOW_AFTER, seconds=20)
    dying = asyncio.create_task(attempts.authorise())

    async def took_effect() -> bool:
        return (await attempts.count(Action.AUTHORIZE)).effects == 1

    await eventually(took_effect, timeout=10)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await attempts.call() == ("sent", 1, 0)
    assert await attempts.void() is False
    assert await attempts.held_cents() == 0
    assert await attempts.void() is False
    assert (await attempts.count(Action.VOID)).calls == 1


async def test_a_provider_that_keeps_failing_is_left_alone(attempts: Attempts) -> None:
    """Its breaker opens: the attempt says when to come back, and nothing was sent."""
    await attempts.behave(Kind.DOWN)
    await attempts.behave(Kind.DOWN, Action.ASK)
    with pytest.raises(ProviderUnanswered):
        await attempts.authorise()
    with pytest.raises(BreakerOpen) as refused:
        await attempts.authorise()
    assert refused.value.retry_after > timedelta(seconds=10)
    assert (await attempts.count(Action.AUTHORIZE)).calls == 1


@pytest.mark.timeout(40)
async def test_a_call_that_arrives_after_everything_was_undone_is_found(
    settings: Settings, database: Pool, outside: Outside
) -> None:
    """The provider takes it up seconds after its caller gave up: the order is not closed before that is put right."""
    policy = QUICK.model_copy(update={"attempt_seconds": 2, "settle_seconds": 12})
    order_id = f"late-{secrets.token_hex(4)}"
    slow = Behaviour(kind=Kind.SLOW_BEFORE, prefix=order_id, actions=(Action.AUTHORIZE,), seconds=2, times=1)
    await outside.behave(slow, Behaviour(kind=Kind.DOWN, prefix=order_id, actions=(Action.AUTHORIZE,), first=2))
    async with shop_of(settings, database, outside) as shop:
        sku = await shop.stock()
        request: OrderRequest = an_order(sku, policy=policy)
        handle = await shop.start(request, order_id)

        async def called() -> bool:
            return any(count.action is Action.AUTHORIZE for count in await outside.counts(order_id))

        await eventually(called, timeout=20)
        word = Word(by="the customer")
        assert (await handle.execute_update(CANCEL, word, result_type=CancelResult)).cancelled
        assert await shop.books(order_id, sku) == undone("cancelled")
        [total] = await outside.totals(order_id)
        assert total.payments == {"voided": 1}, "it did arrive"
