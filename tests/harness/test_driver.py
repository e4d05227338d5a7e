"""The driver records each call of an iteration with its times and its fate, and survives whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from small_worker import Quiet, Small, small_worker
from temporalio.client import Client
from temporalio.service import RetryConfig
from temporalio.worker import Worker

from harness.clock import now
from harness.driver import App, Outcome, Refused, drive
from harness.eventually import eventually
from harness.links import Link, Links
from harness.records.operations import Ack, Kind
from harness.resolving import resolve
from harness.stack import Stack


@pytest.fixture(scope="module")
async def worker(temporal_address: str) -> AsyncIterator[Worker]:
    """A worker for the small workflows, in this process."""
    async with small_worker(temporal_address) as running:
        yield running


@pytest.fixture
async def small(temporal_address: str, worker: Worker, tmp_path: Path) -> Small:
    """A run of its own for this test."""
    return Small(await Client.connect(temporal_address), worker.task_queue, tmp_path)


@pytest.fixture
async def link(stack: Stack) -> AsyncIterator[tuple[Links, Link]]:
    """A link to Temporal that this test may cut."""
    links = Links(stack["toxiproxy"], stack.services)
    try:
        yield links, await links.open("driver-test", "temporal")
    finally:
        await links.close()


class Acts(Quiet):
    """Does what a test tells it."""

    def __init__(self, act: Callable[[App], Awaitable[Any]], timeout: float = 20.0) -> None:
        self.act = act
        self.timeout = timeout

    async def run(self, app: App, given: Any) -> None:
        await self.act(app)


async def test_a_start_and_its_result_are_recorded(small: Small) -> None:
    """A start that is acknowledged is ok with its run id; its result is ok, closed, with the status and the value."""
    scenario = Quiet()
    app = small.app(scenario)
    started = await app.start("Echo", "hello", result_type=str)
    assert await app.result(started) == Outcome(status="completed", value="hello")
    start, result = small.operations
    assert (start.kind, start.name, start.ack, start.error) == (Kind.START, "Echo", Ack.OK, None)
    assert start.workflow_id == f"{small.run}.small-quiet.0.main" == started.id
    assert start.run_id
    assert start.status is None
    assert (result.kind, result.ack, result.status, result.error) == (Kind.RESULT, Ack.OK, "completed", None)
    assert start.acknowledged is not None
    assert start.intended <= start.sent <= start.acknowledged <= result.sent
    assert result.acknowledged == result.closed
    assert result.acknowledged is not None
    assert result.acknowledged >= result.sent


async def test_latency_counts_from_the_intended_start(small: Small) -> None:
    """An iteration that begins late still counts from when it was meant to: in its start and in its result."""
    app = small.app(Quiet(), intended=now() - 7)
    await app.result(await app.start("Echo", "late"))
    start, result = small.operations
    assert start.response_time is not None
    assert result.response_time is not None
    assert start.response_time > 7
    assert result.response_time > 7
    assert start.lag > 7
    assert start.service_time is not None
    assert start.service_time < 5


async def fails(app: App) -> Outcome:
    return await app.result(await app.start("Fails", "the disk is full"))


async def is_cancelled(app: App) -> Outcome:
    started = await app.start("Waits", "")
    await started.handle.cancel()
    return await app.result(started)


async def is_terminated(app: App) -> Outcome:
    started = await app.start("Waits", "")
    await started.handle.terminate(reason="no longer wanted")
    return await app.result(started)


async def times_out(app: App) -> Outcome:
    return await app.result(await app.start("Waits", "", execution_timeout=timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("act", "status", "says"),
    [
        (fails, "failed", "the disk is full"),
        (is_cancelled, "canceled", "CancelledError"),
        (is_terminated, "terminated", "no longer wanted"),
        (times_out, "timed_out", "TimeoutError"),
    ],
)
async def test_a_bad_end_is_an_outcome_and_is_recorded(
    small: Small, act: Callable[[App], Awaitable[Outcome]], status: str, says: str
) -> None:
    """A workflow that does not complete gives an outcome with its closing status and cause; the answer itself is ok."""
    outcome = await act(small.app(Quiet()))
    assert outcome.status == status
    assert outcome.value is None
    assert says in (outcome.error or "")
    recorded = small.operations[-1]
    assert (recorded.kind, recorded.ack, recorded.status) == (Kind.RESULT, Ack.OK, status)
    assert recorded.error == outcome.error
    assert recorded.closed is not None


async def test_signals_updates_and_queries_are_recorded(small: Small) -> None:
    """Each call is recorded by its own name with its own times, and its answer is handed to the scenario."""
    app = small.app(Quiet())
    started = await app.start("Waits", "", result_type=list[str])
    await app.signal(started, "word", "one")
    assert await app.update(started, "add", "two") == 2
    assert await app.query(started, "words", result_type=list[str]) == ["one", "two"]
    await app.signal(started, "go")
    assert (await app.result(started)).value == ["one", "two"]
    assert [(op.kind, op.name, op.ack) for op in small.operations] == [
        (Kind.START, "Waits", Ack.OK),
        (Kind.SIGNAL, "word", Ack.OK),
        (Kind.UPDATE, "add", Ack.OK),
        (Kind.QUERY, "words", Ack.OK),
        (Kind.SIGNAL, "go", Ack.OK),
        (Kind.RESULT, "", Ack.OK),
    ]
    for call in small.operations[1:5]:
        assert call.intended == call.sent
        assert call.acknowledged is not None


async def rejected_update(app: App) -> None:
    await app.update(await app.start("Waits", ""), "add", "")


async def failing_query(app: App) -> None:
    await app.query(await app.start("Waits", ""), "broken")


async def unknown_query(app: App) -> None:
    await app.query(await app.start("Waits", ""), "no_such_query")


async def late_signal(app: App) -> None:
    started = await app.start("Echo", "gone")
    await app.result(started)
    await app.signal(started, "go")


async def late_update(app: App) -> None:
    started = await app.start("Echo", "gone")
    await app.result(started)
    await app.update(started, "add", "x")


async def second_start(app: App) -> None:
    await app.start("Waits", "")
    await app.start("Waits", "")


@pytest.mark.parametrize(
    ("act", "kind", "says"),
    [
        (rejected_update, Kind.UPDATE, "a word has letters"),
        (failing_query, Kind.QUERY, "there is no answer to that"),
        (unknown_query, Kind.QUERY, "no_such_query"),
        (late_signal, Kind.SIGNAL, "already completed"),
        (late_update, Kind.UPDATE, "already completed"),
        (second_start, Kind.START, "already started"),
    ],
)
async def test_what_the_server_refuses_ends_the_iteration_as_a_failed_call(
    small: Small, act: Callable[[App], Awaitable[None]], kind: Kind, says: str
) -> None:
    """A refused call is recorded as fail and raises Refused; uncaught it is a finding, unless it was a start."""
    with pytest.raises(Refused, match=says):
        await act(small.app(Quiet()))
    refused = small.operations[-1]
    assert (refused.kind, refused.ack) == (kind, Ack.FAIL)
    assert says in (refused.error or "")
    assert refused.acknowledged is not None
    findings = await drive(Acts(act), small.app(Quiet(), index=1))
    assert [finding.problem for finding in findings] == ([] if kind is Kind.START else ["refused"])


async def test_a_timeout_of_the_scenarios_own_is_a_finding(small: Small) -> None:
    """Only the iteration's own limit is no defect: a store that did not answer the scenario in time is one."""

    async def act(_: App) -> None:
        raise TimeoutError("the store")

    (finding,) = await drive(Acts(act), small.app(Quiet()))
    assert (finding.problem, finding.message) == ("broke", "TimeoutError: the store")


