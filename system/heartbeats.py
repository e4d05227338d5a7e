"""Keeps an activity's heartbeats coming while it waits for something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity

TIMEOUT = timedelta(seconds=4)
"""How long nothing may be heard of an attempt: where its worker was killed, another attempt begins so soon."""
BEATS = 5
"""Heartbeats within one heartbeat timeout."""


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat in the background until the body ends; cancellation reaches the body meanwhile."""
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return
    beats = asyncio.create_task(_beat(timeout.total_seconds() / BEATS))
    try:
        yield
    finally:
        beats.cancel()


async def _beat(seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        activity.heartbeat()
