"""The SQL of stock: what is on hand, reserved and shipped of each sku, whose sum never changes but by a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from system.orders.models import Counted, Line

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def lock(connection: Connection, lines: Sequence[Line]) -> Mapping[str, int]:
    """Lock the stock of these lines and return what is on hand, by sku; a sku nobody ever counted is left out."""
    # In one order for all, so that two orders never wait for each other.
    rows = await connection.fetch(
        "SELECT sku, on_hand FROM stock WHERE sku = ANY($1) ORDER BY sku FOR NO KEY UPDATE",
        [line.sku for line in lines],
    )
    return {row["sku"]: row["on_hand"] for row in rows}


async def reserve(connection: Connection, workflow_id: str, lines: Sequence[Line]) -> None:
    """Hold these lines for an order; their stock must be locked."""
    skus, quantities = [line.sku for line in lines], [line.quantity for line in lines]
    await connection.execute(
        """
        UPDATE stock SET on_hand = on_hand - quantity, reserved = reserved + quantity
        FROM unnest($1::text[], $2::bigint[]) AS ordered (sku, quantity) WHERE stock.sku = ordered.sku
        """,
        skus,
        quantities,
    )
    await connection.execute(
        "INSERT INTO reservations (workflow_id, sku, quantity) SELECT $1, * FROM unnest($2::text[], $3::bigint[])",
        workflow_id,
        skus,
        quantities,
    )


async def release(connection: Connection, workflow_id: str) -> None:
    """Put back what an order held; nothing where it held nothing."""
    await _lock_of(connection, workflow_id)
    await connection.execute(
        """
        WITH released AS (DELETE FROM reservations WHERE workflow_id = $1 RETURNING sku, quantity)
        UPDATE stock SET on_hand = on_hand + quantity, reserved = reserved - quantity
        FROM released WHERE stock.sku = released.sku
        """,
        workflow_id,
    )


async def ship(connection: Connection, workflow_id: str) -> None:
    """What an order held has left the house."""
    await _lock_of(connection, workflow_id)
    await connection.execute(
        """
        UPDATE stock SET reserved = reserved - quantity, shipped = shipped + quantity
        FROM reservations WHERE workflow_id = $1 AND stock.sku = reservations.sku
        """,
        workflow_id,
    )


async def unship(connection: Connection, workflow_id: str) -> None:
    """What an order held has not left the house after all."""
    await _lock_of(connection, workflow_id)
    await connection.execute(
        """
        UPDATE stock SET reserved = reserved + quantity, shipped = shipped - quantity
        FROM reservations WHERE workflow_id = $1 AND stock.sku = reservations.sku
        """,
        workflow_id,
    )


async def count(connection: Connection, workflow_id: str, sku: str, on_hand: int) -> Counted:
    """Set what is on hand; what is reserved and shipped stays."""
    row = await connection.fetchrow(
        """
        INSERT INTO stock (sku, counted, on_hand) VALUES ($1, $2, $2)
        ON CONFLICT (sku) DO UPDATE SET on_hand = $2, counted = $2 + stock.reserved + stock.shipped
        RETURNING on_hand, reserved, shipped
        """,
        sku,
        on_hand,
    )
    assert row is not None, "it was either inserted or updated"
    await connection.execute(
        "INSERT INTO stocktakes (workflow_id, sku, on_hand) VALUES ($1, $2, $3)", workflow_id, sku, on_hand
    )
    return Counted(sku=sku, **row)


async def _lock_of(connection: Connection, workflow_id: str) -> None:
    await connection.execute(
        """
        SELECT FROM stock WHERE sku IN (SELECT sku FROM reservations WHERE workflow_id = $1)
        ORDER BY sku FOR NO KEY UPDATE
        """,
        workflow_id,
    )