async def test_without_an_answer_nobody_knows(small: Small, link: tuple[Links, Link]) -> None:
    """Through a cut link every call is info, never fail; after heal the server tells which of them happened."""
    links, way = link
    soon = RetryConfig(initial_interval_millis=10, max_elapsed_time_millis=100, max_retries=1)
    client = await Client.connect(way.listen, retry_config=soon)
    app = small.app(Quiet(), client=client)
    lives = await app.start("Waits", "", part="lives")
    await links.api.disable(way)
    never = await app.start("Waits", "", part="never")
    await app.signal(lives, "go")
    assert await app.update(lives, "add", "x") is None
    assert await app.query(lives, "words") is None
    assert (await app.result(lives)).status is None
    lived, started, *calls, result = small.operations
    assert [op.kind for op in (started, *calls, result)] == list(Kind)
    for unanswered in (started, *calls, result):
        assert unanswered.ack is Ack.INFO
        assert unanswered.acknowledged is None
        assert unanswered.error
    assert never.id == started.workflow_id
    assert await resolve(started, client) is started, "asked while the link is cut, nobody knows yet"
    await links.api.enable(way)
    assert (await resolve(started, small.client)).ack is Ack.FAIL, "the server knows of no such workflow"
    unheard = msgspec.structs.replace(lived, ack=Ack.INFO, acknowledged=None, run_id=None)
    resolved = await resolve(unheard, small.client)
    assert (resolved.ack, resolved.run_id) == (Ack.OK, lived.run_id), "it had happened, and only the answer was lost"
    signal, update, query = calls
    assert (await resolve(query, small.client)).ack is Ack.FAIL, "it changes nothing, so it is as if never asked"
    for call in (signal, update):
        assert await resolve(call, small.client) is call, "the workflow runs, and may have it before it yet"


