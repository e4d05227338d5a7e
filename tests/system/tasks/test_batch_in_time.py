"""What takes time: attempts far apart, an attempt that takes too long, a pause over night; time is skipped."""

from datetime import timedelta

import pytest
from batches import Gate, checksum, gated
from skipping import skipping
from temporalio.client import WorkflowHandle

from system.cache.cache import Cache
from system.pipeline.summaries import Summaries
from system.storage.pool import Pool
from system.tasks.activities import TaskActivities
from system.tasks.handlers import REGISTRY
from system.tasks.models import BatchReport, BatchRequest
from system.tasks.workflow import Batch


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", made.handler)
    return made


async def duration(handle: WorkflowHandle[Batch, BatchReport]) -> timedelta:
    told = await handle.describe()
    assert told.close_time is not None
    return told.close_time - told.start_time


async def test_attempts_outlast_a_service_that_is_away(database: Pool, gate: Gate) -> None:
    """Nine of ten attempts fail, over more than 40 s; the item is done, and what needs it as well."""
    gate.failures = 9
    items = (gated("a", waits=False), checksum("b", needs=("a",)))
    async with skipping(TaskActivities(database, Summaries(database, Cache(None))).all) as (client, queue):
        handle = await client.start_workflow(Batch.run, BatchRequest(items=items), id="away", task_queue=queue)
        assert (await handle.result()).done == 2
        assert await duration(handle) > timedelta(seconds=40)
    assert gate.began == ["a"] * 10
