"""The database can be brought to a revision, and back."""

import asyncio

import asyncpg
import pytest

from system.errors import NotMigrated, SettingsError, Unavailable
from system.settings import Settings
from system.storage.migrations import HEAD, downgrade, upgrade
from system.storage.pool import check_migrated, connect, open_pool


async def tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in rows} - {"alembic_version"}


async def test_down_and_up_again(settings: Settings) -> None:
    """Taking everything back leaves no table; a second upgrade at the same time does no harm."""
    connection = await connect(settings.database_url)
    try:
        before = await tables(connection)
        await check_migrated(connection)
        await asyncio.to_thread(downgrade, settings.database_url, "base")
        assert await tables(connection) == set()
        with pytest.raises(NotMigrated, match=f"needs {HEAD}"):
            await check_migrated(connection)
        await asyncio.gather(*(asyncio.to_thread(upgrade, settings.database_url) for _ in range(3)))
        assert await tables(connection) == before != set()
        await check_migrated(connection)
    finally:
        await connection.close()


async def test_unknown_revision_and_absent_server(settings: Settings) -> None:
    """Both are said in the system's own errors."""
    with pytest.raises(SettingsError, match="nowhere"):
        await asyncio.to_thread(downgrade, settings.database_url, "nowhere")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        await asyncio.to_thread(upgrade, "postgresql://me@127.0.0.1:1/x")
    with pytest.raises(Unavailable, match=r"me:…@127\.0\.0\.1:1/x.password=….*DATABASE_URL"):
        await open_pool(Settings(database_url="postgresql://me:secret@127.0.0.1:1/x?password=secret"))
