"""The system's worker with one planted bug: a chunk's ledger row is committed in a transaction of its own."""

import asyncio
import os

import asyncpg

from system.pipeline import activities
from system.settings import Settings
from system.storage.effects import Effect, record
from system.storage.pool import Connection
from system.worker import run_worker


async def record_apart(connection: Connection, effect: Effect) -> None:
    """Commit the ledger row of a chunk before the chunk's rows are: a crash between the two loses the rows."""
    if effect.step != "load_chunk":
        await record(connection, effect)
        return
    apart = await asyncpg.connect(Settings.from_environment().database_url)
    try:
        async with apart.transaction():
            await record(apart, effect)
    finally:
        await apart.close()


if __name__ == "__main__":
    setattr(activities, "record", record_apart)  # noqa: B010  # it is imported there, not exported
    asyncio.run(run_worker(Settings.from_environment()))
    os._exit(0)
