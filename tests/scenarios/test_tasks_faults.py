"""A batch under fault points: what it has in the stores is the same as without."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
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

QUEUES = {"opened": "opened", "taken": "taken", "run": "run", "unheard": "spared", "closed": "spared"}
"""For each batch the task queue, which has one worker."""


@pytest.fixture
def faults(tmp_path: Path) -> FaultPoints:
    return FaultPoints(tmp_path / "faults")


@pytest.fixture
async def workers(settings: Settings, tmp_path: Path, faults: FaultPoints) -> AsyncIterator[Workers]:
    """A worker process for each queue, told of the fault points."""

    def worker(queue: str) -> Worker:
        own = replace(settings, task_queue=f"{settings.task_queue}-{queue}")
        spec = WorkerSpec(
            command=["{python}", "-m", "scenarios.worker"],
            environment={**environment(own, HEALTH_ADDRESS="{worker.health}"), **faults.environment},
            ready_url="http://{worker.health}/ready",
            directory=ROOT,
        )
        return Worker(queue, spec, {}, log_path=tmp_path / f"{queue}.log")

    async with Workers([worker(queue) for queue in sorted(set(QUEUES.values()))]) as group:
        yield group


@pytest.mark.thorough
async def test_killed_and_cut_off_at_every_step_nothing_is_lost_or_doubled(
    settings: Settings, database: Pool, workers: Workers, faults: FaultPoints
) -> None:
    """Workers die and answers are lost once the effects are committed: each item has one entry and one effect.

    A batch for each fault, all at once, as each costs a timeout; and a worker for each death, as it is everybody's.
    """
    faults.at(OPEN, prefix="opened").kill_after()
    faults.at(TAKE, prefix="taken").kill_after()
    faults.at(RUN, prefix="run", call=3).kill_after()
    faults.at(RUN, prefix="unheard", call=9).lose()
    faults.at(RECONCILE, prefix="closed").lose()
    items = tuple(
        Item(
            key=f"k{number}",
            handler="account.post",
            input={"account": "a", "amount": 1},
            needs=(f"k{number - 5}",) if number > 4 else (),
        )
        for number in range(15)
    )
    client = await connect(settings)
    async with workers.kept_alive() as restarts:
        handles = [
            await client.start_workflow(
                Batch.run,
                BatchRequest(items=items, concurrency=5),
                id=batch,
                task_queue=f"{settings.task_queue}-{queue}",
            )
            for batch, queue in QUEUES.items()
        ]
        reports = await asyncio.gather(*(handle.result() for handle in handles))
    assert sorted((one.workflow_id, one.act) for one in faults.bitten()) == [
        ("closed", "lose"),
        ("opened", "kill"),
        ("run", "kill"),
        ("taken", "kill"),
        ("unheard", "lose"),
    ]
    assert restarts == {"opened": 1, "taken": 1, "run": 1}
    assert [(report.items, report.done) for report in reports] == [(15, 15)] * 5
    entries = await database.fetch(
        "SELECT workflow_id, item, count(*) AS entries FROM task_entries GROUP BY workflow_id, item"
    )
    assert {(row["workflow_id"], row["item"]): row["entries"] for row in entries} == {
        (batch, item.key): 1 for batch in QUEUES for item in items
    }
    for batch in QUEUES:
        async with database.acquire() as connection:
            steps = Counter(effect.step for effect in await ledger(connection, batch))
        assert (steps["open"], steps["run"], steps["reconcile"]) == (1, 15, 1)