async def test_an_unanswered_result_is_found_out_later(small: Small) -> None:
    """A result given up at the scenario's timeout is info; once the workflow has closed it resolves to its status."""

    async def wait(app: App) -> None:
        await app.result(await app.start("Waits", ""))

    impatient = Acts(wait, timeout=1)
    began = now()
    assert await drive(impatient, small.app(impatient)) == []
    assert now() - began < 5
    start, result = small.operations
    assert (start.ack, result.ack, result.status) == (Ack.OK, Ack.INFO, None)
    assert "no result within" in (result.error or "")
    assert await resolve(result, small.client) is result, "it still runs"
    handle = small.client.get_workflow_handle(start.workflow_id)
    await handle.signal("go")
    await handle.result()
    resolved = await resolve(result, small.client)
    assert (resolved.ack, resolved.status) == (Ack.OK, "completed")
    assert resolved.closed is not None
    assert resolved.acknowledged is None, "the caller never had the answer, so there is no latency to count"
    assert await resolve(start, small.client) is start, "what was answered is not asked again"


async def test_the_timeout_ends_an_iteration_in_any_call(small: Small) -> None:
    """An update that is never answered is given up at the scenario's timeout as info, and nothing comes after it."""

    async def stuck(app: App) -> None:
        started = await app.start("Waits", "")
        await app.update(started, "never")
        await app.signal(started, "go")

    impatient = Acts(stuck, timeout=1)
    began = now()
    assert await drive(impatient, small.app(impatient)) == []
    assert now() - began < 5
    assert [(op.kind, op.ack) for op in small.operations] == [(Kind.START, Ack.OK), (Kind.UPDATE, Ack.INFO)]
    assert "given up" in (small.operations[-1].error or "")


async def test_a_cancelled_iteration_ends_and_leaves_its_open_call_as_info(small: Small) -> None:
    """Ctrl-C in the middle of any call records it as info and goes on up as a cancellation."""

    async def stuck(app: App) -> None:
        await app.update(await app.start("Waits", ""), "never")

    scenario = Acts(stuck)
    driving = asyncio.create_task(drive(scenario, small.app(scenario)))

    async def accepted() -> bool:
        handle = small.client.get_workflow_handle(f"{small.run}.small-quiet.0.main")
        return "update_accepted" in str([e.WhichOneof("attributes") async for e in handle.fetch_history_events()])

    await eventually(accepted)
    driving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driving
    assert (small.operations[-1].kind, small.operations[-1].ack) == (Kind.UPDATE, Ack.INFO)


async def test_a_scenario_that_raises_is_one_finding(small: Small) -> None:
    """An error of the scenario itself is a finding "broke" that names the iteration and the cause, and nothing else."""

    async def broken(app: App) -> None:
        await app.result(await app.start("Echo", "fine"))
        raise KeyError("amount") from ValueError("the bill is empty")

    scenario = Acts(broken)
    (finding,) = await drive(scenario, small.app(scenario, index=4))
    assert finding.problem == "broke"
    assert finding.workflow_id == f"{small.run}.small-quiet.4."
    assert "KeyError: 'amount' (ValueError: the bill is empty)" in finding.message
    assert [op.ack for op in small.operations] == [Ack.OK, Ack.OK]


async def test_a_scenario_whose_draw_raises_is_one_finding(small: Small) -> None:
    """A draw that fails breaks its own iteration, not the run."""

    class Undrawable(Quiet):
        def draw(self, rng: Random) -> Any:
            return rng.randint(2, 1)

    (finding,) = await drive(Undrawable(), small.app(Undrawable()))
    assert finding.problem == "broke"
    assert small.operations == []


async def test_the_same_seed_draws_the_same_inputs_in_any_order(small: Small) -> None:
    """What an iteration draws depends on seed, scenario and index alone, not on what was driven before it."""

    class Draws(Quiet):
        def __init__(self) -> None:
            self.drawn: dict[int, float] = {}

        def draw(self, rng: Random) -> float:
            return rng.random()

        async def run(self, app: App, given: float) -> None:
            self.drawn[app.iteration.index] = given

    there, back = Draws(), Draws()
    for index in range(5):
        await drive(there, small.app(there, index=index))
    for index in reversed(range(5)):
        await drive(back, small.app(back, index=index))
    assert there.drawn == back.drawn
    assert len(set(there.drawn.values())) == 5
