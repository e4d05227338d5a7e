"""The SQL of operations, and of what became of each target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict, TypeAdapter

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
from system.control.rules import previewed

if TYPE_CHECKING:
    from asyncpg import Record

    from system.storage.pool import Connection

OPERATIONS = """
    SELECT name, kind, action, query, ordered_by AS by, reason, operations.state, operations.message, targets,
           previewed, sample, started_at, closed_at, counts
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
_ACTION: TypeAdapter[Action] = TypeAdapter(Action, config=ConfigDict(defer_build=True))


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
            name, kind, action, query, ordered_by, reason, state, message, targets, previewed, sample, closed_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $7 = 'refused' THEN clock_timestamp() END)
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
        previewed(order),
        json.dumps([one.model_dump(mode="json") for one in order.sample]),
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


async def pending(connection: Connection, name: str, first: int, last: int) -> list[Recorded]:
    """Return the targets among these numbers that have no outcome yet."""
    rows = await connection.fetch(
        f"""
        {OUTCOMES} WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1)
        AND number BETWEEN $2 AND $3 AND state = 'pending' ORDER BY number
        """,  # noqa: S608 the parts are constants
        name,
        first,
        last,
    )
    return [_recorded(row) for row in rows]


async def claim(connection: Connection, name: str, number: int, lease: timedelta) -> int | None:
    """Claim a target for so long and return which claim of it that is; None where another's holds.

    Raises:
        LookupError: it has its outcome.

    """
    row = await connection.fetchrow(
        """
        UPDATE control_outcomes
        SET claims = claims + 1, claimed_until = clock_timestamp() + $3, attempted_at = clock_timestamp()
        WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1) AND number = $2
          AND state = 'pending' AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
        RETURNING claims
        """,
        name,
        number,
        lease,
    )
    if row is not None:
        return int(row["claims"])
    if not await pending(connection, name, number, number):
        raise LookupError(f"target {number} of {name} has its outcome")
    return None


async def keep_claim(connection: Connection, name: str, number: int, claimed: int, lease: timedelta) -> bool:
    """Hold a claim for longer, or let it go (a lease of nothing); False where somebody else has claimed since."""
    done: str = await connection.execute(
        """
        UPDATE control_outcomes SET claimed_until = clock_timestamp() + $4
        WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1) AND number = $2
          AND state = 'pending' AND claims = $3
        """,
        name,
        number,
        claimed,
        lease,
    )
    return done == "UPDATE 1"


async def end(connection: Connection, name: str, number: int, claimed: int, outcome: Outcome) -> bool:
    """Write the outcome of a claimed target; False where somebody else has claimed it since."""
    done: str = await connection.execute(
        """
        UPDATE control_outcomes
        SET state = $4, message = $5, new_run_id = $6, claimed_until = NULL, ended_at = clock_timestamp()
        WHERE operation_id = (SELECT id FROM control_operations WHERE name = $1) AND number = $2
          AND state = 'pending' AND claims = $3
        """,
        name,
        number,
        claimed,
        outcome.state,
        outcome.message,
        outcome.new_run_id,
    )
    return done == "UPDATE 1"


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
    return Operation.model_validate(
        {
            **row,
            "action": json.loads(row["action"]),
            "counts": json.loads(row["counts"]),
            "sample": json.loads(row["sample"]),
        }
    )
