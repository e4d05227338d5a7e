"""A process of its own in which many tasks miss one key at once; prints the statistics of its cache."""

import asyncio
import os
import sys

from redis.asyncio import Redis

from harness.eventually import eventually
from system.cache.cache import Cache
from system.cache.entry import Lifetime


async def main(url: str, namespace: str, tasks: int, expected: int) -> None:
    """Look up; a load is counted in Redis, and ends when `expected` misses were reported by all processes together."""
    missed, loads = f"{namespace}:missed", f"{namespace}:loads"
    # Processes that all start at once answer late; a lookup that bypasses Redis for that would load.
    patient = Cache(url, namespace=namespace, call_seconds=30)
    async with Redis.from_url(url, decode_responses=True) as redis, patient as cache:

        async def report() -> bool:
            reported = cache.statistics().misses
            await redis.hset(missed, str(os.getpid()), str(reported))
            return reported == tasks

        async def all_missed() -> bool:
            return sum(int(each) for each in await redis.hvals(missed)) == expected

        @cache.cached("hot", Lifetime(60, patience=60))
        async def load() -> int:
            await redis.incr(loads)
            await eventually(all_missed, timeout=45)
            return 42

        reporting = asyncio.create_task(eventually(report, timeout=45))
        values = await asyncio.gather(*(load() for _ in range(tasks)))
        await reporting
        assert values == [42] * tasks
        sys.stdout.write(cache.statistics().model_dump_json())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
