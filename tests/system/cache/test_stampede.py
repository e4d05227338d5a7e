"""Many who miss the same value at once make one load."""

import asyncio
import sys
from pathlib import Path

import pytest
from catalogue import Catalogue, cached, make_product
from redis.asyncio import Redis

from harness.eventually import eventually
from system.cache.cache import Cache
from system.cache.entry import Lifetime
from system.cache.statistics import Statistics

PROCESSES = 2
TASKS = 100


async def test_processes_that_miss_at_once_load_once(redis_url: str, namespace: str) -> None:
    """Of 2 processes with 100 tasks each, which all miss before the load ends, one task loads."""
    script = Path(__file__).with_name("stampede_process.py")
    arguments = [redis_url, namespace, str(TASKS), str(PROCESSES * TASKS)]
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(script), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(PROCESSES)
    ]
    outputs = await asyncio.gather(*(child.communicate() for child in children))
    assert [(child.returncode, errors) for child, (_, errors) in zip(children, outputs, strict=True)] == [
        (0, b"")
    ] * PROCESSES
    statistics = [Statistics.model_validate_json(output) for output, _ in outputs]
    async with Redis.from_url(redis_url) as redis:
        assert await redis.get(f"{namespace}:loads") == b"1"
    assert sum(each.misses for each in statistics) == PROCESSES * TASKS
    assert sum(each.loads for each in statistics) == 1
    assert sum(each.stampedes_avoided for each in statistics) == PROCESSES * TASKS - 1


async def test_a_cancelled_caller_takes_the_load_from_nobody(cache: Cache) -> None:
    """Whoever of those that wait is cancelled, the one that began the load included, the others get the value."""
    catalogue = Catalogue()
    catalogue.may_answer.clear()
    product = cached(cache, catalogue)
    callers = [asyncio.create_task(product("A")) for _ in range(3)]
    await eventually(lambda: catalogue.asked and cache.statistics().misses == 3)
    callers[0].cancel()
    callers[1].cancel()
    catalogue.may_answer.set()
    assert await callers[2] == make_product("A")
    assert catalogue.asked == ["A"]


async def test_a_load_that_takes_too_long_holds_nobody_back(cache: Cache, other: Cache) -> None:
    """After their patience callers load by themselves, in the same process and in another one."""
    slow, quick = Catalogue(), Catalogue()
    slow.may_answer.clear()
    lifetime = Lifetime(60, patience=0.2)
    first = asyncio.create_task(cached(cache, slow, lifetime)("A"))
    await eventually(lambda: slow.asked)
    assert await cached(cache, quick, lifetime)("A") == make_product("A")
    assert await cached(other, quick, lifetime)("A") == make_product("A")
    assert quick.asked == ["A", "A"]
    slow.may_answer.set()
    assert await first == make_product("A")


async def test_a_lock_that_never_ends_holds_nobody_back(
    cache: Cache, other: Cache, redis_url: str, namespace: str
) -> None:
    """Whatever keeps the lock taken, others wait for their patience and no longer."""
    slow, quick = Catalogue(), Catalogue()
    slow.may_answer.clear()
    first = asyncio.create_task(cached(cache, slow)("A"))
    await eventually(lambda: slow.asked)
    async with Redis.from_url(redis_url) as redis:
        assert [await redis.persist(key) async for key in redis.scan_iter(f"{namespace}:*:lock:*")] == [1]
    lookup = cached(other, quick, Lifetime(60, patience=0.2))("A")
    assert await asyncio.wait_for(lookup, timeout=10) == make_product("A")
    slow.may_answer.set()
    await first


async def test_a_failed_load_is_taken_over(cache: Cache, other: Cache) -> None:
    """Where the load fails that another process waits for, that process loads at once, not after its patience."""
    failing, working = Catalogue(), Catalogue()
    failing.error = RuntimeError("down")
    failing.may_answer.clear()
    lifetime = Lifetime(60, patience=100)
    first = asyncio.create_task(cached(cache, failing, lifetime)("A"))
    await eventually(lambda: failing.asked)
    second = asyncio.create_task(cached(other, working, lifetime)("A"))
    await eventually(lambda: other.statistics().misses == 1)
    failing.may_answer.set()
    assert await asyncio.wait_for(second, 10) == make_product("A")
    with pytest.raises(RuntimeError, match="down"):
        await first


async def test_values_of_other_types_are_other_values(cache: Cache) -> None:
    """Two functions that share a key by mistake, but not a type, do not get each other's values."""
    may_answer = asyncio.Event()

    async def number() -> int:
        await may_answer.wait()
        return 7

    async def text() -> str:
        await may_answer.wait()
        return "seven"

    patient = Lifetime(60, patience=60)
    both = asyncio.gather(cache.cached("same", patient)(number)(), cache.cached("same", patient)(text)())
    await eventually(lambda: cache.statistics().loads == 2)
    may_answer.set()
    digits, word = await both
    assert (digits, word) == (7, "seven")
