"""The database can be brought to a revision, and back."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from harness.services.postgres import create_database, drop_database
from harness.stack import Stack
from system.errors import NotMigrated, SettingsError, Unavailable
from system.settings import Settings
from system.storage.migrations import HEAD, VERSIONS, downgrade, runner, upgrade
from system.storage.pool import check_migrated, connect, open_pool

REVISIONS = sorted(path.stem[1:5] for path in VERSIONS.glob("r[0-9]*.py"))
# Everything a migration may make, each with its definition: names alone would not show a lost default or constraint.
OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
SCHEMA = f"""
    SELECT 'schema', n.nspname, NULL FROM pg_namespace n WHERE {OURS}
    UNION ALL
    SELECT 'relation', c.oid::regclass::text, concat_ws(' ', c.relkind, c.relpersistence, c.reloptions)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {OURS}
    UNION ALL
    SELECT 'column', concat(c.oid::regclass, '.', attname),
           concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
                     pg_get_expr(adbin, adrelid), attcollation)
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE {OURS} AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'constraint', concat(conrelid::regclass, '.', conname),
           concat_ws(' ', pg_get_constraintdef(co.oid), convalidated)
    FROM pg_constraint co JOIN pg_namespace n ON n.oid = connamespace WHERE {OURS}
    UNION ALL
    SELECT 'index', indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid)
    FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE {OURS}
    UNION ALL
    SELECT 'sequence', c.oid::regclass::text,
           concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
    FROM pg_sequence s JOIN pg_class c ON c.oid = seqrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE {OURS}
    UNION ALL
    SELECT 'view', c.oid::regclass::text, pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {OURS} AND relkind IN ('v', 'm')
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {OURS} AND prokind IN ('f', 'p')
    UNION ALL
    SELECT 'trigger', concat(tgrelid::regclass, '.', tgname), pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'type', t.oid::regtype::text,
           concat_ws(' ', typtype, (SELECT array_agg(enumlabel ORDER BY enumsortorder)
                                    FROM pg_enum WHERE enumtypid = t.oid))
    FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE {OURS}
    UNION ALL
    SELECT 'extension', extname, extversion FROM pg_extension
"""


async def schema(connection: asyncpg.Connection) -> set[tuple[str | None, ...]]:
    """What the database is made of; Alembic's own table is no part of it."""
    return {tuple(row) for row in await connection.fetch(SCHEMA) if "alembic_version" not in str(row[1])}


@pytest.fixture
async def empty_url(stack: Stack) -> AsyncIterator[str]:
    """A database that nothing was migrated in."""
    name = f"empty_{secrets.token_hex(6)}"
    yield await create_database(stack["postgres"].url, name)
    await drop_database(stack["postgres"].url, name)


async def test_every_revision_goes_down_and_up_again(empty_url: str) -> None:
    """A revision taken back leaves what was there before it; made again, it makes the same."""
    connection = await connect(empty_url)
    before_it, before = "base", await schema(connection)
    try:
        for revision in REVISIONS:
            await asyncio.to_thread(upgrade, empty_url, revision)
            made = await schema(connection)
            await asyncio.to_thread(downgrade, empty_url, before_it)
            assert await schema(connection) == before, revision
            await asyncio.to_thread(upgrade, empty_url, revision)
            assert await schema(connection) == made, revision
            before_it, before = revision, made
    finally:
        await connection.close()


async def test_many_migrate_at_once(empty_url: str) -> None:
    """Started in several places at the same time, each revision is made once, and all of them succeed."""
    await asyncio.gather(*(asyncio.to_thread(upgrade, empty_url) for _ in range(4)))
    connection = await connect(empty_url)
    try:
        await check_migrated(connection)
        assert await connection.fetchval("SELECT array_agg(version_num) FROM alembic_version") == [HEAD]
    finally:
        await connection.close()


async def test_a_migration_waits_for_no_table(
    settings: Settings, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody uses a table for long, the migration gives up, changes nothing, and says so."""
    monkeypatch.setattr(runner, "LOCK_SECONDS", 0.2)
    before = await schema(connection)
    async with connection.transaction():
        await connection.execute("LOCK TABLE effects IN ACCESS SHARE MODE")
        with pytest.raises(Unavailable, match=r"lock timeout.*nothing was changed.*try again"):
            await asyncio.to_thread(downgrade, settings.database_url, "base")
    assert await schema(connection) == before


async def test_a_migration_waits_its_turn_within_bounds(
    settings: Settings, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another one does not end, it gives up."""
    monkeypatch.setattr(runner, "TURN_SECONDS", 0.2)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", runner.ADVISORY_LOCK)
        with pytest.raises(Unavailable, match=r"lock timeout.*nothing was changed.*try again"):
            await asyncio.to_thread(upgrade, settings.database_url)


async def test_a_database_that_is_behind_is_refused(empty_url: str) -> None:
    """What is missing is named, with what to run."""
    connection = await connect(empty_url)
    try:
        with pytest.raises(NotMigrated, match=f"revision none.*needs {HEAD}.*python -m system migrate"):
            await check_migrated(connection)
        await asyncio.to_thread(upgrade, empty_url, REVISIONS[0])
        with pytest.raises(NotMigrated, match=f"revision {REVISIONS[0]}.*needs {HEAD}"):
            await check_migrated(connection)
    finally:
        await connection.close()


async def test_unknown_revision_and_absent_server(settings: Settings) -> None:
    """Both are said in the system's own errors."""
    with pytest.raises(SettingsError, match="nowhere"):
        await asyncio.to_thread(downgrade, settings.database_url, "nowhere")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        await asyncio.to_thread(upgrade, "postgresql://me@127.0.0.1:1/x")
    url = "postgresql://me:secret@127.0.0.1:1/x?password=secret"  # pragma: allowlist secret - nobody's
    with pytest.raises(Unavailable, match=r"me:…@127\.0\.0\.1:1/x.password=….*DATABASE_URL"):
        await open_pool(Settings(database_url=url))
