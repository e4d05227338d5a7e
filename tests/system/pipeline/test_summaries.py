"""The summary of a dataset is cached, and is right again once a load is reconciled."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from running_system import App, Write

from system.cache.cache import Cache
from system.pipeline.schema import Schema
from system.pipeline.summaries import Summaries, Summary
from system.settings import Settings


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    """The worker has a Redis that nobody else looks into."""
    return replace(settings, redis_url=f"{redis_url.rpartition('/')[0]}/7")


@pytest.fixture
async def cache(settings: Settings) -> AsyncIterator[Cache]:
    """Another process's view of the same Redis."""
    async with Cache(settings.redis_url, call_seconds=5) as one:
        yield one


@pytest.fixture
def summaries(app: App, cache: Cache) -> Summaries:
    return Summaries(app.database, cache)


def told(summary: Summary | None) -> tuple[int, int, int] | None:
    return (summary.loads, summary.rows, summary.rows_rejected) if summary else None


@pytest.fixture
def dataset(people: Schema, settings: Settings) -> Schema:
    """People, in a dataset that no other test has cached."""
    return people.model_copy(update={"dataset": settings.task_queue.replace("-", "_")})


async def test_a_reconciled_load_ends_what_was_cached(
    app: App, cache: Cache, summaries: Summaries, write: Write, dataset: Schema
) -> None:
    """A count, and that there is none, are gone once more is loaded; asked twice, it is counted once."""
    assert await summaries.of(dataset.dataset) is None
    await app.load(write(b"name,age\nann,1\nbob,x\n"), dataset)
    first = await summaries.of(dataset.dataset)
    counted = cache.statistics().loads
    again = await summaries.of(dataset.dataset)
    assert cache.statistics().loads == counted
    await app.load(write(b"name,age\ncid,3\n"), dataset)
    assert [told(first), told(again), told(await summaries.of(dataset.dataset))] == [(1, 1, 1), (1, 1, 1), (2, 2, 1)]


async def test_warming_counts_what_is_not_there_yet(
    app: App, cache: Cache, summaries: Summaries, write: Write, dataset: Schema
) -> None:
    """Warmed, a summary is answered without counting; warmed again, nothing is counted."""
    await app.load(write(b"name,age\nann,1\n"), dataset)
    assert (await summaries.warm()).loaded == 1
    counted = cache.statistics().loads
    assert told(await summaries.of(dataset.dataset)) == (1, 1, 0)
    assert ((await summaries.warm()).present, cache.statistics().loads) == (1, counted)
