"""The SQL of orders: their rows, and how they end; of stock, ledger and calls to providers: stock, journal, calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from system.orders.models import Close, Opened, OrderRequest

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def open_order(connection: Connection, workflow_id: str, order: OrderRequest) -> None:
    """Write down what was ordered; where it was there before, it stays as it is."""
    await connection.execute(_INSERT, *_row(workflow_id, order), "open", "", False, None)


async def find_order(
    connection: Connection, workflow_id: str, run_id: str
) -> tuple[Opened, Mapping[str, object]] | None:
    """How the order stands as a run of its workflow sees it, and what was ordered, by field; None if there is none."""
    row = await connection.fetchrow(
        """
        SELECT state, reason, in_doubt, customer, currency, lines,
               EXISTS (SELECT FROM effects WHERE workflow_id = $1 AND run_id <> $2) AS earlier,
               EXISTS (SELECT FROM claims WHERE workflow_id = $1 AND claims.state = 'undone')
               OR EXISTS (SELECT FROM provider_calls WHERE workflow_id = $1 AND withdrawn) AS undoing
        FROM orders WHERE workflow_id = $1
        """,
        workflow_id,
        run_id,
    )
    if row is None:
        return None
    placed = {"customer": row["customer"], "currency": row["currency"], "lines": json.loads(row["lines"])}
    return Opened(**row), placed


async def is_in_doubt(connection: Connection, workflow_id: str) -> bool | None:
    """Whether the order was closed in doubt, and still is; None if it is not closed."""
    found: bool | None = await connection.fetchval(
        "SELECT in_doubt FROM orders WHERE workflow_id = $1 AND state <> 'open'", workflow_id
    )
    return found


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
    row = await connection.fetchrow("SELECT state, reason, in_doubt FROM orders WHERE workflow_id = $1", workflow_id)
    assert row is not None, "it was there, or was inserted"
    return Opened(**row)


async def settle_order(connection: Connection, workflow_id: str) -> None:
    """It is known, or taken for known, what became of every call: the order is in doubt no more."""
    await connection.execute("UPDATE orders SET in_doubt = false WHERE workflow_id = $1", workflow_id)


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
