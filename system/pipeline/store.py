"""The pipeline's SQL: loads, manifests, chunks, rejects."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from system.errors import LoadClosed, SourceChanged
from system.pipeline.datasets import ROW_OWNER, count_rows
from system.pipeline.files import settle_files, write_files
from system.pipeline.models import ChunkResult, CloseResult
from system.pipeline.rules import ChunkCount, content_digest
from system.pipeline.schema import Schema
from system.storage.effects import Effect, record

if TYPE_CHECKING:
    from asyncpg import Record

    from system.pipeline.manifest import Content
    from system.storage.pool import Connection

CLOSED = ("cancelled", "failed")


@dataclass(frozen=True, kw_only=True)
class Load:
    """A load as its row says."""

    id: int
    dataset: str
    rows_read: int
    """Of the files that are not skipped."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a load."""

    load_id: int
    name: str
    """As the user named it."""
    schema: Schema
    """With the fields in the order of the file."""


@dataclass(frozen=True, kw_only=True)
class ChunkRows:
    """The rows of one chunk, ready for COPY."""

    id: int
    result: ChunkResult
    dataset: str
    columns: tuple[str, ...]
    rows: bytes
    rejects: bytes


async def open_load(connection: Connection, workflow_id: str) -> int:
    """Return the id of this workflow's load, the same for every attempt.

    Raises:
        LoadClosed: the load of this workflow id was cancelled, or has failed and is not opened again.

    """
    await connection.execute("INSERT INTO loads (workflow_id) VALUES ($1) ON CONFLICT DO NOTHING", workflow_id)
    row = await connection.fetchrow("SELECT id, workflow_id, state FROM loads WHERE workflow_id = $1", workflow_id)
    assert row is not None
    if row["state"] in CLOSED:
        raise _closed(row)
    return int(row["id"])


async def register(
    connection: Connection, load_id: int, schema: Schema, contents: Sequence[Content], *, again: bool
) -> None:
    """Write what the load is to bring; another attempt with the same content changes nothing.

    The load's row stays locked until the transaction ends.

    Raises:
        SourceChanged: an earlier attempt read something else, or under another schema.
        LoadClosed: the load was closed meanwhile.

    """
    chunks = [chunk for content in contents for chunk in content.chunks]
    sha256 = content_digest([*(one.sha256 for one in contents), *(chunk.sha256 for chunk in chunks)])
    row = await connection.fetchrow(
        "SELECT workflow_id, state, sha256, dataset, schema FROM loads WHERE id = $1 FOR UPDATE", load_id
    )
    assert row is not None
    if row["state"] in CLOSED:
        raise _closed(row)
    if row["sha256"] is not None:
        if (row["sha256"], Schema.model_validate_json(row["schema"])) != (sha256, schema):
            names = [one.source.name for one in contents]
            raise SourceChanged(
                f"{', '.join(names)} or its schema is not what workflow id "
                f"{row['workflow_id']!r} loaded into {row['dataset']!r} before: to load it, use a new workflow id",
                *names,
            )
        return
    await connection.execute(
        "UPDATE loads SET dataset = $2, schema = $3, sha256 = $4, rows_read = $5 WHERE id = $1",
        load_id,
        schema.dataset,
        schema.model_dump_json(),
        sha256,
        sum(chunk.rows for chunk in chunks),
    )
    await write_files(connection, load_id, schema.dataset, contents, again=again)
    await connection.copy_records_to_table(
        "manifest",
        records=[(load_id, c.number, c.source, c.offset, c.length, c.first_row, c.rows, c.sha256) for c in chunks],
        columns=["load_id", "number", "source", "byte_offset", "byte_length", "first_row", "rows_read", "sha256"],
    )


async def recorded_chunk(connection: Connection, load_id: int, number: int) -> ChunkResult | None:
    """Return what an earlier attempt loaded; None where the chunk is still to be loaded.

    Raises:
        LoadClosed: it is not loaded, and no longer to be. The load's row stays locked against closing until the
            transaction ends.

    """
    load = await connection.fetchrow("SELECT workflow_id, state FROM loads WHERE id = $1 FOR SHARE", load_id)
    row = await connection.fetchrow(
        "SELECT number, rows_read, rows_loaded, rows_rejected FROM chunks WHERE load_id = $1 AND number = $2",
        load_id,
        number,
    )
    if row is not None:
        return ChunkResult.model_validate(dict(row))
    if load is None or load["state"] != "open":
        raise _closed(load)
    return None


async def next_chunk_id(connection: Connection) -> int:
    """Return the id under which a chunk may be claimed; rows carry it before the claim is made."""
    return int(await connection.fetchval("SELECT nextval('chunk_ids')"))


async def claim_chunk(connection: Connection, load_id: int, chunk_id: int, result: ChunkResult) -> bool:
    """Claim a chunk for the open transaction; False where another attempt has it.

    Where another attempt is in the middle of it, this waits until that one has committed, or rolled back.
    """
    claimed = await connection.fetchval(
        """
        INSERT INTO chunks (id, load_id, number, rows_read, rows_loaded, rows_rejected)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (load_id, number) DO NOTHING
        RETURNING id
        """,
        chunk_id,
        load_id,
        result.number,
        result.rows_read,
        result.rows_loaded,
        result.rows_rejected,
    )
    return claimed is not None


