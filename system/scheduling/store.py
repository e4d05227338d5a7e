"""The SQL of maintenance: deleting what is old, counting it, recording runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from system.scheduling.models import Run
from system.scheduling.retention import Rule, statement

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def has_noted(connection: Connection, purge: str) -> bool:
    """Say whether a purge has written down the workflows whose rows stay: it itself is one of them."""
    return bool(await connection.fetchval("SELECT true FROM purge_held WHERE purge = $1 AND workflow_id = $1", purge))


async def note_held(connection: Connection, purge: str, starts: Mapping[str, datetime]) -> None:
    """Write down the workflows whose rows stay, all of them or none.

    Added are those with something to redrive, and those whose order is open: it may be run again under its id.
    """
    async with connection.transaction():
        # Another attempt may be here too: the second finds what the first has written.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", purge)
        if await has_noted(connection, purge):
            return
        await connection.copy_records_to_table(
            "purge_held",
            records=[(purge, workflow_id, began_at) for workflow_id, began_at in starts.items()],
            columns=["purge", "workflow_id", "began_at"],
        )
        await connection.execute(
            """
            INSERT INTO purge_held (purge, workflow_id)
            SELECT $1, workflow_id FROM dead_letters WHERE state IN ('open', 'redriven')
            UNION SELECT $1, workflow_id FROM orders WHERE state = 'open'
            UNION SELECT $1, $1
            ON CONFLICT DO NOTHING
            """,
            purge,
        )


async def oldest_held(connection: Connection, purge: str) -> datetime | None:
    """Return when the oldest of the workflows began that Temporal still has from before the limit."""
    found: datetime | None = await connection.fetchval("SELECT min(began_at) FROM purge_held WHERE purge = $1", purge)
    return found


async def forget_held(connection: Connection, purge: str) -> None:
    """Delete what a purge has written down: it has ended."""
    await connection.execute("DELETE FROM purge_held WHERE purge = $1", purge)


async def delete_old(connection: Connection, purge: str, rule: Rule, before: datetime, batch: int) -> int:
    """Delete one batch by a rule and count it for this purge, in one transaction; returns how many it were."""
    async with connection.transaction():
        deleted = int((await connection.execute(statement(rule), before, purge, batch)).split()[-1])
        await count(connection, purge, rule.table, deleted)
    return deleted


async def count(connection: Connection, workflow_id: str, item: str, more: int) -> None:
    """Add to what a workflow has counted of an item."""
    await connection.execute(
        """
        INSERT INTO maintenance_counts AS counts (workflow_id, item, count) VALUES ($1, $2, $3)
        ON CONFLICT (workflow_id, item) DO UPDATE SET count = counts.count + excluded.count
        """,
        workflow_id,
        item,
        more,
    )


async def counted(connection: Connection, workflow_id: str, item: str) -> int:
    """Return what a workflow has counted of an item, all attempts together."""
    found = await connection.fetchval(
        "SELECT count FROM maintenance_counts WHERE workflow_id = $1 AND item = $2", workflow_id, item
    )
    return int(found or 0)


async def record_run(connection: Connection, workflow_id: str, run: Run) -> None:
    """Write a run down."""
    await connection.execute(
        """
        INSERT INTO maintenance_runs (workflow_id, kind, scheduled_for, began_at, request, counts)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        workflow_id,
        run.kind,
        run.scheduled_for,
        run.began_at,
        json.dumps(dict(run.request)),
        json.dumps(dict(run.counts)),
    )
