"""The SQL of the double-entry ledger: journals are posted and reversed, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def post(connection: Connection, workflow_id: str, step: str, entries: Mapping[str, int]) -> None:
    """Post what a step did with money; PostgreSQL refuses the commit unless the entries sum to zero."""
    journal = await connection.fetchval(
        "INSERT INTO journal (workflow_id, step) VALUES ($1, $2) RETURNING id", workflow_id, step
    )
    await connection.execute(
        "INSERT INTO entries (journal_id, account, amount_cents) SELECT $1, * FROM unnest($2::text[], $3::bigint[])",
        journal,
        list(entries),
        list(entries.values()),
    )


async def reverse(connection: Connection, workflow_id: str, step: str) -> None:
    """Post the opposite of what a step posted; nothing where it posted nothing. The step is undone once."""
    await connection.execute(
        """
        WITH posted AS (
            SELECT id FROM journal WHERE workflow_id = $1 AND step = $2 AND reverses IS NULL
        ), reversal AS (
            INSERT INTO journal (workflow_id, step, reverses) SELECT $1, $2, id FROM posted RETURNING id, reverses
        )
        INSERT INTO entries (journal_id, account, amount_cents)
        SELECT reversal.id, account, -amount_cents FROM reversal JOIN entries ON journal_id = reversal.reverses
        """,
        workflow_id,
        step,
    )
