"""Without Redis the system goes on, slower, and it comes back by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from catalogue import Catalogue, cached, make_product

from harness.eventually import eventually
from harness.services.service import StartedService
from harness.stack import Stack
from system.cache.cache import Cache
from system.cache.entry import Lifetime

CALL_SECONDS = 0.5
BYPASS_SECONDS = 0.2

Act = Callable[[], Awaitable[None]]


class BreakableRedis:
    """A Redis of this module's own, which tests stop, stall and bring back."""

    def __init__(self, service: StartedService) -> None:
        self.url = service.url
        self._service = service

    async def kill(self) -> None:
        """Connections are refused from now on, and what was kept is gone."""
        await self._service.kill()

    async def stall(self) -> None:
        """Connections are taken, and nothing is ever answered."""
        await self._service.pause()

    async def bring_back(self) -> None:
        """Start it again, or let it go on."""
        if self._service.alive:
            await self._service.resume()
        else:
            await self._service.restart()


@pytest.fixture(scope="module")
async def server(provider: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StartedService]:
    """The Redis of this module."""
    logs = tmp_path_factory.mktemp("redis")
    async with Stack.of(["redis"], provider=provider, log_directory=logs) as stack:
        service = stack["redis"]
        assert isinstance(service, StartedService)
        yield service


@pytest.fixture
async def redis(server: StartedService) -> AsyncIterator[BreakableRedis]:
    """It runs when a test begins, and again when it has ended."""
    breakable = BreakableRedis(server)
    yield breakable
    await breakable.bring_back()


@pytest.fixture
async def cache(redis: BreakableRedis, namespace: str) -> AsyncIterator[Cache]:
    """A cache that is impatient."""
    async with Cache(
        redis.url, namespace=namespace, call_seconds=CALL_SECONDS, bypass_seconds=BYPASS_SECONDS
    ) as opened:
        yield opened


@pytest.fixture(params=["stall", "kill"])
def fault(request: pytest.FixtureRequest, redis: BreakableRedis) -> Act:
    """Each way in which Redis goes away."""
    act: Act = getattr(redis, request.param)
    return act


async def test_lookups_go_on_and_soon_cost_nothing(cache: Cache, fault: Act) -> None:
    """Three lookups at most wait for Redis; then it is left alone, and a hundred together take less than one wait."""
    catalogue = Catalogue()
    product = cached(cache, catalogue)
    await product("A")
    await fault()
    for _ in range(3):
        begun = time.monotonic()
        assert await product("A") == make_product("A")
        assert time.monotonic() - begun < CALL_SECONDS + 5
    begun = time.monotonic()
    for _ in range(100):
        await product("A")
    assert time.monotonic() - begun < 100 * CALL_SECONDS / 5
    assert cache.statistics().bypassed == 103
    assert cache.statistics().errors < 20


async def test_it_comes_back_by_itself(cache: Cache, redis: BreakableRedis, fault: Act) -> None:
    """Once Redis answers again, so does the cache, with nobody told."""
    catalogue = Catalogue()
    product = cached(cache, catalogue)
    await fault()
    for _ in range(5):
        await product("A")
    await redis.bring_back()

    async def hit() -> bool:
        await product("A")
        return cache.statistics().hits > 0

    await eventually(hit)


async def test_a_load_under_way_survives(cache: Cache, fault: Act) -> None:
    """Redis goes away while a value is loaded: all who wait for it get it, from one load."""
    catalogue = Catalogue()
    catalogue.may_answer.clear()
    product = cached(cache, catalogue)
    callers = [asyncio.create_task(product("A")) for _ in range(3)]
    await eventually(lambda: catalogue.asked and cache.statistics().misses == 3)
    await fault()
    catalogue.may_answer.set()
    assert await asyncio.gather(*callers) == [make_product("A")] * 3
    assert catalogue.asked == ["A"]


async def test_who_waits_for_another_process_goes_on(
    cache: Cache, redis: BreakableRedis, namespace: str, fault: Act
) -> None:
    """Redis goes away while one process waits for another one's load: it loads by itself."""
    slow, quick = Catalogue(), Catalogue()
    slow.may_answer.clear()
    lifetime = Lifetime(60, patience=60)
    first = asyncio.create_task(cached(cache, slow, lifetime)("A"))
    await eventually(lambda: slow.asked)
    async with Cache(redis.url, namespace=namespace, call_seconds=CALL_SECONDS) as other:
        second = asyncio.create_task(cached(other, quick, lifetime)("A"))
        await eventually(lambda: other.statistics().misses == 1)
        await fault()
        assert await asyncio.wait_for(second, timeout=10) == make_product("A")
    slow.may_answer.set()
    await first


async def test_an_invalidation_waits_for_redis(cache: Cache, redis: BreakableRedis, namespace: str) -> None:
    """While Redis is stalled this process reads nothing old; once it answers no process does, with no lookup here."""
    catalogue = Catalogue()
    product = cached(cache, catalogue)
    await product("A")
    await redis.stall()
    catalogue.price = "2.20"
    begun = time.monotonic()
    await cache.invalidate("product:A")
    assert time.monotonic() - begun < CALL_SECONDS + 5
    assert cache.statistics().undelivered == 1
    assert await product("A") == make_product("A", "2.20")
    await redis.bring_back()
    await eventually(lambda: cache.statistics().undelivered == 0)
    async with Cache(redis.url, namespace=namespace) as other:
        assert await cached(other, catalogue)("A") == make_product("A", "2.20")
        assert other.statistics().misses == 1


async def test_nothing_is_read_before_invalidations_are_delivered(redis: BreakableRedis, namespace: str) -> None:
    """The first lookup after Redis is back, whenever it comes, delivers before it reads."""
    catalogue = Catalogue()
    async with Cache(redis.url, namespace=namespace, call_seconds=CALL_SECONDS, bypass_seconds=60) as cache:
        product = cached(cache, catalogue)
        await product("A")
        await redis.stall()
        catalogue.price = "2.20"
        await cache.invalidate("product:A")
        await redis.bring_back()
        assert cache.statistics().undelivered == 1
        assert await product("A") == make_product("A", "2.20")
        assert cache.statistics().undelivered == 0


async def test_what_is_undelivered_is_delivered_at_the_end(redis: BreakableRedis, namespace: str) -> None:
    """A worker that ends delivers first, many tags too."""
    catalogue = Catalogue()
    async with Cache(redis.url, namespace=namespace, call_seconds=0.5, bypass_seconds=60) as leaving:
        await cached(leaving, catalogue)("A")
        await redis.stall()
        catalogue.price = "2.20"
        await leaving.invalidate("product:A", *(f"product:{n}" for n in range(2_000)))
        await redis.bring_back()
        assert leaving.statistics().undelivered == 2_001
    async with Cache(redis.url, namespace=namespace) as other:
        assert await cached(other, catalogue)("A") == make_product("A", "2.20")


async def test_warming_stops_where_redis_is_down(cache: Cache, redis: BreakableRedis) -> None:
    """What could not be kept is not loaded, beyond what finds that out."""
    catalogue = Catalogue()
    product = cached(cache, catalogue)
    await redis.kill()
    warmed = await cache.warm((product.lookup(str(n)) for n in range(100)), concurrency=2)
    assert warmed.model_dump() == {"loaded": 0, "present": 0, "failed": 0}
    assert len(catalogue.asked) == 2
