"""Invalidates all that carries a tag, what is being loaded at that moment included."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from itertools import count, islice

from system.cache.client import Client, NoAnswer
from system.cache.statistics import Counts

logger = logging.getLogger(__name__)

VERSION_SECONDS = 30 * 86_400.0
"""How long a tag keeps its version; what was kept under a version that is gone is loaded anew."""

BATCH = 500
"""Tags sent at a time: one call to Redis is bounded in time, so it has to be bounded in size."""


class Tags:
    """The versions of tags in Redis.

    An entry holds the versions its tags had before its load began, and counts only while they are still the same. An
    invalidation gives the tag a new version. So a value read before the commit is dead however late it is written.

    Versions are random, never counted: a count that Redis has lost starts again, and revives what was dead.
    """

    def __init__(self, client: Client, counts: Counts, *, namespace: str, retry_seconds: float) -> None:
        self._client = client
        self._counts = counts
        self._namespace = namespace
        self._retry_seconds = retry_seconds
        self._undelivered: dict[str, int] = {}
        self._serial = count()
        self._retrying: asyncio.Task[None] | None = None

    @property
    def undelivered(self) -> int:
        """How many tags wait until Redis answers."""
        return len(self._undelivered)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Give the tags new versions: now if Redis answers, else as soon as it does."""
        self._counts["invalidations"] += len(tags)
        # Written down first: whatever ends this call, a cancellation included, leaves the rest to be delivered.
        self._undelivered |= {tag: next(self._serial) for tag in tags}
        try:
            await self.deliver()
        except NoAnswer:
            logger.warning("%d invalidated tags wait for Redis", self.undelivered)
        finally:
            if self._undelivered and self._retrying is None:
                self._retrying = asyncio.create_task(self._retry())

    async def deliver(self) -> None:
        """Send what is undelivered; nothing may be read from the cache before that.

        Raises:
            NoAnswer: some are still undelivered.

        """
        while batch := dict(islice(self._undelivered.items(), BATCH)):
            # A new version for every attempt: one that timed out may still be carried out, late, over a newer one.
            await self._client.put_all({self.key(tag): _new_version() for tag in batch}, VERSION_SECONDS)
            for tag, serial in batch.items():
                if self._undelivered.get(tag) == serial:
                    del self._undelivered[tag]

    async def make(self, tags: Sequence[str]) -> None:
        """Give a version to each tag that has none; raises NoAnswer."""
        for tag in tags:
            await self._client.put_absent(self.key(tag), _new_version(), VERSION_SECONDS)

    def key(self, tag: str) -> str:
        """Where the tag's version is; without a version of the code, so that old and new code see the same one."""
        return f"{self._namespace}:tag:{tag}"

    async def close(self) -> None:
        """Make a last attempt to deliver."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
        try:
            await self.deliver()
        except NoAnswer:
            logger.warning("%d invalidated tags were never delivered: old values end with their ttl", self.undelivered)

    async def _retry(self) -> None:
        try:
            while self._undelivered:
                await asyncio.sleep(self._retry_seconds)
                try:
                    await self.deliver()
                except NoAnswer:
                    continue
        finally:
            self._retrying = None


def _new_version() -> bytes:
    return secrets.token_hex(8).encode()