async def copy_rows(connection: Connection, chunk: ChunkRows) -> None:
    """COPY a chunk's rows and rejects."""
    if chunk.result.rows_loaded:
        await connection.copy_to_table(
            chunk.dataset,
            schema_name="datasets",
            columns=[*chunk.columns, ROW_OWNER],
            source=io.BytesIO(chunk.rows),
            format="csv",
        )
    if chunk.result.rows_rejected:
        await connection.copy_to_table(
            "rejects",
            columns=["load_id", "chunk", "file", "row_number", "reason", "raw"],
            source=io.BytesIO(chunk.rejects),
            format="csv",
        )


async def read_file(connection: Connection, load_id: int, number: int) -> File:
    """Return a file of a load that was registered.

    Raises:
        LoadClosed: it is no longer there.

    """
    row = await connection.fetchrow(
        "SELECT name, columns, schema FROM loads JOIN files ON load_id = id WHERE id = $1 AND number = $2",
        load_id,
        number,
    )
    if row is None:
        raise _closed(row)
    schema = Schema.model_validate_json(row["schema"]).arranged(row["columns"])
    return File(load_id=load_id, name=row["name"], schema=schema)


async def lock_load(connection: Connection, load_id: int) -> Load:
    """Return the load, locked until the transaction ends.

    Raises:
        LoadClosed: it was cancelled or has failed.

    """
    row = await connection.fetchrow(
        "SELECT id, workflow_id, state, dataset, rows_read FROM loads WHERE id = $1 FOR UPDATE", load_id
    )
    if row is None or row["state"] in CLOSED:
        raise _closed(row)
    return Load(id=row["id"], dataset=row["dataset"], rows_read=row["rows_read"])


async def count_rejects(connection: Connection, load_id: int) -> dict[tuple[int, str], int]:
    """Count the load's rejects by chunk and reason, the most frequent first."""
    rows = await connection.fetch(
        "SELECT chunk, reason, count(*) FROM rejects WHERE load_id = $1 GROUP BY 1, 2 ORDER BY 3 DESC, 2, 1", load_id
    )
    return {(row["chunk"], row["reason"]): row["count"] for row in rows}


async def count_chunks(connection: Connection, load: Load, rejects: Mapping[tuple[int, str], int]) -> list[ChunkCount]:
    """Count what the database holds of each chunk in the load's manifest, given its rejects by (chunk, reason)."""
    chunks = await connection.fetch(
        """
        SELECT number, source, manifest.rows_read, chunks.id
        FROM manifest LEFT JOIN chunks USING (load_id, number)
        WHERE load_id = $1 ORDER BY number
        """,
        load.id,
    )
    # Not joined in SQL: without statistics, the planner counts the table anew for each chunk.
    rows = await count_rows(connection, load.dataset, [row["id"] for row in chunks if row["id"] is not None])
    rejected: Counter[int] = Counter()
    for (chunk, _), count in rejects.items():
        rejected[chunk] += count
    return [
        ChunkCount(
            number=row["number"],
            source=row["source"],
            rows_read=row["rows_read"],
            rows_loaded=rows.get(row["id"], 0),
            rows_rejected=rejected[row["number"]],
            claimed=row["id"] is not None,
        )
        for row in chunks
    ]


async def mark_reconciled(connection: Connection, load_id: int) -> bool:
    """Close the load as reconciled, and its files as loaded; False where it already was."""
    await settle_files(connection, load_id, "loaded")
    status = await connection.execute(
        "UPDATE loads SET state = 'reconciled', closed_at = clock_timestamp() WHERE id = $1 AND state = 'open'", load_id
    )
    return status == "UPDATE 1"


async def close_load(connection: Connection, effect: Effect) -> CloseResult:
    """Close the workflow's load in the state that is the effect's item, release its files, and record the effect.

    It is closed even where it is not there yet, lest a late attempt open it. One that is closed already stays as it
    is, but for one that has failed and is cancelled now.

    Returns:
        The state it is in.

    """
    workflow_id, state = effect.workflow_id, effect.item
    async with connection.transaction():
        await connection.execute("INSERT INTO loads (workflow_id) VALUES ($1) ON CONFLICT DO NOTHING", workflow_id)
        load = await connection.fetchrow("SELECT id, state FROM loads WHERE workflow_id = $1 FOR UPDATE", workflow_id)
        assert load is not None
        if load["state"] != "open" and (load["state"], state) != ("failed", "cancelled"):
            return CloseResult(load_id=load["id"], state=load["state"])
        await connection.execute(
            "UPDATE loads SET state = $2, closed_at = clock_timestamp(), closed_by = $3 WHERE id = $1",
            load["id"],
            state,
            effect.run_id,
        )
        await settle_files(connection, load["id"], "released")
        await record(connection, effect)
    return CloseResult.model_validate({"load_id": load["id"], "state": state})


def _closed(load: Record | None) -> LoadClosed:
    if load is None:
        return LoadClosed("the load is gone from the database; to load, use a new workflow id", state="gone")
    return LoadClosed(
        f"the load of workflow id {load['workflow_id']!r} is {load['state']}; to load, use a new workflow id",
        state=load["state"],
    )
