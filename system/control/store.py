"""The SQL of operations, and of what became of each target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter

from system.control.models import (
    Action,
    BulkRequest,
    Counts,
    Listed,
    Operation,
    OperationState,
    Outcome,
    Recorded,
    Target,
)

if TYPE_CHECKING:
    from asyncpg import Record

    from system.storage.pool import Connection

OPERATIONS = """
    SELECT name, kind, action, query, ordered_by AS by, reason, operations.state, operations.message, targets,
           started_at, closed_at, counts
    FROM control_operations AS operations, LATERAL (
        SELECT coalesce(json_object_agg(by_state.state, number), '{}') AS counts
        FROM (
            SELECT state, count(*) AS number FROM control_outcomes WHERE operation_id = operations.id GROUP BY state
        ) AS by_state
    ) AS counted
"""
OUTCOMES = """
    SELECT number, workflow_id, run_id, workflow_type, listed_status, state, message, new_run_id, attempted_at, ended_at
    FROM control_outcomes
"""
_ACTION: TypeAdapter[Action] = TypeAdapter(Action)


async def open_operation(
    connection: Connection,
    name: str,
    kind: Literal["bulk", "single"],
    order: BulkRequest,
    targets: Sequence[Target],
    *,
    refused: str = "",
) -> int:
    """Write an operation and its targets, all of them pending; a refused one has none, and is closed."""
    operation: int = await connection.fetchval(
        """
        INSERT INTO control_operations (
            name, kind, action, query, ordered_by, reason, state, message, targets, closed_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $7 = 'refused' THEN clock_timestamp() END)
        RETURNING id
        """,
        name,
        kind,
        order.action.model_dump_json(),
        order.query,
        order.by,
        order.reason,
        "refused" if refused else "running",
        refused,
        0 if refused else len(targets),
    )
    if not refused:
        await connection.copy_records_to_table(
            "control_outcomes",
            records=[
                (operation, number, one.workflow_id, one.run_id, one.workflow_type, one.status)
                for number, one in enumerate(targets, 1)
            ],
            columns=["operation_id", "number", "workflow_id", "run_id", "workflow_type", "listed_status"],
        )
    return operation


async def listed(connection: Connection, name: str) -> tuple[Action, Listed] | None:
    """Return what an operation's targets came to when they were listed; None where that is still to be done."""
    row = await connection.fetchrow(
        "SELECT action, state, message, targets FROM control_operations WHERE name = $1", name
    )
    if row is None:
        return None
    refused = row["message"] if row["state"] == "refused" else ""
    return _ACTION.validate_json(row["action"]), Listed(targets=row["targets"], refused=refused)


async def begin(connection: Connection, name: str, first: int, last: int) -> list[tuple[Recorded, bool]]:
    """Mark the pending targets among these numbers as attempted; says of each whether it already was."""
    rows = await connection.fetch(
        f"""
        WITH before AS (
            {OUTCOMES} WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1)
            AND number BETWEEN $2 AND $3 AND state = 'pending' ORDER BY number FOR UPDATE
        ), marked AS (
            UPDATE control_outcomes SET attempted_at = clock_timestamp()
            WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1)
              AND number IN (SELECT number FROM before)
        )
        SELECT *, attempted_at IS NOT NULL AS repeated FROM before ORDER BY number
        """,  # noqa: S608 the parts are constants
        name,
        first,
        last,
    )
    return [(_recorded(row), row["repeated"]) for row in rows]


async def lock_pending(connection: Connection, name: str, number: int) -> bool:
    """Lock a target until the transaction ends; False where it has its outcome. Waits for another attempt's end."""
    found: bool | None = await connection.fetchval(
        """
        SELECT true FROM control_outcomes
        WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1) AND number = $2 AND state = 'pending'
        FOR UPDATE
        """,
        name,
        number,
    )
    return bool(found)


async def end(connection: Connection, name: str, number: int, outcome: Outcome) -> None:
    """Write a target's outcome."""
    await connection.execute(
        """
        UPDATE control_outcomes SET state = $3, message = $4, new_run_id = $5, ended_at = clock_timestamp()
        WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1) AND number = $2
        """,
        name,
        number,
        outcome.state,
        outcome.message,
        outcome.new_run_id,
    )


async def counts(connection: Connection, name: str, first: int = 1, last: int = 2**31 - 1) -> Counts:
    """Count the outcomes of the targets with these numbers."""
    rows = await connection.fetch(
        """
        SELECT state, count(*) FROM control_outcomes
        WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1) AND number BETWEEN $2 AND $3
        GROUP BY state
        """,
        name,
        first,
        last,
    )
    return Counts.model_validate({row["state"]: row["count"] for row in rows})


async def close(connection: Connection, name: str, state: OperationState) -> bool:
    """Close a running operation; targets that were not reached are cancelled. False where it is closed, or unknown."""
    operation = await connection.fetchval(
        """
        UPDATE control_operations SET state = $2, closed_at = clock_timestamp()
        WHERE name = $1 AND state = 'running' RETURNING id
        """,
        name,
        state,
    )
    if operation is None:
        return False
    await connection.execute(
        """
        UPDATE control_outcomes
        SET state = 'cancelled', message = 'the operation was cancelled before', ended_at = clock_timestamp()
        WHERE operation_id = $1 AND state = 'pending'
        """,
        operation,
    )
    return True


async def read(connection: Connection, name: str) -> Operation | None:
    """Return an operation."""
    row = await connection.fetchrow(f"{OPERATIONS} WHERE name = $1", name)
    return _operation(row) if row is not None else None


async def recent(connection: Connection, *, workflow_id: str | None = None, limit: int = 20) -> list[Operation]:
    """Return the latest operations, those that a workflow was a target of if one is named, newest first."""
    rows = await connection.fetch(
        f"""
        {OPERATIONS}
        WHERE $1::text IS NULL OR id IN (SELECT operation_id FROM control_outcomes WHERE workflow_id = $1)
        ORDER BY id DESC LIMIT $2
        """,  # noqa: S608 the parts are constants
        workflow_id,
        limit,
    )
    return [_operation(row) for row in rows]


async def outcomes(
    connection: Connection, name: str, *, state: str | None = None, after: int = 0, limit: int = 50
) -> list[Recorded]:
    """Return the targets of an operation and what became of them, page by page."""
    rows = await connection.fetch(
        f"""
        {OUTCOMES} WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1)
        AND number > $2 AND ($3::text IS NULL OR state = $3) ORDER BY number LIMIT $4
        """,  # noqa: S608 the parts are constants
        name,
        after,
        state,
        limit,
    )
    return [_recorded(row) for row in rows]


def _recorded(row: Record) -> Recorded:
    return Recorded.model_validate(dict(row))


def _operation(row: Record) -> Operation:
    return Operation.model_validate({**row, "action": json.loads(row["action"]), "counts": json.loads(row["counts"])})
