"""The outside fails, dawdles and forgets just as the scenario told it to, and counts every call."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import aiohttp
import pytest
from provider_caller import Caller

from harness.eventually import eventually
from scenarios.outside.client import Outside, OutsideError
from scenarios.outside.wire import Action, Behaviour, Kind

DROPPED = 0
"""Stands for the status of an answer that never came."""


@pytest.fixture
async def caller(outside: Outside) -> AsyncIterator[Caller]:
    """A caller of the outside, which behaves well again afterwards."""
    async with aiohttp.ClientSession() as session:
        made = Caller(session, outside.url)
        yield made
        await outside.behave_well(made.reference.partition("/")[0])


async def status_of_authorizing(caller: Caller, key: str = "", reference: str = "") -> int:
    try:
        return (await caller.authorize(key=key, reference=reference)).status
    except aiohttp.ClientConnectionError:
        return DROPPED


@pytest.mark.parametrize(
    ("kind", "told", "effects", "then"),
    [
        (Kind.DOWN, DROPPED, 0, 404),
        (Kind.FAIL_BEFORE, 503, 0, 404),
        (Kind.REFUSE, 402, 0, 402),
        (Kind.DROP_AFTER, DROPPED, 1, 201),
        (Kind.FAIL_AFTER, 500, 1, 201),
        (Kind.SLOW_BEFORE, 201, 1, 201),
        (Kind.SLOW_AFTER, 201, 1, 201),
        (Kind.IGNORE_KEYS, 201, 1, 201),
        (Kind.DELIVER_TWICE, 201, 1, 201),
    ],
)
async def test_what_the_caller_is_told_and_what_happened(  # one row of the table
    caller: Caller, outside: Outside, kind: Kind, told: int, effects: int, then: int
) -> None:
    """Each behaviour has its own answer; whether it took effect is counted, and told to whoever asks by the key."""
    await outside.behave(Behaviour(kind=kind, prefix=caller.reference, times=1, actions=(Action.AUTHORIZE,)))
    key = caller.key("authorize")
    assert await status_of_authorizing(caller, key) == told
    (count,) = await outside.counts(caller.reference)
    assert (count.key, count.action, count.calls, count.effects) == (key, Action.AUTHORIZE, 1, effects)
    (entry,) = (await outside.journal(caller.reference)).entries
    assert (entry.behaviours, entry.effects, entry.status or DROPPED) == ((kind,), effects, told)
    known = await caller.became(key)
    assert (known.status if known.status == 404 else known.body["status"]) == then
    assert await status_of_authorizing(caller, key) == (402 if kind is Kind.REFUSE else 201), "it fires once"
    held = [payment for payment in await caller.of_reference("payments") if payment["status"] == "authorized"]
    assert len(held) == (0 if kind is Kind.REFUSE else 1), "the key was honoured"


async def test_a_slow_call_takes_effect_although_its_caller_gave_up(caller: Caller, outside: Outside) -> None:
    """What arrives late is not known when asked for, and happens after all; what is answered late has happened."""
    for kind, at_once in ((Kind.SLOW_BEFORE, 404), (Kind.SLOW_AFTER, 200)):
        await outside.behave(Behaviour(kind=kind, prefix=caller.reference, times=1, seconds=0.5))
        key = caller.key("authorize")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await caller.authorize(key=key)
        assert (await caller.became(key)).status == at_once
        assert await eventually(partial(known, caller, key)) == 201
        await outside.behave_well(caller.reference)


async def test_a_call_that_is_held_arrives_when_it_is_let_go(caller: Caller, outside: Outside) -> None:
    """Until then nobody knows of it, also once its caller gave up; what else is switched off does not let it go."""
    await outside.behave(Behaviour(kind=Kind.HOLD, prefix=caller.reference, times=1))
    key = caller.key("authorize")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await caller.authorize(key=key)
    await outside.behave_well(f"{caller.reference}/another")
    assert (await caller.became(key)).status == 404
    await outside.behave_well(caller.reference)
    assert await eventually(partial(known, caller, key)) == 201


async def known(caller: Caller, key: str) -> int:
    return int((await caller.became(key)).body.get("status", 0))


async def test_business_refusals_have_a_reason(caller: Caller, outside: Outside) -> None:
    """A declined payment is 402 and an undeliverable shipment 422, for the reason given; a key is refused for good."""
    refuse = Behaviour(kind=Kind.REFUSE, prefix=caller.reference)
    await outside.behave(refuse)
    key = caller.key("authorize")
    declined = await caller.authorize(key=key)
    assert (declined.status, declined.body["status"]) == (402, "declined")
    assert declined.body["reason"] == "insufficient_funds"
    refused = await caller.ship()
    assert (refused.status, refused.body["status"], refused.body["reason"]) == (422, "refused", "undeliverable")
    await outside.behave_well(caller.reference)
    again = await caller.authorize(key=key)
    assert (again.status, again.replayed) == (402, True)
    await outside.behave(Behaviour(kind=Kind.REFUSE, prefix=caller.reference, reason="stolen_card"))
    assert (await caller.authorize()).body["reason"] == "stolen_card"
    (total,) = await outside.totals(caller.reference)
    assert (total.payments, total.shipments, total.authorized_cents) == ({"declined": 2}, {"refused": 1}, 0)


@pytest.mark.parametrize(
    ("step", "status"), [("captures", 402), ("voids", 409), ("refunds", 409), ("cancellations", 409)]
)
async def test_any_step_can_be_refused(caller: Caller, outside: Outside, step: str, status: int) -> None:
    """A later step is refused with the provider's own status, and the books stay as they were."""
    made = await (caller.ship() if step == "cancellations" else caller.authorize())
    if step == "refunds":
        await caller.on(made, "captures")
    before = await outside.totals(caller.reference)
    await outside.behave(Behaviour(kind=Kind.REFUSE, prefix=caller.reference, reason="because"))
    refused = await caller.on(made, step)
    assert (refused.status, "because" in refused.body.values()) == (status, True)
    assert await outside.totals(caller.reference) == before


