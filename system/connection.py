"""Connects to Temporal with the system's plugin."""

from __future__ import annotations

import asyncio

from temporalio.client import Client
from temporalio.service import RPCError

from system.errors import Unavailable
from system.payloads import PayloadStore
from system.plugin import SystemPlugin
from system.settings import Settings
from system.storage.pool import Pool

CONNECT_SECONDS = 10.0


async def connect(settings: Settings, database: Pool | None = None) -> Client:
    """Connect a client; workers made from it have the plugin too.

    Args:
        settings: where Temporal is, and PostgreSQL with the large payloads.
        database: the pool to read and write large payloads by; without one, a connection is made for each use.

    Raises:
        Unavailable: Temporal refused, or did not answer within 10 seconds.

    """
    try:
        return await asyncio.wait_for(
            Client.connect(
                settings.temporal_address,
                namespace=settings.temporal_namespace,
                plugins=[SystemPlugin(PayloadStore(database or settings.database_url, limit=settings.payload_limit))],
            ),
            CONNECT_SECONDS,
        )
    except (RuntimeError, ValueError, RPCError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"Temporal at {settings.temporal_address} does not answer ({_first_line(error)}); "
            "start it, or correct TEMPORAL_ADDRESS"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
