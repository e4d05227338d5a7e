"""The providers of the outside answer as real ones do: idempotency keys, transitions, refusals, questions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from provider_caller import Caller

from scenarios.outside.client import Outside


@pytest.fixture
async def caller(outside: Outside) -> AsyncIterator[Caller]:
    """A caller of the outside, on real connections."""
    async with aiohttp.ClientSession() as session:
        yield Caller(session, outside.url)


async def test_money_is_held_taken_and_given_back(caller: Caller, outside: Outside) -> None:
    """A payment is authorized, captured, refunded in part and then in full; each answer says how it stands."""
    held = await caller.authorize(cents=1000)
    assert (held.status, held.body["status"], held.replayed) == (201, "authorized", False)
    (before,) = await outside.totals(caller.reference)
    assert (before.authorized_cents, before.captured_cents) == (1000, 0)
    taken = await caller.on(held, "captures", cents=800)
    assert (taken.status, taken.body["status"], taken.body["captured_cents"]) == (201, "captured", 800)
    part = await caller.on(held, "refunds", cents=300)
    assert (part.body["status"], part.body["refunded_cents"]) == ("partially_refunded", 300)
    (between,) = await outside.totals(caller.reference)
    assert (between.captured_cents, between.refunded_cents, between.net_cents) == (800, 300, 500)
    rest = await caller.on(held, "refunds")
    assert (rest.body["status"], rest.body["refunded_cents"]) == ("refunded", 800)
    (after,) = await outside.totals(caller.reference)
    assert (after.net_cents, after.authorized_cents, after.payments) == (0, 0, {"refunded": 1})


async def test_a_shipment_is_arranged_and_called_off(caller: Caller, outside: Outside) -> None:
    """A shipment has an id and a tracking number, and can be cancelled; it is found by its reference."""
    arranged = await caller.ship()
    assert (arranged.status, arranged.body["status"]) == (201, "arranged")
    assert arranged.body["tracking"]
    assert await caller.of_reference("shipments") == [arranged.body]
    off = await caller.on(arranged, "cancellations")
    assert (off.status, off.body["status"]) == (201, "cancelled")
    (total,) = await outside.totals(caller.reference)
    assert total.shipments == {"cancelled": 1}


@pytest.mark.parametrize(
    ("before", "then"),
    [
        (["voids"], "captures"),
        (["captures"], "voids"),
        (["captures"], "captures"),
        (["voids"], "voids"),
        ([], "refunds"),
        (["voids"], "refunds"),
        (["captures", "refunds"], "refunds"),
        (["captures", "refunds"], "voids"),
    ],
)
async def test_what_cannot_follow_is_a_conflict(caller: Caller, outside: Outside, before: list[str], then: str) -> None:
    """A step that the payment's status does not allow is answered 409, says why, and changes nothing."""
    held = await caller.authorize()
    for step in before:
        assert (await caller.on(held, step)).status == 201
    stands = await caller.of_reference("payments")
    key = caller.key(then)
    refused = await caller.on(held, then, key=key)
    assert (refused.status, refused.body["error"]) == (409, "conflict")
    assert f"is {stands[0]['status']}; it cannot be {then.rstrip('s')}" in refused.body["message"]
    assert await caller.of_reference("payments") == stands
    assert [count.effects for count in await outside.counts(caller.reference) if count.key == key] == [0]


async def test_no_more_is_taken_than_held_nor_given_back_than_taken(caller: Caller) -> None:
    """An amount above what is left is a conflict; a cancelled shipment cannot be cancelled anew."""
    held = await caller.authorize(cents=1000)
    assert (await caller.on(held, "captures", cents=1001)).status == 409
    await caller.on(held, "captures")
    await caller.on(held, "refunds", cents=600)
    refused = await caller.on(held, "refunds", cents=401)
    assert (refused.status, "400 cents" in refused.body["message"]) == (409, True)
    arranged = await caller.ship()
    await caller.on(arranged, "cancellations")
    assert (await caller.on(arranged, "cancellations")).status == 409


