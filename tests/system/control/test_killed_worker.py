"""A worker that is killed in the midst of a bulk operation: another one goes on, and no target is acted on twice."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from controlled_loads import PATIENCE, let_go, paused_loads, request, signals, start_bulk, states
from running_system import ROOT, App, Write, environment
from temporalio.client import Client

from harness.attempt import Attempt
from harness.eventually import eventually
from harness.services.process import Process
from system.connection import connect
from system.control import activities, store
from system.control.actions import Command, act, find
from system.control.activities import ControlActivities
from system.control.models import Pause, Reset, Round, Signal, Target, Terminate
from system.control.pausable import PAUSED, RESUME, Order
from system.pipeline.schema import Schema
from system.settings import Settings
from system.storage.pool import Pool

TAKES_OVER = 90
"""Seconds until a worker's death is noticed, and another one has gone on: heartbeat and sticky timeouts."""


@pytest.fixture
async def start_worker(settings: Settings, tmp_path: Path) -> AsyncIterator[Callable[[], Process]]:
    """Start a worker as a process of its own."""
    started: list[Process] = []

    def start() -> Process:
        process = Process(
            f"worker-{len(started)}",
            [sys.executable, "-m", "system", "worker"],
            log_path=tmp_path / f"worker-{len(started)}.log",
            env=environment(settings),
            cwd=ROOT,
        )
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        await process.kill()


async def test_a_killed_worker_loses_and_doubles_nothing(
    start_worker: Callable[[], Process], settings: Settings, database: Pool, write: Write, people: Schema
) -> None:
    """Each of the targets gets its one signal, and has its one outcome."""
    worker = start_worker()
    app = App(await connect(settings), settings, database)
    query, loads = await paused_loads(app, write, people, 12)
    operation = await start_bulk(app, query, Signal(name="once"), rate=4)

    async def some_done() -> bool:
        return (await states(app, operation.id)).get("done", 0) >= 4

    await eventually(some_done, timeout=PATIENCE)
    await worker.kill()
    assert (await states(app, operation.id))["pending"] > 0, "it was killed in the midst"
    start_worker()
    await eventually(lambda: done(app, operation.id, 12), timeout=TAKES_OVER, interval=0.2)
    assert (await operation.result()).counts.done == 12
    for load in loads:
        assert await signals(load) == ["control.pause", "once"]
    acts = await database.fetchrow(
        "SELECT count(*), count(DISTINCT item) AS items FROM effects WHERE workflow_id = $1 AND step = 'act'",
        operation.id,
    )
    assert acts is not None
    assert tuple(acts) == (12, 12)


async def done(app: App, operation: str, number: int) -> bool:
    return (await states(app, operation)).get("done", 0) == number


@pytest.mark.parametrize("action", [Signal(name="once"), Terminate(), Pause()], ids=["signal", "terminate", "pause"])
async def test_an_attempt_that_died_before_it_could_record(
    app: App, write: Write, people: Schema, action: Signal | Terminate | Pause
) -> None:
    """The next one finds in the history that the action was carried out, even where the workflow has ended since."""
    _, [load] = await paused_loads(app, write, people, 1)
    run = await find(app.client, load.id)
    assert run is not None
    operation = f"bulk-{secrets.token_hex(6)}"
    order = request("x", action)
    target = Target(workflow_id=load.id, run_id=run.run_id, workflow_type=run.workflow_type, status="running")
    async with app.database.acquire() as connection, connection.transaction():
        await store.open_operation(connection, operation, "bulk", order, [target])
        await store.claim(connection, operation, 1, timedelta())
    command = Command(action=action, by="ann", reason="a test", operation=operation)
    assert (await act(app.client, command, run, repeated=False)).state == "done"
    if action.kind == "signal":
        await load.signal(RESUME, Order(by="x", reason="y"))
        await load.result()
    sent = {"signal": ["once", "control.resume"], "pause": ["control.pause"], "terminate": []}[action.kind]
    before = ["control.pause", *sent]

    async def arrived() -> bool:  # a signal is in no history while a workflow task is under way
        return await signals(load) == before

    await eventually(arrived, timeout=PATIENCE)
    attempt = Attempt(workflow_id=operation)
    counts = await attempt.run(ControlActivities(app.database, app.client).act, Round(first=1, last=1, order=order))
    assert (counts.done, counts.skipped) == (1, 0)
    assert await signals(load) == before
    again = await attempt.run(ControlActivities(app.database, app.client).act, Round(first=1, last=1, order=order))
    assert (again.done, await signals(load)) == (1, before)
    await let_go(app)


