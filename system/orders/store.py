"""The SQL of orders: their rows, and how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from system.errors import Superseded
from system.orders.models import Final, Opened, OrderRequest

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def open_order(connection: Connection, workflow_id: str, order: OrderRequest) -> Opened:
    """Write down what was ordered.

    Raises:
        Superseded: the order was closed before this attempt could open it.

    """
    opened = await connection.fetchval(_INSERT, *_row(workflow_id, order), "open", "", None)
    if not opened:
        raise Superseded(f"order {workflow_id} was closed before this attempt could open it")
    return Opened(state="open")


async def read_order(connection: Connection, workflow_id: str) -> Opened:
    """How the order stands."""
    row = await connection.fetchrow("SELECT state, reason FROM orders WHERE workflow_id = $1", workflow_id)
    assert row is not None, "an order is read once it was opened"
    return Opened(state=row["state"], reason=row["reason"])


async def confirm_order(connection: Connection, workflow_id: str) -> None:
    """From now on the order stands."""
    await _move(connection, workflow_id, "open", "confirmed")


async def revoke_confirmation(connection: Connection, workflow_id: str) -> None:
    """The order is open again."""
    await _move(connection, workflow_id, "confirmed", "open")


async def close_order(connection: Connection, workflow_id: str, order: OrderRequest, end: Final, reason: str) -> None:
    """End an order that is not confirmed; one that was never opened cannot be opened any more after this."""
    if not await connection.fetchval(_INSERT, *_row(workflow_id, order), end, reason, "now"):
        await _move(connection, workflow_id, "open", end, reason)


async def escalate(connection: Connection, workflow_id: str) -> None:
    """Write down that nobody has decided in time."""
    await connection.execute("INSERT INTO escalations (workflow_id) VALUES ($1)", workflow_id)


_INSERT = """
    INSERT INTO orders (workflow_id, customer, amount_cents, currency, lines, state, reason, closed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $8::text IS NULL THEN NULL ELSE clock_timestamp() END)
    ON CONFLICT DO NOTHING RETURNING true
"""


def _row(workflow_id: str, order: OrderRequest) -> tuple[str, str, int, str, str]:
    lines = json.dumps([line.model_dump() for line in order.lines])
    return workflow_id, order.customer, order.amount_cents, order.currency, lines


async def _move(connection: Connection, workflow_id: str, before: str, after: str, reason: str = "") -> None:
    moved = await connection.fetchval(
        """
        UPDATE orders
        SET state = $3, reason = $4, closed_at = CASE WHEN $3 = 'open' THEN NULL ELSE clock_timestamp() END
        WHERE workflow_id = $1 AND state = $2 RETURNING true
        """,
        workflow_id,
        before,
        after,
        reason,
    )
    assert moved, f"order {workflow_id} is {before} here: the claims of its steps see to that"
