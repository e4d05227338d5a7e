"""Connections to PostgreSQL that are the faults' own, past all links and pools."""

from __future__ import annotations

import asyncpg

from harness.services.service import StartedService
from harness.sessions import OURS

ANSWER_SECONDS = 5.0
"""How long PostgreSQL may take to let us in, and to answer what waits for nobody."""

GONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What is raised where PostgreSQL is gone, or does not answer."""


async def session(service: StartedService) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection, in the role that the stack's own address names. Raises one of GONE."""
    return await asyncpg.connect(
        service.url, ssl=False, timeout=ANSWER_SECONDS, server_settings={"application_name": OURS}
    )
