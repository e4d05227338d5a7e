"""Waits in tests for what will be true soon."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

Value = TypeVar("Value")

SHORTEST_ASK = 0.05
"""Seconds that even the last attempt gets."""
GROWTH, LONGEST_WAIT = 1.2, 0.1
"""Each wait is longer than the one before, up to so many seconds: asking costs the servers what they are asked for."""


@overload
async def eventually(
    predicate: Callable[[], Awaitable[Value]], *, timeout: float = ..., interval: float = ...
) -> Value: ...


@overload
async def eventually(predicate: Callable[[], Value], *, timeout: float = ..., interval: float = ...) -> Value: ...


async def eventually(
    predicate: Callable[[], Value | Awaitable[Value]], *, timeout: float = 5.0, interval: float = 0.02
) -> Value:
    """Ask `predicate`, sync or async, until its answer is true; returns that answer.

    It is asked again after `interval` seconds, and then after longer ones, up to a tenth of a second or `interval`.

    An exception counts as "not yet". Raises AssertionError after `timeout` seconds, with the last answer or exception.
    """
    deadline = time.monotonic() + timeout
    last = "it gave no answer"
    cause: Exception | None = None
    while True:
        asked = asyncio.ensure_future(_ask(predicate))
        try:
            await asyncio.wait({asked}, timeout=max(SHORTEST_ASK, deadline - time.monotonic()))
            if asked.done():
                if answer := asked.result():
                    return answer
                last, cause = f"the last answer was {answer!r}", None
        except Exception as error:  # noqa: BLE001 - whatever it is, it may be gone the next time
            last, cause = f"the last attempt raised {error!r}", error
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {last}") from cause
        await asyncio.sleep(interval)
        interval = max(interval, min(GROWTH * interval, LONGEST_WAIT))


async def _ask(predicate: Callable[[], Value | Awaitable[Value]]) -> Value:
    answer = predicate()
    return await answer if inspect.isawaitable(answer) else answer
