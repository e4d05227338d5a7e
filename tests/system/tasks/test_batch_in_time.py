"""What takes time: attempts far apart, an attempt that takes too long, a pause over night; time is skipped."""

from datetime import timedelta

import pytest
from batches import Gate, checksum, gated
from skipping import skipping

from system.cache.cache import Cache
from system.pipeline.summaries import Summaries
from system.storage.pool import Pool
from system.tasks.activities import TaskActivities
from system.tasks.handlers import REGISTRY
from system.tasks.models import BatchRequest
from system.tasks.workflow import Batch


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", made.handler)
    return made


async def test_attempts_outlast_a_service_that_is_away(database: Pool, gate: Gate) -> None:
    """Nine of ten attempts fail, over more than 40 s; the item is done, and what needs it as well."""
    gate.failures = 9
    items = (gated("a", waits=False), checksum("b", needs=("a",)))
    async with skipping(TaskActivities(database, Summaries(database, Cache(None))).all) as temporal:
        handle = await temporal.start(Batch.run, BatchRequest(items=items))
        assert (await handle.result()).done == 2
        assert await temporal.took(handle) > timedelta(seconds=40)
    assert gate.began == ["a"] * 10
