"""Whose turn it is on a real task queue: by priority, and among tenants by weight (Temporal's own Priority)."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from batches import Gate, gated
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import Worker

from harness.eventually import eventually
from harness.services import temporal
from harness.stack import Stack
from system.cache.cache import Cache
from system.pipeline.summaries import Summaries
from system.plugin import SystemPlugin
from system.search_attributes import register
from system.storage.pool import Pool
from system.tasks.activities import TaskActivities
from system.tasks.handlers import REGISTRY
from system.tasks.models import MOST_AT_ONCE, BatchRequest, Item
from system.tasks.workflow import Batch

FLAGS = {
    "matching.enableFairness": "true",
    # With four partitions, the default, order holds within each.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", made.handler)
    return made


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Client]:
    """A server of this test's own, which has fairness enabled and one partition a queue."""
    monkeypatch.setattr(temporal, "DYNAMIC_CONFIG", {**temporal.DYNAMIC_CONFIG, **FLAGS})
    async with Stack.of(["temporal"], log_directory=tmp_path) as stack:
        connected = await Client.connect(stack.addresses["temporal.address"], plugins=[SystemPlugin()])
        await register(connected)
        yield connected


async def begun_in_one_slot(client: Client, database: Pool, gate: Gate, items: list[Item], first: int) -> list[str]:
    """Keys in the order in which one slot ran a batch's items, the ``first`` ones of which were all waiting for it."""
    queue = f"turns-{secrets.token_hex(4)}"
    async with Worker(
        client,
        task_queue=queue,
        activities=TaskActivities(database, Summaries(database, Cache(None))).all,
        max_concurrent_activities=1,
    ):
        request = BatchRequest(items=tuple(items), concurrency=MOST_AT_ONCE)
        handle = await client.start_workflow(Batch.run, request, id=queue, task_queue=queue)

        async def all_wait() -> bool:
            return bool(gate.began) and await backlog(client, queue) == first - 1

        await eventually(all_wait, timeout=20)
        gate.open.set()
        assert (await handle.result()).done == len(items)
    return gate.began


async def backlog(client: Client, queue: str) -> int:
    """How many activities wait in a queue, as the server says."""
    told = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
    )
    return told.stats.approximate_backlog_count


async def test_urgent_items_go_before_those_that_wait_longer(client: Client, database: Pool, gate: Gate) -> None:
    """They become runnable when twenty others wait already: those that get the slot meanwhile are few."""
    patient = [gated(f"patient-{number}", priority=5) for number in range(20)]
    urgent = [gated(f"urgent-{number}", priority=1, needs=("first",)) for number in range(10)]
    order = await begun_in_one_slot(client, database, gate, [gated("first", priority=1), *patient, *urgent], first=21)
    begun = [key.partition("-")[0] for key in order]
    ahead = begun.index("urgent")
    assert begun[:ahead].count("patient") <= 3  # the slot was free until the urgent ones had been taken
    assert begun[ahead : ahead + 10] == ["urgent"] * 10


async def test_a_small_tenant_is_not_kept_waiting_by_a_large_one(client: Client, database: Pool, gate: Gate) -> None:
    """Turn by turn, though the large one's items were all there before; with triple weight, three turns of four."""
    for weight, latest in ((1.0, 22), (3.0, 16)):
        gate.began.clear()
        gate.open.clear()
        large = [gated(f"large-{number}", tenant="large") for number in range(40)]
        small = [gated(f"small-{number}", tenant="small", weight=weight) for number in range(10)]
        order = await begun_in_one_slot(client, database, gate, [*large, *small], first=50)
        assert max(place for place, key in enumerate(order) if key.startswith("small")) <= latest
