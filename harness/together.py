"""Runs several things at once, of which either all succeed or none is left going."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable


async def together(doings: Iterable[Coroutine[object, object, None]]) -> None:
    """Await them concurrently; on the first error, or when cancelled, the others are cancelled and awaited.

    Raises the first error itself, not a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for doing in doings:
                group.create_task(doing)
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
