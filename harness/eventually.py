"""Waits in tests for what will be true soon."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def eventually(
    predicate: Callable[[], Value | Awaitable[Value]], *, timeout: float = 5.0, interval: float = 0.02
) -> Value:
    """Ask `predicate`, sync or async, every `interval` seconds until its answer is true; returns that answer.

    An exception counts as "not yet". Raises AssertionError after `timeout` seconds, with the last answer or exception.
    """
    deadline = time.monotonic() + timeout
    while True:
        cause: Exception | None = None
        try:
            answer = await asyncio.wait_for(_ask(predicate), max(interval, deadline - time.monotonic()))
            if answer:
                return answer
            last = f"the last answer was {answer!r}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it may be gone the next time
            cause, last = error, f"the last attempt raised {error!r}"
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {last}") from cause
        await asyncio.sleep(interval)


async def _ask(predicate: Callable[[], Value | Awaitable[Value]]) -> Value:
    answer = predicate()
    return await answer if inspect.isawaitable(answer) else answer
