"""The outside answers as it is scripted, over HTTP, and tells whose call it was."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aiohttp
import pytest

from harness.attempted import Attempted
from harness.scripted_outside import NotAttributed, ScriptedOutside


def attempt(workflow_id: str, number: int = 1) -> Attempted:
    began = datetime.now(UTC)
    return Attempted(workflow_id, "a-run", "charge", "1", number, began)


@pytest.fixture
def begun() -> list[Attempted]:
    """The attempts that are open."""
    return []


@pytest.fixture
def outside(begun: list[Attempted]) -> Iterator[ScriptedOutside]:
    with ScriptedOutside(lambda: begun) as standing:
        yield standing


@pytest.fixture
async def http(outside: ScriptedOutside) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(outside.url) as session:
        yield session


async def test_it_answers_in_turn_and_the_last_answer_stays(
    outside: ScriptedOutside, http: aiohttp.ClientSession
) -> None:
    """Status, body, headers; JSON; or no answer at all."""
    outside.on("POST /charges").answer(503, "not now", headers={"Retry-After": "1"}).drop().answer(201, {"id": 7})
    refused = await http.post("/charges", json={"cents": 5})
    assert (refused.status, await refused.text(), refused.headers["Retry-After"]) == (503, "not now", "1")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http.post("/charges", json={"cents": 5})
    for _ in range(2):
        taken = await http.post("/charges?again=1", json={"cents": 5})
        assert (taken.status, await taken.json()) == (201, {"id": 7})
    assert [(call.route, call.json, call.status) for call in outside.calls] == [
        ("POST /charges", {"cents": 5}, status) for status in (503, None, 201, 201)
    ]
    assert outside.calls[-1].path == "/charges?again=1"


async def test_a_route_is_a_pattern_and_what_has_none_is_refused(
    outside: ScriptedOutside, http: aiohttp.ClientSession
) -> None:
    """The first that fits; a call that nobody scripted is told as such."""
    outside.on("GET /charges/7").answer(404)
    outside.on("GET /charges/*").answer(200, b"\0\xff")
    assert [(await http.get(f"/charges/{number}")).status for number in (7, 8)] == [404, 200]
    assert await (await http.get("/charges/8")).read() == b"\0\xff"
    unknown = await http.delete("/charges/8")
    assert (unknown.status, await unknown.text()) == (501, "nothing is scripted for DELETE /charges/8")


async def test_a_call_is_the_attempt_s_that_is_open_or_named(
    outside: ScriptedOutside, http: aiohttp.ClientSession, begun: list[Attempted]
) -> None:
    """By its workflow's id, in the path, a header or the body; by that of an id that begins like another's too."""
    outside.on("POST /*").answer()
    begun.append(attempt("order-1"))
    await http.post("/alone")
    begun.append(attempt("order-12"))
    await http.post("/", headers={"Idempotency-Key": "order-12/charge"})
    await http.post("/", data=b"pay for order-1")
    assert [call.attempt for call in outside.calls] == [begun[0], begun[1], begun[0]]
    assert outside.per_attempt() == [2, 1]
    outside.once_per_attempt("POST /alone")
    assert outside.repeated() == []
    await http.post("/whose")
    begun.append(attempt("order-1", 2))
    await http.post("/", data=b"pay for order-1")
    assert [call.attempt for call in outside.calls[-2:]] == [None, None]
    with pytest.raises(NotAttributed, match="/whose: it cannot be told"):
        outside.per_attempt("POST /whose")


async def test_only_the_same_request_of_the_same_attempt_is_a_repeat(
    outside: ScriptedOutside, http: aiohttp.ClientSession, begun: list[Attempted]
) -> None:
    """Not that of the next attempt, nor one with another body."""
    outside.on("POST /pay").answer()
    outside.once_per_attempt()
    for number in (1, 2):
        begun[:] = [attempt("order-1", number)]
        for cents in ("5", "6"):
            await http.post("/pay", data=cents)
    assert outside.repeated() == []
    await http.post("/pay", data="6")
    assert outside.repeated() == ["charge, attempt 2, of 'order-1' made the same request 2 times: POST /pay"]


async def test_a_late_answer_holds_nothing_up(begun: list[Attempted]) -> None:
    """Neither other calls nor the end."""
    with ScriptedOutside(lambda: begun) as outside:
        outside.on("GET /slow").answer(delay=86_400)
        outside.on("GET /quick").answer()
        async with aiohttp.ClientSession(outside.url) as http:
            slow = aiohttp.ClientTimeout(total=0.5)
            with pytest.raises(TimeoutError):
                await http.get("/slow", timeout=slow)
            assert (await http.get("/quick")).status == 200
