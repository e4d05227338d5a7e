"""After a commit nobody is given what was before it."""

import asyncio

import asyncpg
import pytest
from catalogue import Catalogue, cached, make_product
from redis.asyncio import Redis

from harness.eventually import eventually
from system.cache.cache import Cache
from system.cache.entry import Lifetime


async def test_a_tag_ends_what_carries_it(cache: Cache, other: Cache) -> None:
    """The tag of one product ends that product, in every process; the tag of all ends all."""
    catalogue = Catalogue()
    here, there = cached(cache, catalogue), cached(other, catalogue)
    for sku in "ABC":
        await here(sku)
    catalogue.asked.clear()
    await cache.invalidate("product:A")
    for sku in "ABC":
        await there(sku)
    assert catalogue.asked == ["A"]
    await other.invalidate("products")
    for sku in "ABC":
        await here(sku)
    assert catalogue.asked == ["A", "A", "B", "C"]


async def test_a_short_lived_value_does_not_shorten_its_tags(cache: Cache) -> None:
    """A tag that a value with a short life carried too still ends those with a long one."""
    catalogue = Catalogue()
    product = cached(cache, catalogue)
    await product("A")
    brief = cache.cached("brief:{sku}", Lifetime(0.05), tags=("products",))(catalogue.product)

    async def ended() -> bool:
        return await brief("B") is not None and catalogue.asked.count("B") == 2

    await eventually(ended)
    await cache.invalidate("products")
    await product("A")
    assert catalogue.asked.count("A") == 2


@pytest.mark.parametrize("reader", ["same process", "other process"])
async def test_what_was_loaded_before_a_commit_is_never_kept(cache: Cache, other: Cache, reader: str) -> None:
    """A reader reads the old value, then it is changed and invalidated, then the reader writes: nobody is served it."""
    catalogue = Catalogue()
    product = cached(cache if reader == "same process" else other, catalogue)
    catalogue.may_answer.clear()
    early_reader = asyncio.create_task(product("A"))
    await eventually(lambda: catalogue.asked)
    catalogue.price = "2.20"
    await cache.invalidate("product:A")
    late_reader = asyncio.create_task(product("A"))
    later_elsewhere = asyncio.create_task(cached(cache, catalogue)("A"))
    await eventually(lambda: cache.statistics().misses + other.statistics().misses == 3)
    catalogue.may_answer.set()
    assert await early_reader == make_product("A", "1.10")
    assert await late_reader == await later_elsewhere == make_product("A", "2.20")
    assert await product("A") == make_product("A", "2.20")


async def test_a_lost_version_revives_nothing(cache: Cache, redis_url: str, namespace: str) -> None:
    """Redis may evict a tag's version at any time: what was dead stays dead."""
    catalogue = Catalogue()
    product = cached(cache, catalogue)
    await product("A")
    catalogue.price = "2.20"
    await cache.invalidate("product:A")
    async with Redis.from_url(redis_url) as redis:
        assert await redis.delete(f"{namespace}:tag:product:A", f"{namespace}:tag:products") == 2
    assert await product("A") == make_product("A", "2.20")


async def price_table(connection: asyncpg.Connection) -> None:
    """Make a table with one price."""
    await connection.execute("CREATE TABLE price (sku text PRIMARY KEY, price int); INSERT INTO price VALUES ('A', 1)")


async def test_a_commit_invalidates(cache: Cache, connection: asyncpg.Connection, postgres_url: str) -> None:
    """Readers see the old value until the commit, and the new one as soon as the block has ended."""
    await price_table(connection)
    reading = await asyncpg.connect(postgres_url)

    @cache.cached("price:{sku}", Lifetime(60), tags=("price:{sku}",))
    async def price(sku: str) -> int:
        found: int = await reading.fetchval("SELECT price FROM price WHERE sku = $1", sku)
        return found

    assert await price("A") == 1
    async with cache.invalidating() as changed, connection.transaction():
        changed.add(f"price:{await connection.fetchval('UPDATE price SET price = 2 RETURNING sku')}")
        assert await price("A") == 1
    assert await price("A") == 2
    await reading.close()


async def test_a_rollback_invalidates_nothing(cache: Cache, connection: asyncpg.Connection) -> None:
    """What was refused by the database, or by us, has changed nothing: entries stay."""
    await price_table(connection)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with cache.invalidating("price:A"), connection.transaction():
            await connection.execute("INSERT INTO price VALUES ('A', 2)")
    with pytest.raises(ValueError, match="ours"):
        async with cache.invalidating("price:A"), connection.transaction():
            raise ValueError("ours")
    assert cache.statistics().invalidations == 0


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), asyncpg.ConnectionDoesNotExistError(), asyncio.CancelledError()]
)
async def test_an_unknown_outcome_invalidates(cache: Cache, error: BaseException) -> None:
    """Where nobody knows whether the commit happened, it is taken to have happened."""
    with pytest.raises(type(error)):
        async with cache.invalidating("price:A"):
            raise error
    assert cache.statistics().invalidations == 1
    assert cache.statistics().undelivered == 0
