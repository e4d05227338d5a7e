"""The engine is open loop: an iteration starts when it is meant to, whatever becomes of the ones before."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from temporalio.client import Client

from harness.clock import now
from harness.driver import App
from harness.eventually import eventually
from harness.records.effects import Fact
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from loadtests.engine import Progress, fire
from loadtests.loop import new_event_loop


class Acts(Scenario[Any]):
    """Does what a test tells it, with the number of its iteration."""

    name = "engine-acts"
    proves = "the engine fires on time"
    timeout = 20.0

    def __init__(self, act: Callable[[App], Awaitable[Any]]) -> None:
        self.act = act

    def draw(self, rng: Random) -> Any:
        return None

    async def run(self, app: App, given: Any) -> None:
        await self.act(app)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
        return {}

    def check(self, given: Any, operations: Sequence[Operation], facts: Sequence[Fact]) -> list[Finding]:
        return []


@pytest.fixture
async def client(temporal_address: str) -> Client:
    """A client of a server on which nobody polls these tests' queue."""
    return await Client.connect(temporal_address)


@pytest.fixture
def recorded() -> list[Operation]:
    """What was recorded in this test."""
    return []


@pytest.fixture
def app_for(client: Client, recorded: list[Operation], tmp_path: Path) -> Callable[[Iteration], App]:
    """Makes apps that record into `recorded`."""

    def make(iteration: Iteration) -> App:
        return App(client=client, iteration=iteration, task_queue="engine", workspace=tmp_path, record=recorded.append)

    return make


def plan(rate: float, duration: float) -> list[Iteration]:
    """Iterations of a run that no other test shares, evenly spaced, the first in a tenth of a second."""
    begin, run = now() + 0.1, f"engine-{secrets.token_hex(4)}"
    return [
        Iteration(run=run, scenario=Acts.name, index=number, seed=1, intended=begin + number / rate)
        for number in range(round(rate * duration))
    ]


async def drive_all(
    scenario: Scenario[Any],
    iterations: Sequence[Iteration],
    app_for: Callable[[Iteration], App],
    *,
    in_flight: int = 1_000,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> list[Finding]:
    """Fire iterations of one scenario."""
    return await fire({Acts.name: scenario}, iterations, app_for, in_flight=in_flight, on_progress=on_progress)


async def test_a_stalled_iteration_does_not_delay_the_next(app_for: Callable[[Iteration], App]) -> None:
    """Iterations that wait for one another all start on time: closed loop, the first would hold up all."""
    last = asyncio.Event()
    lags: dict[int, float] = {}

    async def act(app: App) -> None:
        lags[app.iteration.index] = now() - app.iteration.intended
        if app.iteration.index == 9:
            last.set()
        await last.wait()  # every one stalls until the last has started

    iterations = plan(20, 0.5)
    assert await drive_all(Acts(act), iterations, app_for) == []
    assert sorted(lags) == list(range(10))
    assert all(0 <= lag < 2 for lag in lags.values()), lags


def test_nothing_is_sent_before_its_time() -> None:
    """On the loop that a load is generated on, whose timers count in whole milliseconds."""
    lags: list[float] = []

    async def act(app: App) -> None:
        lags.append(now() - app.iteration.intended)

    async def drive_them() -> None:
        client = await Client.connect("127.0.0.1:1", lazy=True)

        def app(iteration: Iteration) -> App:
            return App(client=client, iteration=iteration, task_queue="", workspace=Path(), record=lambda _: None)

        await drive_all(Acts(act), plan(200.7, 0.5), app)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(drive_them())
    assert len(lags) == 100
    assert min(lags) >= 0


async def test_calls_are_sent_at_their_intended_times(
    app_for: Callable[[Iteration], App], recorded: list[Operation]
) -> None:
    """Sent less intended is small for every start, though each iteration lasts a second: one by one it would grow."""

    async def act(app: App) -> None:
        await app.result(await app.start("Never", None))

    scenario = Acts(act)
    scenario.timeout = 1
    await drive_all(scenario, plan(20, 0.5), app_for)
    # Answers come in any order, and with them what is recorded.
    starts = sorted((op for op in recorded if op.kind is Kind.START), key=lambda op: op.iteration)
    results = [op for op in recorded if op.kind is Kind.RESULT]
    assert [op.iteration for op in starts] == list(range(10))
    assert all(0 <= op.lag < 2 for op in starts)
    assert all(op.ack is Ack.OK for op in starts)
    assert len(results) == 10
    assert all(op.ack is Ack.INFO for op in results)
    assert [op.intended for op in sorted(results, key=lambda op: op.iteration)] == [op.intended for op in starts]


async def test_what_cannot_be_taken_on_is_shed_and_recorded(
    app_for: Callable[[Iteration], App], recorded: list[Operation]
) -> None:
    """An arrival beyond the cap is a start that failed; once there is room again, arrivals are taken on again."""
    two_were_shed = asyncio.Event()
    ran: list[int] = []
    seen: list[tuple[int, int, int]] = []

    async def act(app: App) -> None:
        ran.append(app.iteration.index)
        await two_were_shed.wait()

    def watch(progress: Progress) -> None:
        seen.append((progress.started, progress.ended, progress.shed))
        if progress.shed == 2:
            two_were_shed.set()

    iterations = plan(5, 1.2)
    await drive_all(Acts(act), iterations, app_for, in_flight=2, on_progress=watch)
    assert ran == [0, 1, 4, 5]
    assert [shed.iteration for shed in recorded] == [2, 3]
    for shed in recorded:
        assert (shed.kind, shed.ack) == (Kind.START, Ack.FAIL)
        assert shed.workflow_id == iterations[shed.iteration].prefix
        assert shed.intended == iterations[shed.iteration].intended
        assert "shed" in (shed.error or "")
    assert seen[-1] == (6, 6, 2)


async def test_what_breaks_in_one_iteration_spares_the_others(app_for: Callable[[Iteration], App]) -> None:
    """An iteration that raises is a finding; all others still run."""
    ran: list[int] = []

    async def act(app: App) -> None:
        ran.append(app.iteration.index)
        if app.iteration.index == 1:
            raise LookupError("gone")

    iterations = plan(50, 0.1)
    (broke,) = await drive_all(Acts(act), iterations, app_for)
    assert sorted(ran) == [0, 1, 2, 3, 4]
    assert broke.problem == "broke"
    assert broke.workflow_id == iterations[1].prefix


async def test_a_load_that_is_cancelled_records_what_is_open(
    app_for: Callable[[Iteration], App], recorded: list[Operation]
) -> None:
    """Ctrl-C ends the load at once; what waited for an answer is recorded as info, what had not begun is not."""

    async def act(app: App) -> None:
        await app.result(await app.start("Never", None))

    load = asyncio.create_task(drive_all(Acts(act), plan(1, 60), app_for))
    await eventually(lambda: recorded)
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load
    assert [(op.iteration, op.kind, op.ack) for op in recorded] == [
        (0, Kind.START, Ack.OK),
        (0, Kind.RESULT, Ack.INFO),
    ]
