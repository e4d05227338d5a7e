"""The typed tables the rows go to, in the database schema ``datasets``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from system.errors import SchemaMismatch
from system.pipeline.rules import column_differences
from system.pipeline.schema import Kind, Schema

if TYPE_CHECKING:
    from system.storage.pool import Connection

ROW_OWNER = "_chunk"
TYPES = {
    "text": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp with time zone",
}


async def ensure_table(connection: Connection, schema: Schema) -> None:
    """Create the dataset's table, or make sure that the one there has exactly the declared columns.

    Raises:
        SchemaMismatch: the table has other columns; a data set referred to, or its column, does not exist;
            PostgreSQL will not make such a table.

    """
    async with connection.transaction():
        # CREATE TABLE IF NOT EXISTS is no protection against two that run at once: both may find nothing.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('datasets'))")
        await _check_references(connection, schema)
        declared = {name: TYPES[kind] for name, kind in schema.columns.items()}
        existing = await _columns(connection, schema.dataset)
        if existing is None:
            await _create_or_refuse(connection, schema.dataset, declared)
            return
        existing.pop(ROW_OWNER, None)
        differences = column_differences(declared, existing)
        if differences:
            raise SchemaMismatch(
                f"table datasets.{schema.dataset} exists with other columns: {'; '.join(differences)}; "
                "correct the schema, or choose another dataset name"
            )


async def unknown_values(connection: Connection, reference: str, kind: Kind, values: Sequence[Any]) -> list[Any]:
    """Return those of the distinct ``values`` that ``dataset.column`` does not hold."""
    if not values:
        return []
    dataset, column = reference.split(".")
    rows = await connection.fetch(
        f"""
        SELECT value FROM unnest($1::{TYPES[kind]}[]) AS value
        WHERE NOT EXISTS (SELECT FROM datasets."{dataset}" WHERE "{column}" = value)
        """,  # noqa: S608 both names are identifiers by the schema's pattern
        values,
    )
    return [row["value"] for row in rows]


async def count_rows(connection: Connection, dataset: str, chunk_ids: Sequence[int]) -> dict[int, int]:
    """Count a dataset's rows by the id of the chunk that brought them."""
    # Each chunk's rows by themselves, for that takes half the time of sorting them out of one scan.
    rows = await connection.fetch(
        f"""
        SELECT id AS chunk, (SELECT count(*) FROM datasets."{dataset}" WHERE {ROW_OWNER} = _chunks.id) AS rows
        FROM unnest($1::integer[]) AS _chunks (id)
        """,  # noqa: S608 the dataset is an identifier by the schema's pattern
        chunk_ids,
    )
    return {row["chunk"]: row["rows"] for row in rows}


async def delete_rows(connection: Connection, dataset: str, chunk_id: int) -> None:
    """Delete the rows that a chunk brought."""
    await connection.execute(
        f'DELETE FROM datasets."{dataset}" WHERE {ROW_OWNER} = $1',  # noqa: S608  # nosec B608 # an identifier
        chunk_id,
    )


async def _check_references(connection: Connection, schema: Schema) -> None:
    for field in schema.fields:
        if field.references is None:
            continue
        dataset, column = field.references.split(".")
        columns = await _columns(connection, dataset)
        if columns is None and dataset != schema.dataset:
            raise SchemaMismatch(
                f"field {field.name!r} refers to {field.references}, but no {dataset!r} was loaded: load it first"
            )
        columns = columns or {name: TYPES[kind] for name, kind in schema.columns.items()}
        if columns.get(column) != TYPES[field.type]:
            raise SchemaMismatch(
                f"field {field.name!r} is {TYPES[field.type]} and refers to {field.references}, "
                f"which is {columns.get(column, 'no column there')}"
            )
        if dataset != schema.dataset:
            await _index(connection, dataset, column)


async def _columns(connection: Connection, dataset: str) -> dict[str, str] | None:
    rows = await connection.fetch(
        """
        SELECT attname, format_type(atttypid, atttypmod) AS type
        FROM pg_attribute
        WHERE attrelid = to_regclass('datasets.' || quote_ident($1)) AND attnum > 0 AND NOT attisdropped
        """,
        dataset,
    )
    return {row["attname"]: row["type"] for row in rows} or None


async def _create_or_refuse(connection: Connection, dataset: str, columns: dict[str, str]) -> None:
    try:
        await _create(connection, dataset, columns)
    except asyncpg.InsufficientPrivilegeError:
        raise  # of the same class as wrong syntax, but it can be granted: the attempt is retried
    except (asyncpg.ProgramLimitExceededError, asyncpg.SyntaxOrAccessError) as error:
        raise SchemaMismatch(f"PostgreSQL refused to make the table datasets.{dataset}: {error}") from error


async def _create(connection: Connection, dataset: str, columns: dict[str, str]) -> None:
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    await connection.execute(f'CREATE TABLE datasets."{dataset}" ({listed}, "{ROW_OWNER}" integer NOT NULL)')
    # Not a block range index, though it is lighter: under concurrent COPY it misses rows (docs/decisions.md).
    await connection.execute(f'CREATE INDEX "{dataset}_chunk" ON datasets."{dataset}" ("{ROW_OWNER}")')


async def _index(connection: Connection, dataset: str, column: str) -> None:
    name = f"{dataset}_{column}"[:63]
    # CREATE INDEX IF NOT EXISTS would wait for writers of the table even where the index exists.
    if await connection.fetchval("SELECT to_regclass('datasets.' || quote_ident($1))", name) is None:
        await connection.execute(f'CREATE INDEX "{name}" ON datasets."{dataset}" ("{column}")')
