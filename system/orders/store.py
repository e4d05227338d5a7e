"""The SQL of orders: their rows, and how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from system.orders.models import Close, Opened, OrderRequest

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def open_order(connection: Connection, workflow_id: str, order: OrderRequest) -> Opened:
    """Write down what was ordered, and tell how the order stands; where it was there before, it stays as it is."""
    await connection.execute(_INSERT, *_row(workflow_id, order), "open", "", False, None)
    return await read_order(connection, workflow_id)


async def read_order(connection: Connection, workflow_id: str) -> Opened:
    """How the order stands."""
    row = await connection.fetchrow("SELECT state, reason, in_doubt FROM orders WHERE workflow_id = $1", workflow_id)
    assert row is not None, "an order is read once it was opened or closed"
    return Opened(state=row["state"], reason=row["reason"], in_doubt=row["in_doubt"])


async def confirm_order(connection: Connection, workflow_id: str) -> None:
    """From now on the order stands."""
    await _move(connection, workflow_id, "open", "confirmed")


async def revoke_confirmation(connection: Connection, workflow_id: str) -> None:
    """The order is open again."""
    await _move(connection, workflow_id, "confirmed", "open")


async def close_order(connection: Connection, workflow_id: str, close: Close) -> Opened:
    """End an order that is open, or was never opened, and tell how it ended: in an earlier run, it may be."""
    end = (close.state, close.reason, close.in_doubt)
    if not await connection.fetchval(_INSERT, *_row(workflow_id, close.order), *end, "now"):
        await connection.execute(
            """
            UPDATE orders SET state = $2, reason = $3, in_doubt = $4, closed_at = clock_timestamp()
            WHERE workflow_id = $1 AND state = 'open'
            """,
            workflow_id,
            *end,
        )
    return await read_order(connection, workflow_id)


async def escalate(connection: Connection, workflow_id: str) -> None:
    """Write down that nobody has decided in time."""
    await connection.execute("INSERT INTO escalations (workflow_id) VALUES ($1)", workflow_id)


_INSERT = """
    INSERT INTO orders (workflow_id, customer, amount_cents, currency, lines, state, reason, in_doubt, closed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9::text IS NULL THEN NULL ELSE clock_timestamp() END)
    ON CONFLICT DO NOTHING RETURNING true
"""


def _row(workflow_id: str, order: OrderRequest) -> tuple[str, str, int, str, str]:
    lines = json.dumps([line.model_dump() for line in order.lines])
    return workflow_id, order.customer, order.amount_cents, order.currency, lines


async def _move(connection: Connection, workflow_id: str, before: str, after: str) -> None:
    moved = await connection.fetchval(
        """
        UPDATE orders
        SET state = $3, closed_at = CASE WHEN $3 = 'open' THEN NULL ELSE clock_timestamp() END
        WHERE workflow_id = $1 AND state = $2 RETURNING true
        """,
        workflow_id,
        before,
        after,
    )
    assert moved, f"order {workflow_id} is {before} here: the claims of its steps see to that"
