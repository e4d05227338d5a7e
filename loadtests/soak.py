"""A soak: hours at a steady rate, in which nothing may grow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress

import asyncpg
import redis

from harness.clock import now
from harness.records.samples import CONNECTIONS, Sample
from harness.sampling import sampled
from harness.scenario import Stores
from harness.testbed import Testbed
from loadtests.engine import Progress
from loadtests.hosted import Wish
from loadtests.processes import Profiling, generated

EVERY = 5.0
"""Seconds between two looks; often enough for hours, of which each window of the trend test takes minutes."""
CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


async def soak(
    bed: Testbed,
    wish: Wish,
    processes: int = 1,
    *,
    every: float = EVERY,
    profiling: Profiling = lambda *_: nullcontext(),
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Put the bed under this load; meanwhile sample, every so many seconds, its processes and its stores' connections.

    Workers must be up, and the target prepared. What grew is told by `harness.checking.drift`, from the run. Raises
    GeneratorFailed.
    """
    async with sampled(bed, every=every, counters_every=12 * every), connections_sampled(bed, every):
        await generated(bed, wish, processes, profiling=profiling, on_progress=on_progress)


@asynccontextmanager
async def connections_sampled(bed: Testbed, every: float = EVERY) -> AsyncIterator[None]:
    """Inside the block, write into the run how many clients are connected to PostgreSQL and Redis."""

    async def sample() -> None:
        while True:
            for source, count in (await connections(bed.stores)).items():
                bed.run.write(Sample(time=now(), source=source, name=CONNECTIONS, value=count))
            await asyncio.sleep(every)

    sampling = asyncio.create_task(sample())
    try:
        yield
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


async def connections(stores: Stores) -> dict[str, int]:
    """Clients that are connected to each store, our own included; a store that does not answer is left out."""
    found = {}
    if stores.postgres is not None:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            found["postgres"] = int(await stores.postgres.fetchval(CLIENTS))
    if stores.redis is not None:
        with suppress(redis.RedisError):
            found["redis"] = int((await stores.redis.info("clients"))["connected_clients"])
    return found
