"""A source of products that stands in for a slow store, and counts how often it is asked."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from system.cache.cache import Cache
from system.cache.cached import Cached
from system.cache.entry import Lifetime
from system.records import Record

MINUTE = Lifetime(60)


class Product(Record):
    """What is looked up."""

    sku: str
    price: Decimal
    since: datetime


def make_product(sku: str, price: str = "1.10") -> Product:
    """Return the product as the source has it."""
    return Product(sku=sku, price=Decimal(price), since=datetime(2026, 1, 2, tzinfo=UTC))


class Catalogue:
    """The source; it can be told to fail, to wait, or to change its price."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.price = "1.10"
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def product(self, sku: str) -> Product | None:
        """Return the product as it was when this was called; there is none whose name begins with X."""
        self.asked.append(sku)
        price = self.price
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return None if sku.startswith("X") else make_product(sku, price)


def cached(cache: Cache, catalogue: Catalogue, lifetime: Lifetime = MINUTE) -> Cached[[str], Product | None]:
    """Put the source behind the cache, by way of a bound method."""
    return cache.cached("product:{sku}", lifetime, tags=("products", "product:{sku}"))(catalogue.product)
