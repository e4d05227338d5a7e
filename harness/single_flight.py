"""Checks that of many who miss the same value at once, one loads it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

CALLERS = 10
HELD = 1.0
"""Seconds for which a load is held, for a second one to come."""

Load = Callable[..., Awaitable[Any]]


class Stampede(AssertionError):
    """The same value was loaded several times at once."""


class NothingLoaded(AssertionError):
    """The value was there already: nothing is known of what happens when it is not."""


async def check_single_flight(
    cached: Callable[[Load], Load], load: Load, *arguments: Any, callers: int = CALLERS
) -> None:
    """Look the same value up from many tasks at once, and see that it is loaded once.

    Args:
        cached: puts a function behind your cache; its patience must be longer than a second.
        load: loads a value.
        arguments: what it is called with; their value must not be in the cache yet.
        callers: how many look it up.

    Raises Stampede or NothingLoaded.

    """
    second = asyncio.Event()
    loads = 0

    @functools.wraps(load)
    async def counted(*given: Any) -> Any:
        nonlocal loads
        loads += 1
        if loads > 1:
            second.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(second.wait(), HELD)
        return await load(*given)

    lookup = cached(counted)
    await asyncio.gather(*(lookup(*arguments) for _ in range(callers)))
    told = f"{load.__qualname__}({', '.join(map(repr, arguments))})"
    if not loads:
        raise NothingLoaded(f"{told} was not loaded: the value was in the cache; look up another one")
    if loads > 1:
        raise Stampede(
            f"{told} was loaded {loads} times for {callers} who missed it at once: the cache lacks single flight; let "
            "one load, and the others wait for its value"
        )
