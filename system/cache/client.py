"""Calls Redis, each call bounded in time, and none while Redis is known not to answer."""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from system.breaker import Breakers
from system.cache.statistics import Counts
from system.errors import BreakerOpen
from system.settings import masked

if TYPE_CHECKING:
    from cashews import Cache as Cashews

logger = logging.getLogger(__name__)

T = TypeVar("T")

BYPASS_AFTER = 3
"""Calls in a row that must fail before Redis is left alone for a while."""


class NoAnswer(Exception):
    """Redis refused, did not answer in time, or is being left alone."""


class Client:
    """The few commands the cache is made of; each raises NoAnswer where Redis gives none.

    They are cashews' commands: its connection pool, its serializer (told to take bytes as they are: what lies in a
    shared Redis is never unpickled) and its locks. Its decorators were tried and are not used: a value loaded before an
    invalidation and written after it is served until its end; one short-lived key makes a tag forget the long-lived
    ones; ``protected`` is single flight within one process only, and one cancelled caller cancels them all; ``lock``
    spins without a pause.
    """

    def __init__(self, url: str, counts: Counts, *, call_seconds: float, bypass_seconds: float) -> None:
        self._url = url
        self._counts = counts
        self._call_seconds = call_seconds
        self._breakers = Breakers(threshold=BYPASS_AFTER, ttl=bypass_seconds, failures=(NoAnswer,))
        self._cashews: Cashews | None = None
        self._failures: tuple[type[Exception], ...] = ()
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Import what is needed, in a thread, so that the worker goes on meanwhile; Redis is not asked for yet."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        self._cashews, self._failures = await asyncio.to_thread(self._set_up)

    async def close(self) -> None:
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._cashews is not None:
            cashews, self._cashews = self._cashews, None
            with warnings.catch_warnings():  # cashews 7.6 calls a close() that redis 8 has another name for
                warnings.simplefilter("ignore", DeprecationWarning)
                await cashews.close()

    async def get(self, *keys: str) -> tuple[bytes | None, ...]:
        """Return the values of the keys, as of one moment, and None for each that has none."""
        values = await self._call(lambda redis: redis.get_many(*keys))
        # Digits that somebody else wrote come back as a number; we write none.
        return tuple(value if isinstance(value, bytes) else None for value in values)

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        await self._call(lambda redis: redis.set(key, value, expire=seconds))

    async def put_absent(self, key: str, value: bytes, seconds: float) -> None:
        """Write the value unless the key has one."""
        await self._call(lambda redis: redis.set(key, value, expire=seconds, exist=False))

    async def put_all(self, values: Mapping[str, bytes], seconds: float) -> None:
        await self._call(lambda redis: redis.set_many(values, expire=seconds))

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        """Take the lock if it is free; it frees itself after ``seconds``."""
        return await self._call(lambda redis: redis.set_lock(key, owner, expire=seconds))

    async def unlock(self, key: str, owner: str) -> None:
        """Free the lock if it still is this owner's."""
        await self._call(lambda redis: redis.unlock(key, owner))

    async def _call(self, command: Callable[[Cashews], Awaitable[T]]) -> T:
        if self._cashews is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
            raise NoAnswer("the cache is not open yet")
        try:
            async with self._breakers.guard("redis"):
                return await self._bounded(command(self._cashews))
        except BreakerOpen as error:
            raise NoAnswer("Redis is left alone") from error

    async def _bounded(self, answer: Awaitable[T]) -> T:
        try:
            # One call may connect, greet and ask: the sockets' own timeouts bound each of these, and not their sum.
            async with asyncio.timeout(self._call_seconds):
                return await answer
        except self._failures as error:
            self._counts["errors"] += 1
            reason = error.__cause__ or error
            logger.warning("Redis at %s: %s: %s", masked(self._url), type(reason).__name__, reason)
            raise NoAnswer(str(reason)) from error

    def _set_up(self) -> tuple[Cashews, tuple[type[Exception], ...]]:
        import purgatory  # noqa: F401, PLC0415 - a slow import, which the breaker would make in the first call

        with _without_sqlalchemy():
            from cashews import Cache as Cashews  # noqa: PLC0415 - another one
            from cashews import CacheBackendInteractionError  # noqa: PLC0415
        from redis.exceptions import RedisError  # noqa: PLC0415

        cashews = Cashews()
        cashews.setup(
            self._url,
            suppress=False,
            pickle_type="null",
            check_repr=False,
            client_name="system-cache",
            socket_timeout=self._call_seconds,
            socket_connect_timeout=self._call_seconds,
            wait_for_connection_timeout=self._call_seconds,
        )
        return cashews, (CacheBackendInteractionError, RedisError, OSError)


@contextmanager
def _without_sqlalchemy() -> Iterator[None]:
    """Hide SQLAlchemy, which cashews imports for a serializer of its own where it is installed, as it is for alembic.

    It takes 0.2 s of the 0.28 that opening a cache took with it, and 18 MB of each worker.
    """
    absent = "sqlalchemy" not in sys.modules
    if absent:
        sys.modules["sqlalchemy"] = None  # type: ignore[assignment]  # how the import system is told that there is none
    try:
        yield
    finally:
        if absent:
            del sys.modules["sqlalchemy"]