@pytest.mark.parametrize("action", [Signal(name="once"), Reset(to="first_task")], ids=["signal", "reset"])
async def test_attempts_at_the_same_time_have_one_effect(
    app: App, write: Write, people: Schema, action: Signal | Reset
) -> None:
    """One was given up and runs on: the server takes each request once, and each outcome is recorded once."""
    _, loads = await paused_loads(app, write, people, 3)
    operation = f"bulk-{secrets.token_hex(6)}"
    order = request("x", action)
    targets = []
    for load in loads:
        await load.query(PAUSED)  # then it has a workflow task to be reset to
        run_id = load.first_execution_run_id or ""
        targets.append(Target(workflow_id=load.id, run_id=run_id, workflow_type="pipeline.Pipeline", status="running"))
    async with app.database.acquire() as connection, connection.transaction():
        await store.open_operation(connection, operation, "bulk", order, targets)
    acting = ControlActivities(app.database, app.client).act

    async def attempt() -> int:
        return (await Attempt(workflow_id=operation).run(acting, Round(first=1, last=3, order=order))).done

    counted = await asyncio.gather(*(attempt() for _ in range(4)))
    assert max(counted) == 3
    for load in loads:
        if action.kind == "signal":
            assert await signals(load) == ["control.pause", "once"]
        else:
            runs = [one async for one in app.client.list_workflows(f"WorkflowId = '{load.id}'")]
            latest = (await app.client.get_workflow_handle(load.id).describe()).run_id
            assert {one.run_id for one in runs} <= {load.first_execution_run_id, latest}
    acts = await app.database.fetch("SELECT item FROM effects WHERE workflow_id = $1 AND step = 'act'", operation)
    assert len(acts) == len(set(acts)) == 3
    await let_go(app)


async def test_no_transaction_is_open_while_temporal_is_asked(
    app: App, write: Write, people: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer may take longer than a transaction may be idle, and than a claim lasts: it is kept meanwhile."""
    _, [load] = await paused_loads(app, write, people, 1)
    operation = f"bulk-{secrets.token_hex(6)}"
    order = request("x", Signal(name="once"))
    run_id = load.first_execution_run_id or ""
    target = Target(workflow_id=load.id, run_id=run_id, workflow_type="pipeline.Pipeline", status="running")
    async with app.database.acquire() as connection, connection.transaction():
        await store.open_operation(connection, operation, "bulk", order, [target])
    monkeypatch.setattr(activities, "LEASE", timedelta(seconds=1))
    asked: list[bool] = []
    answered = asyncio.Event()

    async def slow(client: Client, workflow_id: str, run: str) -> object:
        asked.append(True)
        await answered.wait()
        return await find(client, workflow_id, run)

    monkeypatch.setattr(activities, "find", slow)
    attempt = Attempt(workflow_id=operation)
    act_ = ControlActivities(app.database, app.client).act
    attempts = [asyncio.create_task(attempt.run(act_, Round(first=1, last=1, order=order))) for _ in range(2)]

    async def kept() -> bool:  # beyond the first second, by whoever has it
        return bool(
            await app.database.fetchval(
                "SELECT claimed_until > attempted_at + interval '3 seconds' FROM control_outcomes WHERE claims = 1"
            )
        )

    await eventually(kept, timeout=PATIENCE)
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
    assert await app.database.fetchval(idle) == 0
    assert asked == [True]
    answered.set()
    assert [(await made).done for made in attempts] == [1, 1]
    assert await signals(load) == ["control.pause", "once"]
    await let_go(app)
