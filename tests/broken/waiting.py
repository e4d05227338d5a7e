"""What happens between two statements of the system, made certain: a table is held until somebody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import asyncpg

from harness.eventually import eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_type = 'client backend'
"""
CUT = f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting"


@asynccontextmanager
async def held(url: str, table: str, *, until: int, cut: bool = False) -> AsyncIterator[None]:
    """Let nobody write this table until so many connections wait, for it or for one of them; then let them go on.

    Args:
        url: of the database.
        table: that is locked.
        until: how many connections must wait.
        cut: end the connections that wait, before the table is let go.

    """
    # Within a transaction, PostgreSQL tells who waits as it was when it was first asked: another one asks.
    holder, asking = await asyncpg.connect(url), await asyncpg.connect(url)
    letting_go = None
    try:
        await holder.execute(f'BEGIN; LOCK TABLE "{table}" IN EXCLUSIVE MODE')
        letting_go = asyncio.create_task(_let_go(holder, asking, until, cut=cut))
        yield
        await letting_go
    finally:
        if letting_go is not None and not letting_go.done():
            letting_go.cancel()
            with suppress(asyncio.CancelledError):
                await letting_go
        holder.terminate()
        asking.terminate()


async def _let_go(holder: Connection, asking: Connection, until: int, *, cut: bool) -> None:
    async def wait() -> bool:
        return len(await asking.fetch(WAITING)) >= until

    await eventually(wait, timeout=60)
    if cut:
        await asking.execute(CUT)
    await holder.execute("ROLLBACK")
