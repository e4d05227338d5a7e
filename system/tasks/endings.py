"""The SQL of items that end without being done: failed, cancelled, or skipped for what they need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from system.tasks.models import Ended

if TYPE_CHECKING:
    from asyncpg import Record

    from system.storage.pool import Connection


async def settle(connection: Connection, batch: int, ended: Sequence[Ended]) -> list[Record]:
    """Record items that ended without being done, as (number, key, state); one that was done all the same stays so."""
    return await connection.fetch(
        """
        UPDATE task_items AS items SET state = ended.state, reason = ended.reason, ended_at = clock_timestamp()
        FROM unnest($2::text[], $3::text[], $4::text[]) AS ended (key, state, reason)
        WHERE items.batch_id = $1 AND items.key = ended.key AND items.state = 'running'
        RETURNING items.number, items.key, items.state
        """,
        batch,
        [one.key for one in ended],
        [one.state for one in ended],
        [one.reason for one in ended],
    )


async def cancel_waiting(connection: Connection, batch: int, key: str, reason: str) -> list[Record]:
    """Cancel an item that has not been taken; returns it as (number, key, state), or nothing."""
    return await connection.fetch(
        """
        UPDATE task_items SET state = 'cancelled', reason = $3, ended_at = clock_timestamp()
        WHERE batch_id = $1 AND key = $2 AND state = 'waiting'
        RETURNING number, key, state
        """,
        batch,
        key,
        reason,
    )


async def cancel_rest(connection: Connection, batch: int, reason: str) -> list[Record]:
    """Cancel every item that has not ended, as (number, key, state).

    Those that are running are then nobody's: a take that was itself cancelled may have been recorded all the same.
    """
    return await connection.fetch(
        """
        UPDATE task_items SET state = 'cancelled', reason = $2, ended_at = clock_timestamp()
        WHERE batch_id = $1 AND state IN ('waiting', 'running')
        RETURNING number, key, state
        """,
        batch,
        reason,
    )


async def skip_dependants(connection: Connection, batch: int, lost: Iterable[Record]) -> list[str]:
    """Skip every item that needs one of these ``lost`` ones, directly or not; returns the keys of those skipped."""
    lost = list(lost)
    if not lost:
        return []
    rows = await connection.fetch(
        """
        WITH RECURSIVE lost AS (
            SELECT needs.item AS number, first.key, first.state
            FROM unnest($2::integer[], $3::text[], $4::text[]) AS first (number, key, state)
            JOIN task_needs AS needs ON needs.batch_id = $1 AND needs.needed = first.number
            UNION
            SELECT needs.item, lost.key, lost.state
            FROM lost JOIN task_needs AS needs ON needs.batch_id = $1 AND needs.needed = lost.number
        ), blocked AS (
            SELECT items.number, why.key, why.state
            FROM (SELECT DISTINCT ON (number) number, key, state FROM lost ORDER BY number, key) AS why
            JOIN task_items AS items ON items.batch_id = $1 AND items.number = why.number
            WHERE items.state = 'waiting'
            ORDER BY items.number
            FOR UPDATE OF items
        )
        UPDATE task_items AS items
        SET state = 'skipped', ended_at = clock_timestamp(),
            reason = 'it needs ' || blocked.key || ', which ' ||
                     CASE blocked.state WHEN 'failed' THEN 'failed' ELSE 'was cancelled' END
        FROM blocked WHERE items.batch_id = $1 AND items.number = blocked.number
        RETURNING items.key
        """,
        batch,
        [row["number"] for row in lost],
        [row["key"] for row in lost],
        [row["state"] for row in lost],
    )
    return [row["key"] for row in rows]


async def done_among(connection: Connection, batch: int, keys: Collection[str]) -> list[str]:
    """Return those of the items that are done."""
    rows = await connection.fetch(
        "SELECT key FROM task_items WHERE batch_id = $1 AND key = ANY($2) AND state = 'done'", batch, list(keys)
    )
    return [row["key"] for row in rows]
