"""Caches with single flight, and without."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from harness.single_flight import NothingLoaded, Stampede, check_single_flight

Lookup = Callable[[str], Awaitable[int]]


async def length(word: str) -> int:
    """What is looked up."""
    return len(word)


def with_lock(load: Lookup) -> Lookup:
    """One loads, and the others find its value."""
    values: dict[str, int] = {}
    lock = asyncio.Lock()

    async def lookup(word: str) -> int:
        async with lock:
            if word not in values:
                values[word] = await load(word)
            return values[word]

    return lookup


def without_lock(load: Lookup) -> Lookup:
    values: dict[str, int] = {}

    async def lookup(word: str) -> int:
        if word not in values:
            values[word] = await load(word)
        return values[word]

    return lookup


def empty(_: Lookup) -> Lookup:
    """Never loads."""

    async def lookup(_: str) -> int:
        return 0

    return lookup


async def test_one_load_for_all_is_well() -> None:
    """However many ask."""
    await check_single_flight(with_lock, length, "tea")


async def test_a_load_for_each_is_a_stampede() -> None:
    """The message says of what, and how many."""
    with pytest.raises(Stampede, match=r"length\('tea'\) was loaded 5 times for 5 who missed it at once"):
        await check_single_flight(without_lock, length, "tea", callers=5)


async def test_where_nothing_was_loaded_nothing_is_known() -> None:
    """The value was there."""
    with pytest.raises(NothingLoaded, match="look up another one"):
        await check_single_flight(empty, length, "tea")
