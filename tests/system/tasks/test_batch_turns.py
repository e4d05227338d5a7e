"""Whose turn it is on a real task queue: by priority, and among tenants by weight (Temporal's own Priority)."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from batches import Gate, Handle, gated
from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    Worker,
    WorkerTuner,
)

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


class Slots(CustomSlotSupplier):
    """A worker's slots for activities, handed out one by one: for each, it asks the queue for one task."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._free = asyncio.Semaphore(0)
        self._comes_back = False

    def give(self, count: int = 1) -> None:
        """Let the worker run so many tasks."""
        for _ in range(count):
            self._free.release()

    def keep_one(self) -> None:
        """Let it run one task after the other from now on."""
        self._comes_back = True
        self.give()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        await self._free.acquire()
        return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        pass

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        if self._comes_back or ctx.slot_info is None:
            self._loop.call_soon_threadsafe(self._free.release)


@dataclass(frozen=True)
class Turns:
    """A batch whose worker runs a task only when the test gives it a slot."""

    client: Client
    gate: Gate
    handle: Handle
    slots: Slots = field(default_factory=Slots)

    async def until_waiting(self, count: int) -> None:
        """Wait until so many activities are scheduled, and all of them are in the queue, as the server says."""

        async def counted() -> bool:
            told = await self.handle.describe()
            scheduled = [
                one.activity_id
                for one in told.raw_description.pending_activities
                if one.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            ]
            return len(scheduled) == count == await backlog(self.client, self.handle.id)

        await eventually(counted, timeout=60, interval=0.1)

    async def order(self) -> list[str]:
        """Run what waits one by one; returns the items' keys in the order in which they began."""
        self.slots.keep_one()
        await self.handle.result()
        return self.gate.began


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


@asynccontextmanager
async def turns(client: Client, database: Pool, gate: Gate, items: list[Item]) -> AsyncIterator[Turns]:
    """A batch that is opened and has taken what it can: nothing of it has begun."""
    queue, slots = f"turns-{secrets.token_hex(4)}", Slots()
    async with Worker(
        client,
        task_queue=queue,
        activities=TaskActivities(database, Summaries(database, Cache(None))).all,
        tuner=WorkerTuner.create_composite(
            workflow_supplier=FixedSizeSlotSupplier(10),
            activity_supplier=slots,
            local_activity_supplier=FixedSizeSlotSupplier(1),
            nexus_supplier=FixedSizeSlotSupplier(1),
        ),
    ):
        request = BatchRequest(items=tuple(items), concurrency=MOST_AT_ONCE)
        slots.give(2)
        yield Turns(client, gate, await client.start_workflow(Batch.run, request, id=queue, task_queue=queue), slots)


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


@pytest.mark.thorough
async def test_urgent_items_go_before_those_that_wait_longer(client: Client, database: Pool, gate: Gate) -> None:
    """They become runnable when twenty others have waited for long, and begin before any of them."""
    patient = [gated(f"patient-{number}", waits=False, priority=5) for number in range(20)]
    urgent = [gated(f"urgent-{number}", waits=False, priority=1, needs=("first",)) for number in range(10)]
    first = gated("first", waits=False, priority=1)
    async with turns(client, database, gate, [first, *patient, *urgent]) as batch:
        await batch.until_waiting(21)
        batch.slots.give()
        await eventually(lambda: gate.began == ["first"], timeout=60)
        await batch.until_waiting(21)  # the patient ones, and the take that is to find the urgent ones
        batch.slots.give()
        await batch.until_waiting(30)
        begun = [key.partition("-")[0] for key in await batch.order()]
    assert begun == ["first", *["urgent"] * 10, *["patient"] * 20]


async def test_a_small_tenant_is_not_kept_waiting_by_a_large_one(client: Client, database: Pool, gate: Gate) -> None:
    """Turn by turn, though the large one's items were all there before; with triple weight, three turns of four."""
    for weight, turns_until_done in ((1.0, 20), (3.0, 14)):
        gate.began.clear()
        large = [gated(f"large-{number}", waits=False, tenant="large") for number in range(40)]
        small = [gated(f"small-{number}", waits=False, tenant="small", weight=weight) for number in range(10)]
        async with turns(client, database, gate, [*large, *small]) as batch:
            await batch.until_waiting(50)
            begun = [key.partition("-")[0] for key in await batch.order()]
        assert begun[:turns_until_done].count("small") == 10
