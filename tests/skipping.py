"""The system with one worker on a server that skips time; PostgreSQL is real."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from harness.environments import fresh_v1
from harness.temporal_test import Temporal
from harness.watching import Watch, Watched
from system.plugin import SystemPlugin
from system.search_attributes import register


@asynccontextmanager
async def skipping(activities: Sequence[Callable[..., Any]]) -> AsyncIterator[Temporal]:
    """A client, and a worker with these activities.

    When the test ends, every history must replay, its commands compared, and no workflow task may have failed.
    """
    watched = Watched()
    async with fresh_v1([SystemPlugin(), Watch(watched)]) as environment:
        temporal = Temporal(environment, watched)
        await register(environment.client)
        async with temporal.worker(activities=activities):
            yield temporal
        await temporal.check()