async def test_a_key_has_one_effect_and_one_answer(caller: Caller, outside: Outside) -> None:
    """Twenty calls with one key, at once, hold the money once; all get the first answer, and but one are replays."""
    key = caller.key("authorize")
    answers = await asyncio.gather(*(caller.authorize(key=key) for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
    (count,) = await outside.counts(caller.reference)
    assert (count.key, count.calls, count.effects, count.replays) == (key, 20, 1, 19)
    held = answers[0]
    taking = caller.key("capture")
    first = await caller.on(held, "captures", key=taking)
    await caller.on(held, "refunds")
    again = await caller.on(held, "captures", key=taking)
    assert (again.body, again.replayed) == (first.body, True), "the first answer, not how it stands now"


async def test_a_key_belongs_to_one_request(caller: Caller, outside: Outside) -> None:
    """The same key with another body, on another payment or for another action is answered 422, with no effect."""
    key = caller.key("authorize")
    held, other = await caller.authorize(key=key), await caller.authorize()
    taking = caller.key("capture")
    await caller.on(held, "captures", key=taking)
    for reused in (
        await caller.authorize(key=key, cents=999),
        await caller.on(held, "refunds", key=taking),
        await caller.on(other, "captures", key=taking),
        await caller.on(held, "captures", key=taking, cents=1),
        await caller.ship(key=key),
    ):
        assert (reused.status, reused.body["error"]) == (422, "key_reused")
    assert sum(count.effects for count in await outside.counts(caller.reference)) == 3


async def test_the_order_and_spacing_of_a_body_do_not_make_it_another(caller: Caller) -> None:
    """A request is the same if it says the same, however it is written."""
    key, path = caller.key("authorize"), "/payments/authorizations"
    text = f'{{"reference":"{caller.reference}","amount_cents":5,"currency":"EUR","customer":"c"}}'
    turned = f'{{ "customer":"c", "currency":"EUR","amount_cents":5, "reference":"{caller.reference}" }}'
    first, again = [await caller.call("POST", path, key=key, data=each) for each in (text, turned)]
    assert again.replayed
    assert again.body == first.body


async def test_an_unknown_answer_is_resolved_by_asking(caller: Caller) -> None:
    """By key the first answer is told, by reference how things stand; a key that never came is 404."""
    key = caller.key("authorize")
    assert (await caller.became(key)).status == 404
    assert await caller.of_reference("payments") == []
    held = await caller.authorize(key=key)
    await caller.on(held, "captures", cents=700)
    known = await caller.became(key)
    assert known.status == 200
    assert known.body == {
        "key": key,
        "action": "authorize",
        "reference": caller.reference,
        "status": 201,
        "answer": held.body,
    }
    (payment,) = await caller.of_reference("payments")
    assert (payment["status"], payment["captured_cents"], payment["refunded_cents"]) == ("captured", 700, 0)


GOOD: dict[str, Any] = {"reference": "r", "amount_cents": 1, "currency": "EUR", "customer": "c"}
PARCEL: dict[str, Any] = {"reference": "r", "address": "a", "items": [{}]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/payments/authorizations", {**GOOD, "amount_cents": 0}, 400, "`int` >= 1 - at `$.amount_cents`"),
        ("POST", "/payments/authorizations", {**GOOD, "amount_cents": 1.5}, 400, "Expected `int`, got `float`"),
        ("POST", "/payments/authorizations", {**GOOD, "currency": "euro"}, 400, "at `$.currency`"),
        ("POST", "/payments/authorizations", {**GOOD, "reference": ""}, 400, "at `$.reference`"),
        ("POST", "/payments/authorizations", {**GOOD, "amout": 1}, 400, "unknown field `amout`"),
        ("POST", "/payments/authorizations", {"reference": "r"}, 400, "missing required field `amount_cents`"),
        ("POST", "/payments/pay_none/captures", {}, 404, "there is no payment 'pay_none'"),
        ("POST", "/shipments", {**PARCEL, "items": []}, 400, "at `$.items`"),
        ("POST", "/shipments", {**PARCEL, "address": ""}, 400, "at `$.address`"),
        ("POST", "/shipments/shp_none/cancellations", {}, 404, "there is no shipment 'shp_none'"),
        ("GET", "/payments", None, 400, "expected ?reference="),
        ("GET", "/totals?prefix=&limit=3", None, 400, "expected ?prefix="),
        ("GET", "/counts", None, 400, "prefix= alone stands for every one"),
        ("POST", "/behaviours", [{"kind": "slow", "prefix": ""}], 400, "Invalid enum value 'slow'"),
        ("POST", "/behaviours", [{"kind": "down"}], 400, "missing required field `prefix`"),
        ("POST", "/behaviours", [{"kind": "down", "prefix": "", "times": 0}], 400, "at `$[0].times`"),
        ("DELETE", "/behaviours", None, 400, "expected ?prefix="),
        ("PUT", "/shipments", None, 405, "Method Not Allowed"),
        ("GET", "/nowhere", None, 404, "Not Found"),
    ],
)
async def test_wrong_input_is_told(  # one row of the table
    caller: Caller, method: str, path: str, body: Any, status: int, says: str
) -> None:
    """What no provider could make sense of is answered 4xx, with what was expected."""
    answer = await caller.call(method, path, key=caller.key("wrong"), json=body)
    assert answer.status == status
    assert says in answer.body["message"]


@pytest.mark.parametrize("key", ["", " ", "k" * 256])
async def test_with_a_wrong_key_nothing_is_done(caller: Caller, outside: Outside, key: str) -> None:
    """A key has 1 to 255 characters."""
    answer = await caller.call(
        "POST", "/payments/authorizations", key=key, json={**GOOD, "reference": caller.reference}
    )
    assert (answer.status, "Idempotency-Key" in answer.body["message"]) == (400, True)
    assert await outside.totals(caller.reference) == []


async def test_without_a_key_a_call_takes_effect_each_time(caller: Caller, outside: Outside) -> None:
    """Nothing tells a repeat from another call; what was called without a key is counted as such."""
    for _ in range(2):
        answer = await caller.call("POST", "/payments/authorizations", json={**GOOD, "reference": caller.reference})
        assert answer.status == 201
    (count,) = await outside.counts(caller.reference)
    assert (count.key, count.calls, count.effects, count.replays) == ("", 2, 2, 0)


async def test_a_body_that_is_no_json_is_told(caller: Caller) -> None:
    """What cannot be read at all is malformed too."""
    answer = await caller.call("POST", "/shipments", key=caller.key("bad"), data=b"{")
    assert (answer.status, answer.body["error"]) == (400, "malformed")
    answer = await caller.call("POST", "/shipments", key=caller.key("bad"), data=b"\xff\xfe")
    assert (answer.status, answer.body["error"]) == (400, "malformed")
