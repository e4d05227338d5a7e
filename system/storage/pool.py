"""Opens PostgreSQL connections that never wait without end."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from system.errors import NotMigrated, Unavailable
from system.settings import Settings, masked
from system.storage.migrations import HEAD

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

CONNECT_SECONDS = 5.0
# A client may vanish without a word (a cut link, a stopped process): the server must end its transaction by
# itself, or the next attempt waits for a lock that nobody will ever release.
SERVER_SETTINGS = {
    "application_name": "system",
    "statement_timeout": "60s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15s",
    "timezone": "UTC",
    "jit": "off",
}


async def open_pool(settings: Settings) -> Pool:
    """Open the pool of one worker.

    Raises:
        Unavailable: PostgreSQL refused, or did not answer within 5 seconds.

    """
    try:
        return await asyncpg.create_pool(
            settings.database_url,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            timeout=CONNECT_SECONDS,
            command_timeout=60.0,
            server_settings=SERVER_SETTINGS,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unavailable(settings.database_url, error) from error


async def connect(database_url: str) -> asyncpg.Connection[asyncpg.Record]:
    """Open one connection.

    Raises:
        Unavailable: PostgreSQL refused, or did not answer within 5 seconds.

    """
    try:
        return await asyncpg.connect(database_url, timeout=CONNECT_SECONDS, server_settings=SERVER_SETTINGS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unavailable(database_url, error) from error


async def check_migrated(connection: Connection) -> None:
    """Make sure the database has every table this version needs; a newer database is welcome.

    Raises:
        NotMigrated: says which revision was found, and what to run.

    """
    try:
        found = await connection.fetchval("SELECT max(version_num) FROM alembic_version")
    except asyncpg.UndefinedTableError:
        found = None
    if found is None or found < HEAD:
        raise NotMigrated(
            f"the database is at revision {found or 'none'}, this version needs {HEAD}: run `python -m system migrate`"
        )


def _unavailable(database_url: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"PostgreSQL at {masked(database_url)} does not let us in ({type(error).__name__}: {error}); "
        "start it, or correct DATABASE_URL"
    )
