"""PostgreSQL's journal is kept from before the first iteration, and read at the end, whatever happened meanwhile."""

import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from harness.errors import CannotRun
from harness.eventually import eventually
from harness.journal import slot as slots
from harness.journal.reading import effects_of
from harness.journal.slot import Slot
from harness.journal.tables import JournalSection
from harness.services.postgres import create_database, drop_database
from harness.services.service import StartedService
from harness.stack import Stack

TABLES = """
    CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, workflow text UNIQUE);
    CREATE TABLE lines (order_id bigint REFERENCES orders, sku text, PRIMARY KEY (order_id, sku));
    CREATE TABLE votes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "workflowId" text);
    CREATE TABLE ledger (line text);
    CREATE TABLE bulk (number integer);
    CREATE VIEW seen AS SELECT * FROM votes;
    CREATE UNLOGGED TABLE passing (workflow text PRIMARY KEY);
"""
MAPPED: dict[str, Any] = {
    "tables": {
        "lines": {"workflow": "order_id.workflow", "step": "reserve"},
        "votes": {"workflow": "workflowId", "item": []},
    },
    "ledger": "ledger",
}
ORDER = """
    WITH placed AS (INSERT INTO orders (workflow) VALUES ($1) RETURNING id)
    INSERT INTO ledger SELECT id FROM placed
"""


def section(**tables: Any) -> JournalSection:
    """[journal], with these tables in place of the usual ones."""
    return msgspec.convert(MAPPED | ({"tables": tables} if tables else {}), JournalSection)


@pytest.fixture
async def url(stack: Stack) -> AsyncIterator[str]:
    """A database with the tables."""
    name = f"journal_{secrets.token_hex(6)}"
    url = await create_database(stack["postgres"].url, name)
    connection = await asyncpg.connect(url)
    await connection.execute(TABLES)
    yield url
    await connection.close()
    await drop_database(stack["postgres"].url, name)


