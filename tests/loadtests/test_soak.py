"""A soak is a load during which the connections of the stores are watched."""

from pathlib import Path

import asyncpg
from small_target import small_target, standing

from harness.eventually import eventually
from harness.records.run import Recorded
from harness.records.samples import CLIENT, CONNECTIONS, MEMORY, Sample
from harness.scenario import Stores
from harness.stack import Stack
from loadtests.hosted import Wish
from loadtests.soak import connections, soak

TARGET = small_target(services=["temporal", "postgres", "redis"])


async def test_connections_are_sampled_while_the_load_goes_on(stack: Stack, tmp_path: Path) -> None:
    """Of each store, from the beginning on and until the load has ended."""
    async with standing(TARGET, stack, tmp_path) as bed, bed.workers(1):
        await soak(bed, Wish(mix=["small-echo"], rate=10, duration=1), every=0.1)
        recorded = Recorded(bed.run.directory)
        samples = recorded.read(Sample)
        assert recorded.info.load is not None
    connected = [sample for sample in samples if sample.name == CONNECTIONS]
    assert {sample.source for sample in connected} == {"postgres", "redis"}
    assert len({sample.time for sample in connected if sample.source == "postgres"}) > 1
    assert all(sample.value >= 1 for sample in connected)
    assert {CLIENT, "worker-1"} <= {sample.source for sample in samples if sample.name == MEMORY}


async def test_every_connection_counts(stack: Stack) -> None:
    """Ten more clients are ten more, and no longer once they have gone; give or take what others do meanwhile."""
    async with asyncpg.create_pool(stack["postgres"].url, min_size=1, max_size=1) as pool:
        stores = Stores(postgres=pool)
        before = (await connections(stores))["postgres"]
        clients = [await asyncpg.connect(stack["postgres"].url) for _ in range(10)]
        assert (await connections(stores))["postgres"] > before + 5
        for client in clients:
            await client.close()

        async def gone() -> bool:
            return (await connections(stores))["postgres"] <= before + 5

        await eventually(gone)


async def test_a_store_that_does_not_answer_is_left_out(stack: Stack) -> None:
    """A soak goes on whatever breaks meanwhile."""
    pool = await asyncpg.create_pool(stack["postgres"].url, min_size=1, max_size=1)
    await pool.close()
    assert await connections(Stores(postgres=pool)) == {}
