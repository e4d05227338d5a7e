"""Answers from Redis what was loaded before, and keeps working without Redis."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, Self, TypeVar

import asyncpg

from system.cache.cached import Cached
from system.cache.client import Client
from system.cache.entry import Lifetime, Lookup
from system.cache.loading import Loader
from system.cache.statistics import Counts, Statistics
from system.cache.tags import Tags
from system.errors import Unavailable
from system.records import Record

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

VERSION = 1
"""Raise it when what is cached means something else though its type is the same; another type needs nothing."""

UNKNOWN_OUTCOME: tuple[type[BaseException], ...] = (
    asyncio.CancelledError,
    OSError,
    Unavailable,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""What may come out of a transaction that was committed all the same."""


class Warmed(Record):
    """What became of the values a cache was warmed with; the rest was not tried, as Redis gave no answer."""

    loaded: int = 0
    present: int = 0
    failed: int = 0


class Cache:
    """The cache of one worker.

    Without Redis (no URL, not open yet, down or stalled) every lookup loads; the first use opens it. A call to Redis
    takes at most ``call_seconds``; after three failures in a row Redis is left alone for ``bypass_seconds`` at a time,
    until one call succeeds.

    What a reader may see after a commit whose tags were invalidated:

    - Redis answers: nothing older than the commit, in any process, once ``invalidate`` has returned. A value that was
      being loaded meanwhile is handed to those who asked before, and never kept.
    - Redis does not answer: this process still sees nothing older, because it reads nothing from Redis until the tags
      are delivered, which it tries every ``bypass_seconds``. Other processes, if Redis answers them, may see the old
      value until then; until the value's ttl has passed, if this process dies first.

    A load may be shared by several callers and outlive the one that began it: it opens what it needs (a connection of
    the pool, never the caller's transaction), has a timeout, and returns something frozen.
    """

    def __init__(
        self,
        url: str | None,
        *,
        namespace: str = "system",
        version: int = VERSION,
        call_seconds: float = 0.25,
        bypass_seconds: float = 1.0,
    ) -> None:
        self._has_redis = url is not None
        self._counts: Counts = Counter()
        self._client = Client(url or "", self._counts, call_seconds=call_seconds, bypass_seconds=bypass_seconds)
        self._tags = Tags(self._client, self._counts, namespace=namespace, retry_seconds=bypass_seconds)
        self._loader = Loader(self._client, self._tags, self._counts, namespace=f"{namespace}:{version}")

    async def open(self) -> None:
        """Be ready for the first use, which opens it otherwise; Redis need not be up. Takes half a second."""
        if self._has_redis:
            await self._client.open()

    async def close(self) -> None:
        """Abandon loads under way, and deliver what is undelivered if Redis answers."""
        await self._loader.close()
        if self._has_redis:
            await self._tags.close()
            await self._client.close()

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    def cached(
        self, key: str, lifetime: Lifetime, *, tags: Sequence[str] = ()
    ) -> Callable[[Callable[P, Awaitable[T]]], Cached[P, T]]:
        """Keep the results of an async function; a bound method is decorated where its object is made.

        Args:
            key: a template over the function's parameters, ``product:{sku}``, unique to this function.
            lifetime: how long results are kept.
            tags: templates too; ``invalidate`` with one of them ends every result that carries it.

        """
        return lambda function: Cached(function, self, key, lifetime, tags)

    async def get(self, lookup: Lookup[T]) -> T:
        """Return the value from the cache, or load it; for keys that no function's parameters make up."""
        return (await self._loader.get(lookup)).value

    async def invalidate(self, *tags: str) -> None:
        """End every entry with one of the tags, those being loaded included; see above for what is promised when."""
        if tags and self._has_redis:
            await self.open()  # or other processes would see what is old until it is
            await self._tags.invalidate(tags)

    @asynccontextmanager
    async def invalidating(self, *tags: str) -> AsyncIterator[set[str]]:
        """Invalidate the tags, and those added to the set, once the transaction inside is committed.

        ``async with cache.invalidating("products") as changed, connection.transaction(): ...``

        After a rollback nothing is invalidated; where nobody knows (a lost connection, a cancellation) the tags are.
        """
        changed = set(tags)
        try:
            yield changed
        except UNKNOWN_OUTCOME:
            await self.invalidate(*sorted(changed))
            raise
        await self.invalidate(*sorted(changed))

    async def warm(self, lookups: Iterable[Lookup[Any]], *, concurrency: int = 4) -> Warmed:
        """Load what is not in the cache, ``concurrency`` at a time; one that fails leaves the others alone.

        ``await cache.warm(product.lookup(sku) for sku in skus)``
        """
        counts: Counter[str] = Counter()
        rest = iter(lookups)

        async def load_some() -> None:
            for lookup in rest:
                try:
                    answer = await self._loader.get(lookup)
                except Exception:  # it will be loaded, and fail, where it is needed
                    logger.warning("%s could not be warmed", lookup.key, exc_info=True)
                    counts["failed"] += 1
                    continue
                if answer.how == "bypassed":
                    return
                counts["loaded" if answer.how == "misses" else "present"] += 1

        if self._has_redis:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(load_some())
        return Warmed(**counts)

    def statistics(self) -> Statistics:
        """Return what this process's cache has done so far."""
        return Statistics.model_validate({**self._counts, "undelivered": self._tags.undelivered})
