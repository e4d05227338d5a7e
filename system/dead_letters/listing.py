"""Finds dead letters: by filter, page by page; by group; and each with its lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from system.dead_letters.models import Filter, Group, Letter
from system.dead_letters.store import LETTERS, as_letter

if TYPE_CHECKING:
    from system.storage.pool import Connection

IDS = "SELECT id FROM dead_letters"
NO_LIMIT = 2**62


async def find(connection: Connection, wanted: Filter, *, before: int | None = None, limit: int = 50) -> list[Letter]:
    """Return the letters of a filter, newest first; ``before`` the last id of one page begins the next."""
    condition, values = _condition(wanted)
    rows = await connection.fetch(
        f"{LETTERS} WHERE {condition} AND id < $1 ORDER BY id DESC LIMIT $2",
        NO_LIMIT if before is None else before,
        limit,
        *values,
    )
    return [as_letter(row) for row in rows]


async def select(connection: Connection, wanted: Filter, *, after: int, last: int, limit: int) -> list[int]:
    """Return the ids of the next open letters of a filter, oldest first."""
    condition, values = _condition(wanted.model_copy(update={"state": "open"}), first=4)
    rows = await connection.fetch(
        f"{IDS} WHERE {condition} AND id > $1 AND id <= $2 ORDER BY id LIMIT $3",
        after,
        last,
        limit,
        *values,
    )
    return [row["id"] for row in rows]


async def newest(connection: Connection) -> int:
    """Return the id of the newest letter; 0 where there is none."""
    return int(await connection.fetchval("SELECT coalesce(max(id), 0) FROM dead_letters"))


async def read(connection: Connection, letter: int) -> Letter | None:
    """Return one letter."""
    row = await connection.fetchrow(f"{LETTERS} WHERE id = $1", letter)
    return as_letter(row) if row is not None else None


async def groups(connection: Connection, *, limit: int, only_open: bool = True) -> list[Group]:
    """Return the groups, those with the most open letters first."""
    rows = await connection.fetch(
        """
        SELECT grouped.*, newest.error_type, newest.message,
               coalesce(nullif(newest.activity_type, ''), newest.workflow_type) AS where
        FROM (
            SELECT fingerprint, count(*) FILTER (WHERE state = 'open') AS open, count(*) AS total,
                   min(failed_at) AS first_at, max(failed_at) AS last_at, max(id) AS newest
            FROM dead_letters
            WHERE NOT $2 OR fingerprint IN (SELECT fingerprint FROM dead_letters WHERE state = 'open')
            GROUP BY fingerprint
            ORDER BY 2 DESC, max(id) DESC LIMIT $1
        ) AS grouped JOIN dead_letters AS newest ON newest.id = grouped.newest
        ORDER BY grouped.open DESC, grouped.newest DESC
        """,
        limit,
        only_open,
    )
    return [Group.model_validate(dict(row)) for row in rows]


async def states(connection: Connection) -> dict[str, int]:
    """Count the letters by state."""
    rows = await connection.fetch("SELECT state, count(*) FROM dead_letters GROUP BY state ORDER BY state")
    return {row["state"]: row["count"] for row in rows}


async def lineage(connection: Connection, letter: int) -> tuple[list[int], list[int]]:
    """Return the letters this one came of, the first failure first; and those that came of it, directly."""
    before = await connection.fetch(
        """
        WITH RECURSIVE lineage AS (
            SELECT id, redriven_from, 0 AS step FROM dead_letters WHERE id = $1
            UNION
            SELECT older.id, older.redriven_from, step + 1
            FROM dead_letters AS older JOIN lineage ON older.id = lineage.redriven_from
        )
        SELECT id FROM lineage WHERE step > 0 ORDER BY step DESC
        """,
        letter,
    )
    after = await connection.fetch("SELECT id FROM dead_letters WHERE redriven_from = $1 ORDER BY id", letter)
    return [row["id"] for row in before], [row["id"] for row in after]


def _condition(wanted: Filter, first: int = 3) -> tuple[str, list[object]]:
    """Return SQL whose parameters start with number ``first``, and their values."""
    columns = {
        "state =": wanted.state,
        "fingerprint =": wanted.fingerprint,
        "workflow_id =": wanted.workflow_id,
        "workflow_type =": wanted.workflow_type,
        "activity_type =": wanted.activity_type,
        "error_type =": wanted.error_type,
        "failed_at >=": wanted.since,
        "failed_at <": wanted.until,
    }
    given = [(column, value) for column, value in columns.items() if value is not None]
    terms = [f"{column} ${number}" for number, (column, _) in enumerate(given, first)]
    return " AND ".join(terms) or "true", [value for _, value in given]