@pytest.fixture
async def theirs(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A worker's connection."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def kept(url: str, mapped: JournalSection | None = None, *, ours: bool = True) -> Any:
    """The journal of a run of its own, whose workflows begin with "run-….", without anybody told."""
    return Slot.kept(url, mapped or section(), f"run-{secrets.token_hex(4)}", ours=ours, notify=lambda _: None)


async def is_gone(connection: asyncpg.Connection, name: str) -> bool:
    """Whether PostgreSQL has no such slot any more: a temporary one goes once it sees that its connection is gone."""
    return not await connection.fetchval("SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1", name)


@pytest.mark.parametrize("ours", [True, False])
async def test_what_is_committed_is_told_by_whom_it_is_for(
    url: str, theirs: asyncpg.Connection, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction that was committed with its rows, in the order of the commits, however often it is asked."""
    monkeypatch.setattr(slots, "BATCH", 2)  # lines: each transaction by itself
    await theirs.execute("INSERT INTO votes (\"workflowId\") VALUES ('before')")
    async with kept(url, ours=ours) as slot:
        await theirs.execute(ORDER, f"{slot.prefix}a")
        async with theirs.transaction():
            first = await theirs.fetchval("SELECT pg_current_xact_id()::text::bigint")
            async with theirs.transaction():  # a savepoint
                await theirs.execute("INSERT INTO lines SELECT max(id), unnest('{tea,jam}'::text[]) FROM orders")
        await theirs.execute("INSERT INTO bulk SELECT generate_series(1, 1000)")
        refused = theirs.transaction()
        await refused.start()
        await theirs.execute('INSERT INTO votes ("workflowId") VALUES ($1)', f"{slot.prefix}b")
        await refused.rollback()
        await theirs.execute("DELETE FROM lines WHERE sku = 'jam'")
        await theirs.execute("INSERT INTO votes (\"workflowId\") VALUES ('other.c'), ($1)", f"{slot.prefix}c")
        journal = await slot.read()
    assert journal.unread == ""
    assert [(commit.ledger, commit.others) for commit in journal.commits] == [(1, 1), (0, 2), (0, 1000), (0, 1), (0, 2)]
    assert [commit.transaction for commit in journal.commits][1] == first, "not that of the savepoint"
    told = [
        (change.table, change.key, change.inserted, change.deleted)
        for commit in journal.commits
        for change in commit.changes
    ]
    assert told == [
        ("public.lines", (f"{slot.prefix}a", "reserve", "tea"), 1, 0),
        ("public.lines", (f"{slot.prefix}a", "reserve", "jam"), 1, 0),
        ("public.lines", (f"{slot.prefix}a", "reserve", "jam"), 0, 1),
        ("public.votes", (f"{slot.prefix}c", "votes", ""), 1, 0),
    ]
    assert [effect.committed_at for effect in effects_of(journal.commits)] == sorted(
        effect.committed_at for effect in effects_of(journal.commits)
    )
    await eventually(partial(is_gone, theirs, slot.name))


async def test_a_slot_is_given_up_where_the_run_fails(url: str, theirs: asyncpg.Connection) -> None:
    """Else PostgreSQL would keep all that is written from then on."""
    with pytest.raises(ZeroDivisionError):
        async with kept(url) as slot:
            raise ZeroDivisionError
    await eventually(partial(is_gone, theirs, slot.name))


@pytest.mark.parametrize(
    ("table", "mapped", "told"),
    [
        ("nowhere", {"workflow": "workflow"}, "the database does not have"),
        ("orders", {"workflow": "flow"}, "no column of journal.tables.orders 'flow'"),
        ("orders", {"workflow": "workflow", "item": ["sku"]}, "no column of journal.tables.orders 'sku'"),
        ("orders", {"workflow": "workflow", "step_column": "sku"}, "no column of journal.tables.orders 'sku'"),
        ("orders", {"workflow": "workflow"}, "no primary key that says what a row is for"),
        ("ledger", {"workflow": "line"}, "no primary key that says what a row is for"),
        ("lines", {"workflow": "sku.workflow"}, "sku is no foreign key"),
        ("lines", {"workflow": "order_id.flow"}, "no column of journal.tables.lines 'flow'"),
        ("seen", {"workflow": "workflowId", "item": []}, "PostgreSQL's journal says nothing under this name"),
        ("passing", {"workflow": "workflow"}, "PostgreSQL's journal says nothing under this name"),
    ],
)
async def test_a_mapping_that_does_not_fit_is_refused(url: str, table: str, mapped: dict[str, Any], told: str) -> None:
    """Before anything is run: a table that is silently never told of would make all look well."""
    with pytest.raises(CannotRun, match=told):
        async with kept(url, section(**{table: mapped})):
            pytest.fail("it was accepted")


async def test_a_server_that_lets_nobody_look_is_told(url: str, theirs: asyncpg.Connection) -> None:
    """The run goes on, and what needs the journal is unknown, with PostgreSQL's own words."""
    role = f"nobody_{secrets.token_hex(4)}"
    await theirs.execute(f"CREATE ROLE {role} LOGIN")
    notes: list[str] = []
    barred = url.replace("postgres@", f"{role}@")
    async with Slot.kept(barred, section(), "run-1", ours=False, notify=notes.append) as slot:
        journal = await slot.read()
    await theirs.execute(f"DROP ROLE {role}")
    assert "permission denied to use replication slots" in journal.unread
    assert journal.unread in notes[0]


async def test_a_journal_outlives_its_server(tmp_path: Path) -> None:
    """What was committed before PostgreSQL was killed is told together with what was committed afterwards."""
    async with Stack.of(["postgres"], log_directory=tmp_path) as stack:
        postgres = stack["postgres"]
        assert isinstance(postgres, StartedService)
        connection = await asyncpg.connect(postgres.url)
        await connection.execute(TABLES)
        async with kept(postgres.url) as slot:
            await connection.execute('INSERT INTO votes ("workflowId") VALUES ($1)', f"{slot.prefix}a")
            await postgres.kill()
            await postgres.restart()
            connection.terminate()
            connection = await asyncpg.connect(postgres.url)
            await connection.execute('INSERT INTO votes ("workflowId") VALUES ($1)', f"{slot.prefix}b")
            journal = await slot.read()
            assert [effect.workflow_id for effect in effects_of(journal.commits)] == [
                f"{slot.prefix}a",
                f"{slot.prefix}b",
            ]
            await postgres.kill()
            assert "reading it failed" in (await slot.read()).unread
        connection.terminate()