async def test_a_provider_that_ignores_keys_takes_the_money_twice(caller: Caller, outside: Outside) -> None:
    """Every repeated call takes effect again, which the counts and totals show: so a check can be seen to fail."""
    await outside.behave(Behaviour(kind=Kind.IGNORE_KEYS, prefix=caller.reference))
    holding, taking, sending = caller.key("authorize"), caller.key("capture"), caller.key("ship")
    held = await caller.authorize(key=holding)
    await caller.authorize(key=holding)
    for _ in range(2):
        await caller.on(held, "captures", key=taking)
        await caller.ship(key=sending)
    (total,) = await outside.totals(caller.reference)
    assert (total.payments, total.shipments) == ({"captured": 1, "authorized": 1}, {"arranged": 2})
    assert total.captured_cents == 2000, "of 1000"
    counts = await outside.counts(caller.reference)
    assert {count.key: count.effects for count in counts} == {holding: 2, taking: 2, sending: 2}
    await caller.on(held, "refunds", key=(back := caller.key("refund")), cents=1500)
    again = await caller.on(held, "refunds", key=back, cents=1500)
    assert (again.status, again.body["refunded_cents"]) == (201, 3000)


async def test_a_call_delivered_twice_takes_effect_once_if_keys_are_honoured(caller: Caller, outside: Outside) -> None:
    """The network's own repetition is told apart by its key, and is a second effect where keys are ignored."""
    twice = Behaviour(kind=Kind.DELIVER_TWICE, prefix=caller.reference)
    await outside.behave(twice)
    await caller.authorize()
    (count,) = await outside.counts(caller.reference)
    assert (count.calls, count.effects, count.replays) == (1, 1, 1)
    await outside.behave(Behaviour(kind=Kind.IGNORE_KEYS, prefix=caller.reference))
    await caller.ship()
    (total,) = await outside.totals(caller.reference)
    assert total.shipments == {"arranged": 2}


async def test_a_provider_that_is_down_answers_no_question(caller: Caller, outside: Outside) -> None:
    """Down means questions too, unless actions are named; one provider can be down and the other up."""
    key = caller.key("authorize")
    await outside.behave(Behaviour(kind=Kind.DOWN, prefix=caller.reference))
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.of_reference("payments")
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.became(key)
    await outside.behave_well(caller.reference)
    await outside.behave(Behaviour(kind=Kind.DOWN, prefix=caller.reference, actions=(Action.SHIP, Action.CANCEL)))
    assert await status_of_authorizing(caller, key) == 201
    assert (await caller.became(key)).status == 200
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.ship()


