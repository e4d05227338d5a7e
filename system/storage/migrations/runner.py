"""Runs Alembic on an asyncpg connection, without an alembic.ini."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from system.errors import SettingsError, Unavailable

ADVISORY_LOCK = 0x54454D50  # "TEMP": one migration at a time, whoever starts it
CONNECT_SECONDS = 5.0
TURN_SECONDS = 120.0
"""How long to wait for a migration that somebody else started."""
LOCK_SECONDS = 5.0
"""How long to wait for a table: whoever wants it after us waits behind us, so the whole system stands still."""


def run(database_url: str, revision: str, *, down: bool) -> None:
    """Move the database to ``revision``; see the package for the errors."""
    asyncio.run(_run(database_url, revision, down=down))


async def _run(database_url: str, revision: str, *, down: bool) -> None:
    url = make_url(database_url)
    # Connected as the workers are: SQLAlchemy would hand over options of the URL that asyncpg reads by itself.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: asyncpg.connect(database_url, timeout=CONNECT_SECONDS),
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_move, revision, down)
    except DBAPIError as error:
        raise Unavailable(
            f"PostgreSQL at {url.host}:{url.port or 5432} did not migrate ({error.orig}), and nothing was changed: "
            "where somebody holds a table or migrates too, try again; else correct what the message says"
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise Unavailable(
            f"PostgreSQL at {url.host}:{url.port or 5432} could not be migrated ({error}); "
            "start it, or correct DATABASE_URL"
        ) from error
    except CommandError as error:
        raise SettingsError(f"cannot migrate to {revision!r}: {error}") from error
    finally:
        await engine.dispose()


def _move(connection: Connection, revision: str, down: bool) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = {int(TURN_SECONDS * 1000)}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_SECONDS * 1000)}"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    (command.downgrade if down else command.upgrade)(config, revision)
