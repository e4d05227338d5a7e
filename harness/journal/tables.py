"""Which tables hold effects: as temper.toml maps them, completed by what PostgreSQL says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from harness.errors import CannotRun, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg


class TableSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[journal.tables.NAME]: a row that is inserted there is an effect; deleted, it is undone."""

    workflow: str
    """The column with the workflow's id; "load_id.workflow_id": that column of the row which load_id references."""
    step: str | None = None
    """The step that writes it; the table's name, unless it is said."""
    step_column: str | None = None
    """The column that says which step it was, where several write there."""
    item: list[str] | None = None
    """Columns that tell one item of the step from another, joined by "/"; an empty list where there is one item.

    Without it, the primary key's columns but for the workflow's.
    """


class JournalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[journal]: what PostgreSQL's own journal is read for."""

    tables: dict[str, TableSection] = {}
    """By name, with the schema where it is not on the search path."""
    ledger: str | None = None
    """The table of the ledger that `effects` reads."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A column that references the row of another table, and the column wanted of that."""

    column: str
    table: str
    key: str
    wanted: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A mapped table, with all that is needed to tell whose a row of it is."""

    name: str
    """As test_decoding has it: with its schema, each quoted where SQL would have them quoted."""
    key: tuple[str, ...]
    """The columns of its primary key."""
    workflow: str | Reference
    step: str
    step_column: str | None
    item: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """The tables of one target: the mapped ones, and the ledger's, by the name that test_decoding has for it."""

    tables: tuple[Table, ...]
    ledger: str | None

    @property
    def told(self) -> list[str]:
        """How the lines begin that have to be read."""
        references = {table.workflow.table for table in self.tables if isinstance(table.workflow, Reference)}
        return [f"table {name}: " for name in sorted({table.name for table in self.tables} | references)]

    @property
    def ledgers(self) -> list[str]:
        """How the lines begin that are the ledger's."""
        return [f"table {self.ledger}: "] if self.ledger else []


DESCRIBED = """
    SELECT table_.oid, format('%I.%I', nspname, relname) AS name, relkind = 'r' AND relpersistence = 'p' AS journalled,
           array(
               SELECT attname FROM pg_attribute WHERE attrelid = table_.oid AND attnum > 0 AND NOT attisdropped
           )::text[] AS columns,
           array(
               SELECT attname FROM pg_attribute
               WHERE attrelid = table_.oid AND attnum > 0 AND (atthasdef OR attidentity <> '')
           )::text[] AS filled_in,
           array(
               SELECT attname FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (number, place)
               JOIN pg_attribute ON attnum = number
               WHERE indrelid = table_.oid AND indisprimary AND attrelid = table_.oid ORDER BY place
           )::text[] AS key
    FROM pg_class AS table_ JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE table_.oid = coalesce(to_regclass($1), to_regclass(quote_ident($1)))
"""
REFERENCED = """
    SELECT format('%I.%I', nspname, relname) AS name, theirs.attname::text AS key,
           array(
               SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum > 0 AND NOT attisdropped
           )::text[] AS columns
    FROM pg_constraint
    JOIN pg_attribute AS ours ON ours.attrelid = conrelid AND conkey = ARRAY[ours.attnum]
    JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND confkey = ARRAY[theirs.attnum]
    JOIN pg_class AS table_ ON table_.oid = confrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE contype = 'f' AND conrelid = $1::oid AND ours.attname = $2
"""


async def mapping_of(connection: asyncpg.Connection, section: JournalSection) -> Mapping:
    """What temper.toml says, with what PostgreSQL knows of these tables. Raises CannotRun where the two do not fit."""
    tables = [await _table(connection, name, mapped) for name, mapped in section.tables.items()]
    ledger = await _described(connection, section.ledger, "journal.ledger") if section.ledger is not None else None
    return Mapping(tables=tuple(tables), ledger=ledger["name"] if ledger else None)


async def _table(connection: asyncpg.Connection, name: str, section: TableSection) -> Table:
    where = f"journal.tables.{name}"
    found = await _described(connection, name, where)
    workflow = await _workflow(connection, found, section.workflow, where)
    for column in [*(section.item or ()), *([section.step_column] if section.step_column else [])]:
        _refuse_unknown(column, found["columns"], where)
    return Table(
        name=found["name"],
        key=tuple(found["key"]),
        workflow=workflow,
        step=section.step or name,
        step_column=section.step_column,
        item=tuple(section.item) if section.item is not None else _items(found, workflow, where),
    )


async def _described(connection: asyncpg.Connection, name: str, where: str) -> asyncpg.Record:
    found = await connection.fetchrow(DESCRIBED, name)
    if found is None:
        raise CannotRun(f"{where} names the table {name!r}, which the database does not have.", remedy=MIGRATED)
    if not found["journalled"]:
        raise CannotRun(
            f"{where} names {found['name']}, of which PostgreSQL's journal says nothing under this name.",
            remedy="It has ordinary tables: name a partitioned table's partitions, and no view or unlogged table.",
        )
    return found


MIGRATED = "Give its schema too, if it is not on the search path; it must be there once `migrate` has run."


async def _workflow(connection: asyncpg.Connection, found: asyncpg.Record, told: str, where: str) -> str | Reference:
    column, dot, wanted = told.partition(".")
    if told in found["columns"] or not dot:
        _refuse_unknown(told, found["columns"], where)
        return told
    _refuse_unknown(column, found["columns"], where)
    referenced = await connection.fetchrow(REFERENCED, found["oid"], column)
    if referenced is None:
        raise CannotRun(
            f"{where} has the workflow's id in {told}, and {column} is no foreign key.",
            remedy="Name a column of the table itself, or one that references another table by a foreign key.",
        )
    _refuse_unknown(wanted, referenced["columns"], where)
    return Reference(column=column, table=referenced["name"], key=referenced["key"], wanted=wanted)


def _items(found: asyncpg.Record, workflow: str | Reference, where: str) -> tuple[str, ...]:
    """The columns of the primary key but for the workflow's, where these tell what a row is for."""
    whose = workflow.column if isinstance(workflow, Reference) else workflow
    items = tuple(column for column in found["key"] if column != whose)
    if not found["key"] or set(items) & set(found["filled_in"]):
        raise CannotRun(
            f"{where} has no primary key that says what a row is for: a second row could not be told from a repeat.",
            remedy='Name the columns that say it: item = ["sku"]; item = [] where a workflow has one row there.',
        )
    return items


def _refuse_unknown(column: str, known: Sequence[str], where: str) -> None:
    if column not in known:
        raise UnknownName(f"column of {where}", column, known)
