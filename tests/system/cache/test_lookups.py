"""Values come from Redis as they were loaded, for as long as they may."""

import asyncio
from functools import partial

import pytest
from catalogue import MINUTE, Catalogue, Product, cached, make_product
from redis.asyncio import Redis

from harness.eventually import eventually
from system.cache.cache import Cache
from system.cache.entry import Lifetime


@pytest.fixture
def catalogue() -> Catalogue:
    """The source."""
    return Catalogue()


async def test_a_value_is_loaded_once(cache: Cache, catalogue: Catalogue) -> None:
    """The second lookup is a hit, and equal to the first in value and type."""
    product = cached(cache, catalogue)
    assert await product("A") == await product("A") == make_product("A")
    assert catalogue.asked == ["A"]
    assert cache.statistics().model_dump(exclude_defaults=True) == {"hits": 1, "misses": 1, "loads": 1}
    assert cache.statistics().hit_ratio == 1 / 2


async def test_nothing_measured_is_no_ratio(cache: Cache) -> None:
    """Before the first lookup the hit ratio is None."""
    assert cache.statistics().hit_ratio is None


async def test_other_arguments_are_another_value(cache: Cache) -> None:
    """Arguments that hold the separator make keys of their own."""
    pair = cache.cached("pair:{a}:{b}", MINUTE)(_pair)
    assert await pair("x:y", "z") == "x:y|z"
    assert await pair(b="y:z", a="x") == "x|y:z"


async def _pair(a: str, b: str) -> str:
    return f"{a}|{b}"


async def test_absence_is_kept_for_a_time_of_its_own(cache: Cache, catalogue: Catalogue) -> None:
    """A load that returned None is a negative hit, until its own, shorter, time is over."""
    product = cached(cache, catalogue, Lifetime(60, negative_ttl=0.3))
    assert await product("X") is None
    assert await product("X") is None
    assert catalogue.asked == ["X"]
    assert cache.statistics().negative_hits == 1

    async def asked_again() -> bool:
        return await product("X") is None and len(catalogue.asked) == 2

    await eventually(asked_again)


async def test_absence_is_not_kept_unless_asked_for(cache: Cache, catalogue: Catalogue) -> None:
    """Without a negative ttl each lookup of what is not there loads."""
    product = cached(cache, catalogue)
    assert await product("X") is await product("X") is None
    assert catalogue.asked == ["X", "X"]


async def test_a_value_ends(cache: Cache, catalogue: Catalogue) -> None:
    """After its ttl it is loaded again."""
    product = cached(cache, catalogue, Lifetime(0.2))

    async def asked_again() -> bool:
        return await product("A") == make_product("A") and len(catalogue.asked) == 2

    await eventually(asked_again)


async def test_a_value_is_refreshed_before_it_ends(cache: Cache, catalogue: Catalogue) -> None:
    """Lookups get the kept value while one load in the background renews it: none ever waits."""
    product = cached(cache, catalogue, Lifetime(60, early=59.9))
    await product("A")
    catalogue.may_answer.clear()

    async def refreshing() -> bool:
        return await product("A") == make_product("A") and len(catalogue.asked) == 2

    await eventually(refreshing)
    await asyncio.gather(*(product("A") for _ in range(20)))
    assert catalogue.asked == ["A", "A"]
    catalogue.may_answer.set()
    await eventually(lambda: cache.statistics().early_refreshes == 1)
    assert cache.statistics().misses == 1


async def test_one_process_refreshes(redis_url: str, namespace: str, catalogue: Catalogue) -> None:
    """Of two caches that see a value near its end one renews it."""
    async with Cache(redis_url, namespace=namespace) as one, Cache(redis_url, namespace=namespace) as other:
        products = [cached(each, catalogue, Lifetime(60, early=59.9)) for each in (one, other)]
        await products[0]("A")
        catalogue.may_answer.clear()

        async def refreshing() -> bool:
            await asyncio.gather(*(product("A") for product in products))
            return len(catalogue.asked) == 2

        await eventually(refreshing)
        for _ in range(20):
            await asyncio.gather(*(product("A") for product in products))
        assert catalogue.asked == ["A", "A"]
        catalogue.may_answer.set()
        await eventually(lambda: one.statistics().early_refreshes + other.statistics().early_refreshes == 1)


async def test_a_failed_refresh_harms_nobody(cache: Cache, catalogue: Catalogue) -> None:
    """The kept value goes on being served, and the refresh is not tried again on every lookup."""
    product = cached(cache, catalogue, Lifetime(60, early=59.9))
    await product("A")
    catalogue.error = RuntimeError("the source is down")

    async def failed() -> bool:
        return await product("A") == make_product("A") and len(catalogue.asked) == 2

    await eventually(failed)
    for _ in range(20):
        assert await product("A") == make_product("A")
    assert len(catalogue.asked) == 2


