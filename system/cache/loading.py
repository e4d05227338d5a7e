"""Looks a value up, and loads it once for all who miss it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pydantic import ValidationError

from system.cache.client import Client, NoAnswer
from system.cache.entry import Entry, Lookup
from system.cache.statistics import Counts, Event
from system.cache.tags import Tags

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.1
"""Seconds between two questions whether another process has loaded the value."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A value, and how the lookup was counted."""

    value: T
    how: Event


@dataclass(frozen=True, kw_only=True)
class _Seen(Generic[T]):
    """What the cache held, and the versions of the lookup's tags at the same moment."""

    versions: tuple[str, ...]
    entry: Entry | None = None
    value: T | None = None


class Loader:
    """Lookups of one process."""

    def __init__(self, client: Client, tags: Tags, counts: Counts, *, namespace: str) -> None:
        self._client = client
        self._tags = tags
        self._counts = counts
        self._namespace = namespace
        self._flights: dict[tuple[str, tuple[str, ...]], asyncio.Task[Any]] = {}
        self._refreshes: dict[str, asyncio.Task[None]] = {}

    async def get(self, lookup: Lookup[T]) -> Answer[T]:
        """Return the value from the cache, or load it; whatever the load raises is raised."""
        try:
            seen = await self._look(lookup)
        except NoAnswer:
            self._counts["bypassed"] += 1
            return Answer(await lookup.load(), "bypassed")
        if seen.entry is None:
            self._counts["misses"] += 1
            return Answer(await self._join(lookup, seen.versions), "misses")
        how: Event = "negative_hits" if seen.entry.is_negative else "hits"
        self._counts[how] += 1
        key = self._key("value", lookup)
        if _is_due(seen.entry) and key not in self._refreshes:
            self._refreshes[key] = task = asyncio.create_task(self._refresh(lookup))
            task.add_done_callback(lambda _: self._refreshes.pop(key))
        return Answer(cast("T", seen.value), how)

    async def close(self) -> None:
        """Abandon what is being loaded."""
        tasks = [*self._flights.values(), *self._refreshes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, lookup: Lookup[T]) -> _Seen[T]:
        await self._tags.deliver()
        tag_keys = [self._tags.key(tag) for tag in lookup.tags]
        data, *versions = await self._client.get(self._key("value", lookup), *tag_keys)
        if None in versions:
            await self._tags.make([tag for tag, version in zip(lookup.tags, versions, strict=True) if not version])
            versions = list(await self._client.get(*tag_keys))
        known = tuple(version.decode() for version in versions if version)
        if len(known) < len(lookup.tags):
            raise NoAnswer("Redis does not keep what it is given")
        if data is None:
            return _Seen(versions=known)
        try:
            entry = Entry.decode(data)
            value = None if entry.is_negative else lookup.kind.adapter.validate_json(entry.value)
        except (ValidationError, ValueError, KeyError, TypeError):
            self._counts["errors"] += 1
            logger.warning("what lies in Redis under %s cannot be read; it is loaded anew", lookup.key)
            return _Seen(versions=known)
        if entry.versions != known:
            return _Seen(versions=known)
        return _Seen(versions=known, entry=entry, value=value)

    async def _join(self, lookup: Lookup[T], versions: tuple[str, ...]) -> T:
        """Wait for the load that is under way here, or begin it.

        Only a load that began under the same versions may be joined: another one may have read before a commit that
        its caller has already seen.
        """
        flight = (self._key("value", lookup), versions)
        task = self._flights.get(flight)
        if task is None:
            self._flights[flight] = task = asyncio.create_task(self._fly(lookup))
            task.add_done_callback(lambda _: self._flights.pop(flight))
            # One caller that is cancelled must not take the load away from those who joined it.
            return await asyncio.shield(task)
        done, _ = await asyncio.wait({task}, timeout=lookup.lifetime.patience)
        if not done:
            return await self._load(lookup)
        self._counts["stampedes_avoided"] += 1
        return cast("T", task.result())

    async def _fly(self, lookup: Lookup[T]) -> T:
        owner = secrets.token_hex(8)
        try:
            seen = await self._wait_for_turn(lookup, owner)
        except NoAnswer:
            return await self._load(lookup)
        if seen.entry is not None:
            self._counts["stampedes_avoided"] += 1
            return cast("T", seen.value)
        try:
            return await self._load_and_keep(lookup, seen.versions)
        finally:
            await self._unlock(lookup, owner)

    async def _wait_for_turn(self, lookup: Lookup[T], owner: str) -> _Seen[T]:
        """Return what another process has loaded meanwhile, or hold the lock, or have lost patience."""
        lock, patience = self._key("lock", lookup), lookup.lifetime.patience
        deadline = time.monotonic() + patience
        pause = FIRST_PAUSE
        while True:
            is_mine = await self._client.lock(lock, owner, patience)
            seen = await self._look(lookup)
            if is_mine and seen.entry is not None:
                await self._unlock(lookup, owner)
            if is_mine or seen.entry is not None or time.monotonic() >= deadline:
                return seen
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _unlock(self, lookup: Lookup[Any], owner: str) -> None:
        with suppress(NoAnswer):
            await self._client.unlock(self._key("lock", lookup), owner)

    async def _refresh(self, lookup: Lookup[T]) -> None:
        owner = secrets.token_hex(8)
        lock = self._key("refresh", lookup)
        try:
            if not await self._client.lock(lock, owner, lookup.lifetime.patience):
                return
            seen = await self._look(lookup)
            if seen.entry is not None and _is_due(seen.entry):
                await self._load_and_keep(lookup, seen.versions)
                self._counts["early_refreshes"] += 1
            # Not freed where the load fails: it is tried again when the lock ends, and not on every hit.
            await self._client.unlock(lock, owner)
        except NoAnswer:
            return
        except Exception:  # the value is still good, and nobody waits for the new one
            logger.warning("%s could not be refreshed", lookup.key, exc_info=True)

    async def _load_and_keep(self, lookup: Lookup[T], versions: tuple[str, ...]) -> T:
        value = await self._load(lookup)
        lifetime = lookup.lifetime
        seconds = lifetime.negative_ttl if value is None else lifetime.ttl
        if seconds:
            entry = Entry(
                value=lookup.kind.adapter.dump_json(value),
                is_negative=value is None,
                versions=versions,
                refresh_at=time.time() + seconds - lifetime.early if lifetime.early and value is not None else None,
            )
            with suppress(NoAnswer):
                await self._client.put(self._key("value", lookup), entry.encode(), seconds)
        return value

    async def _load(self, lookup: Lookup[T]) -> T:
        self._counts["loads"] += 1
        return await lookup.load()

    def _key(self, role: str, lookup: Lookup[Any]) -> str:
        return f"{self._namespace}:{role}:{lookup.kind.name}:{lookup.key}"


def _is_due(entry: Entry) -> bool:
    return entry.refresh_at is not None and time.time() >= entry.refresh_at
