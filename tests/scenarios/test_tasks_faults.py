"""A batch under fault points: what it has in the stores is the same as without."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from running_system import ROOT, environment

from harness.faultpoints import FaultPoints
from harness.workers import Worker, Workers, WorkerSpec
from system.connection import connect
from system.settings import Settings
from system.storage.effects import ledger
from system.storage.pool import Pool
from system.tasks.models import OPEN, RECONCILE, RUN, TAKE, BatchRequest, Item
from system.tasks.workflow import Batch


@pytest.fixture
def faults(tmp_path: Path) -> FaultPoints:
    return FaultPoints(tmp_path / "faults")


@pytest.fixture
async def workers(settings: Settings, tmp_path: Path, faults: FaultPoints) -> AsyncIterator[Workers]:
    """One worker process that was told of the fault points."""
    spec = WorkerSpec(
        command=["{python}", "-m", "scenarios.worker"],
        environment={**environment(settings, HEALTH_ADDRESS="{worker.health}"), **faults.environment},
        ready_url="http://{worker.health}/ready",
        directory=ROOT,
    )
    async with Workers([Worker("worker-1", spec, {}, log_path=tmp_path / "worker.log")]) as group:
        yield group


async def test_killed_and_cut_off_at_every_step_nothing_is_lost_or_doubled(
    settings: Settings, database: Pool, workers: Workers, faults: FaultPoints
) -> None:
    """Workers die and answers are lost once the effects are committed: each item has one entry and one effect."""
    faults.under("batch", OPEN).kill_after()
    faults.under("batch", TAKE).kill_after()
    faults.under("batch", RUN, call=3).kill_after()
    faults.under("batch", RUN, call=9).lose()
    faults.under("batch", RECONCILE).lose()
    items = tuple(
        Item(
            key=f"k{number}",
            handler="account.post",
            input={"account": "a", "amount": 1},
            needs=(f"k{number - 5}",) if number > 4 else (),
        )
        for number in range(20)
    )
    client = await connect(settings)
    async with workers.kept_alive() as restarts:
        handle = await client.start_workflow(
            Batch.run, BatchRequest(items=items, concurrency=5), id="batch", task_queue=settings.task_queue
        )
        report = await handle.result()
    assert [one.act for one in faults.bitten()] == ["kill", "kill", "kill", "lose", "lose"]
    assert restarts["worker-1"] == 3
    assert (report.items, report.done) == (20, 20)
    entries = await database.fetch("SELECT item, count(*) AS entries FROM task_entries GROUP BY item")
    assert {row["item"]: row["entries"] for row in entries} == {item.key: 1 for item in items}
    async with database.acquire() as connection:
        steps = Counter(effect.step for effect in await ledger(connection, "batch"))
    assert (steps["open"], steps["run"], steps["reconcile"]) == (1, 20, 1)
