"""Opens PostgreSQL connections that never wait without end."""

from __future__ import annotations

import functools
import logging
import textwrap
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from system.errors import NotMigrated, Unavailable
from system.settings import Settings, masked
from system.storage.migrations import HEAD

if TYPE_CHECKING:
    from asyncpg.connection import LoggedQuery
    from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 60.0
ACQUIRE_SECONDS = 30.0
"""How long to wait for a connection while others use them all."""
RELEASE_SECONDS = 5.0
SHOWN_CHARACTERS = 200
"""Of a slow query."""
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


class _BoundedPool(asyncpg.Pool):
    """A pool where neither waiting for a connection nor giving it back is without end.

    What asyncpg sees to by itself: a connection given back is rolled back, its session settings and session locks are
    reset; one that cannot be, or that does not acknowledge a cancelled query, is closed and replaced.
    """

    __slots__ = ()

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext[asyncpg.Record]:
        """Wait up to 30 s, if not told otherwise; raises TimeoutError."""
        return super().acquire(timeout=ACQUIRE_SECONDS if timeout is None else timeout)

    async def release(self, connection: PoolConnectionProxy[asyncpg.Record], *, timeout: float | None = None) -> None:
        """Give back, or close what cannot be reset within 5 s, if not told otherwise."""
        try:
            await super().release(connection, timeout=RELEASE_SECONDS if timeout is None else timeout)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # Raised, it would take the place of what the caller is about to return or to raise: also of a cancellation.
            logger.warning("closed a connection that could not be reset: %s %s", type(error).__name__, error)


async def open_pool(settings: Settings) -> Pool:
    """Open the pool of one worker.

    Raises:
        Unavailable: PostgreSQL refused, or did not answer within 5 seconds.

    """
    try:
        return await _BoundedPool(
            settings.database_url,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            max_queries=50_000,
            max_inactive_connection_lifetime=300.0,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            loop=None,
            init=functools.partial(_log_slow_queries, settings.slow_query_seconds),
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
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


async def _log_slow_queries(threshold: float, connection: asyncpg.Connection[asyncpg.Record]) -> None:
    def log(query: LoggedQuery) -> None:
        if query.elapsed >= threshold:
            # Never its arguments, nor the error's text, which quotes them: they may be anybody's data.
            outcome = type(query.exception).__name__ if query.exception else "done"
            logger.warning("slow query: %s after %.2f s: %s", outcome, query.elapsed, _shortened(query.query))

    connection.add_query_logger(log)


def _shortened(query: str) -> str:
    return textwrap.shorten(query, SHOWN_CHARACTERS, placeholder=" …")


def _unavailable(database_url: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"PostgreSQL at {masked(database_url)} does not let us in ({type(error).__name__}: {error}); "
        "start it, or correct DATABASE_URL"
    )
