"""The SQL of maintenance: deleting what is old, counting it, recording runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from system.scheduling.models import Run
from system.scheduling.retention import Rule, statement

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def delete_old(
    connection: Connection, workflow_id: str, rule: Rule, before: datetime, held: Sequence[str], batch: int
) -> int:
    """Delete one batch by a rule and count it for this workflow, in one transaction; returns how many it were."""
    async with connection.transaction():
        deleted = int((await connection.execute(statement(rule), before, held, batch)).split()[-1])
        await count(connection, workflow_id, rule.table, deleted)
    return deleted


async def with_open_letters(connection: Connection) -> list[str]:
    """Return the ids of the workflows of which something may still be redriven."""
    rows = await connection.fetch("SELECT DISTINCT workflow_id FROM dead_letters WHERE state IN ('open', 'redriven')")
    return [row["workflow_id"] for row in rows]


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