async def test_a_failed_load_is_raised_and_not_kept(cache: Cache, catalogue: Catalogue) -> None:
    """Every caller sees the error, and the next one loads."""
    product = cached(cache, catalogue)
    catalogue.error = RuntimeError("the source is down")
    failed = await asyncio.gather(*(product("A") for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in failed] == ["the source is down"] * 3
    catalogue.error = None
    assert await product("A") == make_product("A")


async def test_a_new_shape_never_reads_old_bytes(redis_url: str, namespace: str, catalogue: Catalogue) -> None:
    """Code whose type has another field, or whose version was raised, loads anew; old code goes on with its own."""

    class Widened(Product):
        stock: int = 0

    async def widened(sku: str) -> Widened:
        return Widened(**make_product(sku).model_dump(), stock=7)

    widened.__annotations__["return"] = Widened  # a type defined inside a function cannot be found by its name
    async with Cache(redis_url, namespace=namespace) as old, Cache(redis_url, namespace=namespace, version=2) as new:
        product = cached(old, catalogue)
        await product("A")
        assert (await old.cached("product:{sku}", MINUTE)(widened)("A")).stock == 7
        await cached(new, catalogue)("A")
        await product("A")
        assert catalogue.asked == ["A", "A"]
        assert old.statistics().hits == 1


@pytest.mark.parametrize("junk", [b"junk", b"bytes:junk", b"bytes:{}\n{}", b"12", b"bytes:[1]\nnull"])
async def test_bytes_that_cannot_be_read_are_a_miss(
    cache: Cache, catalogue: Catalogue, redis_url: str, namespace: str, junk: bytes
) -> None:
    """Whatever somebody else wrote under the key, the value is loaded anew and written over it."""
    product = cached(cache, catalogue)
    await product("A")
    async with Redis.from_url(redis_url) as redis:
        keys = [key async for key in redis.scan_iter(f"{namespace}:*:value:*")]
        assert len(keys) == 1
        await redis.set(keys[0], junk)
    assert await product("A") == await product("A") == make_product("A")
    assert catalogue.asked == ["A", "A"]


async def test_warming_says_what_it_did(cache: Cache, catalogue: Catalogue) -> None:
    """Warming loads what is missing, and what fails leaves the rest alone."""
    product = cached(cache, catalogue)
    await product("A")

    async def fail(sku: str) -> Product | None:
        raise RuntimeError(sku)

    broken = cache.cached("broken:{sku}", MINUTE)(fail)
    lookups = [*(product.lookup(sku) for sku in "ABCDE"), broken.lookup("F")]
    warmed = await cache.warm(lookups, concurrency=2)
    assert warmed.model_dump() == {"loaded": 4, "present": 1, "failed": 1}
    await product("E")
    assert sorted(catalogue.asked) == ["A", "B", "C", "D", "E"]


async def test_warming_is_bounded(cache: Cache, catalogue: Catalogue) -> None:
    """No more loads at a time than were allowed."""
    product = cached(cache, catalogue)
    catalogue.may_answer.clear()
    warming = asyncio.create_task(cache.warm((product.lookup(str(n)) for n in range(20)), concurrency=3))
    await eventually(lambda: len(catalogue.asked) == 3)
    with pytest.raises(AssertionError):
        await eventually(lambda: len(catalogue.asked) > 3, timeout=0.1)
    catalogue.may_answer.set()
    assert (await warming).loaded == 20


async def test_no_redis_is_no_cache(catalogue: Catalogue) -> None:
    """Without a URL every lookup loads, nothing is kept, and nothing is wrong."""
    async with Cache(None) as cache:
        product = cached(cache, catalogue)
        assert await product("A") == await product("A") == make_product("A")
        await cache.invalidate("products")
        assert (await cache.warm([product.lookup("A")])).model_dump() == {"loaded": 0, "present": 0, "failed": 0}
        assert cache.statistics().model_dump(exclude_defaults=True) == {"bypassed": 2}
    assert catalogue.asked == ["A", "A"]


def test_a_template_names_parameters(catalogue: Catalogue) -> None:
    """A key or tag that names no parameter is refused where the function is decorated."""
    with pytest.raises(ValueError, match=r"names 'id': expected one of the parameters \(sku\)"):
        Cache(None).cached("product:{id}", MINUTE)(catalogue.product)


def test_what_is_read_back_has_a_type() -> None:
    """A function that does not say what it returns is refused."""

    async def load():  # type: ignore[no-untyped-def]  # what is refused is that it says no type
        return 1

    with pytest.raises(TypeError, match="annotate it"):
        Cache(None).cached("one", MINUTE)(load)


@pytest.mark.parametrize(
    "wrong",
    [
        partial(Lifetime, 0),
        partial(Lifetime, 90_000),
        partial(Lifetime, 10, early=10),
        partial(Lifetime, 10, negative_ttl=0.0001),
        partial(Lifetime, 10, patience=0),
    ],
)
def test_a_lifetime_has_an_end(wrong: partial[Lifetime]) -> None:
    """Zero would be "for ever" to Redis: it is refused, as is all that makes no sense."""
    with pytest.raises(ValueError, match="expected"):
        wrong()


async def test_the_first_use_opens_it(redis_url: str, namespace: str, catalogue: Catalogue) -> None:
    """Lookups before it is open are loaded; nobody has to open it."""
    cache = Cache(redis_url, namespace=namespace)
    product = cached(cache, catalogue)
    assert await product("A") == make_product("A")
    assert cache.statistics().bypassed == 1

    async def hit() -> bool:
        await product("A")
        return cache.statistics().hits > 0

    await eventually(hit)
    await cache.close()


async def test_one_that_ends_before_it_is_open_delivers_all_the_same(
    cache: Cache, redis_url: str, namespace: str, catalogue: Catalogue
) -> None:
    """A worker that does one thing and ends leaves no old value behind."""
    product = cached(cache, catalogue)
    await product("A")
    catalogue.price = "2.20"
    leaving = Cache(redis_url, namespace=namespace)
    await leaving.invalidate("product:A")
    await leaving.close()
    assert leaving.statistics().undelivered == 0
    assert await product("A") == make_product("A", "2.20")
