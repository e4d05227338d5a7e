"""Asks PostgreSQL for the connections that a target's workers hold."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from harness.records.sessions import IN_TRANSACTION, Session

if TYPE_CHECKING:
    import asyncpg

OURS = "temper"
"""What the harness's own connections are called, which are left out."""
LONGEST_TRANSACTION = 1.0
"""Seconds for which a connection may be between two statements of one transaction."""
LOOK_AGAIN = 0.1
SHOWN = 200
"""Characters of a statement."""
SESSIONS = """
    SELECT pid, application_name AS application, coalesce(state, '') AS state, left(query, $2) AS query,
           coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)::float8 AS seconds
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND application_name <> $1 AND pid <> pg_backend_pid()
    ORDER BY pid
"""


async def read_sessions(postgres: asyncpg.Pool) -> list[Session]:
    """Every connection to the target's database but ours.

    Where one is within a transaction it is looked at again for a second: most are only between two statements.
    """
    deadline = time.monotonic() + LONGEST_TRANSACTION
    while True:
        asked = time.monotonic()
        sessions = [Session(**row) for row in await postgres.fetch(SESSIONS, OURS, SHOWN)]
        within = [session for session in sessions if session.state.startswith(IN_TRANSACTION)]
        if not within:
            return sessions
        if asked > deadline:
            return [session for session in sessions if session not in within or session.seconds >= LONGEST_TRANSACTION]
        await asyncio.sleep(LOOK_AGAIN)