async def test_behaviours_are_chosen_by_prefix_and_switched_off_by_it(caller: Caller, outside: Outside) -> None:
    """Only references that begin so are met; the same behaviour is on once; switching off spares the others."""
    own, _, _ = caller.reference.partition("/")
    fails = [Behaviour(kind=Kind.FAIL_BEFORE, prefix=f"{own}/{name}") for name in ("a", "b")]
    await outside.behave(*fails, *fails)
    listed = await caller.call("GET", "/behaviours", params={"prefix": own})
    assert [each["prefix"] for each in listed.body["behaviours"]] == [f"{own}/a", f"{own}/b"]
    asked = [f"{own}/a1", f"{own}/b1", f"{own}/c1"]
    assert [await status_of_authorizing(caller, reference=each) for each in asked] == [503, 503, 201]
    await outside.behave_well(f"{own}/a")
    assert [await status_of_authorizing(caller, reference=each) for each in asked] == [201, 503, 201]


async def test_calls_are_numbered_for_each_reference_and_action(caller: Caller, outside: Outside) -> None:
    """The second and third call of each reference fail, in whatever order the references come."""
    own, _, _ = caller.reference.partition("/")
    await outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=own, first=2, times=2))
    seen = [await status_of_authorizing(caller, reference=f"{own}/{name}") for name in "aabaababb"]
    by_name = {name: [status for each, status in zip("aabaababb", seen, strict=True) if each == name] for name in "ab"}
    assert by_name == {"a": [201, 503, 503, 201, 201], "b": [201, 503, 503, 201]}
    assert (await caller.ship()).status == 201, "another action has a count of its own"


async def test_chance_is_drawn_from_the_seed(caller: Caller, outside: Outside) -> None:
    """The same seed meets the same references, in another order too; another seed meets others."""
    own, _, _ = caller.reference.partition("/")
    names = [f"{own}/{number}" for number in range(40)]

    async def met(seed: int, order: list[str]) -> set[str]:
        await outside.behave(Behaviour(kind=Kind.FAIL_BEFORE, prefix=own, probability=0.5, seed=seed))
        failed = {each for each in order if await status_of_authorizing(caller, reference=each) == 503}
        await outside.behave_well(own)
        return failed

    first = await met(1, names)
    assert 5 < len(first) < 35
    assert await met(1, names[::-1]) == first
    assert await met(2, names) != first


async def test_the_journal_tells_each_call(caller: Caller, outside: Outside) -> None:
    """Calls stand in their order with key, action, effect and answer; questions too."""
    key = caller.key("authorize")
    await outside.behave(Behaviour(kind=Kind.FAIL_AFTER, prefix=caller.reference, times=1))
    await caller.authorize(key=key)
    await caller.authorize(key=key)
    await caller.became(key)
    await caller.of_reference("payments")
    journal = await outside.journal(caller.reference)
    told = [(each.key, each.action, each.effects, each.replays, each.status) for each in journal.entries]
    assert told == [
        (key, Action.AUTHORIZE, 1, 0, 500),
        (key, Action.AUTHORIZE, 0, 1, 201),
        (key, Action.ASK, 0, 0, 200),
        ("", Action.ASK, 0, 0, 200),
    ]
    assert [each.at for each in journal.entries] == sorted(each.at for each in journal.entries)
    assert journal.forgotten == 0


async def test_ten_thousand_iterations_take_one_call(caller: Caller, outside: Outside) -> None:
    """Behaviours of ten thousand references are switched on, met and switched off in bulk, and totals read so."""
    own, _, _ = caller.reference.partition("/")
    await outside.behave(
        *(Behaviour(kind=Kind.FAIL_AFTER, prefix=f"{own}/{number}/", times=1) for number in range(10_000))
    )
    references = [f"{own}/{number}/order" for number in range(0, 10_000, 50)]
    statuses = await asyncio.gather(*(status_of_authorizing(caller, reference=each) for each in references))
    assert set(statuses) == {500}
    totals = await outside.totals(own)
    assert {total.reference: total.authorized_cents for total in totals} == dict.fromkeys(references, 1000)
    await outside.behave_well(own)
    assert await status_of_authorizing(caller, reference=f"{own}/1/order") == 201


async def test_what_it_refuses_is_an_error(outside: Outside) -> None:
    """A behaviour that does not exist is an error with the reason, not silence."""
    with pytest.raises(OutsideError, match=r"POST /behaviours at http.*: 400 .*times"):
        await outside.behave(Behaviour(kind=Kind.DOWN, prefix="", times=0))
