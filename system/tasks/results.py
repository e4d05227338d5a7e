"""The SQL of results that are used again for equal content."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def find(connection: Connection, content_key: bytes) -> str | None:
    """Return the output for this content, as JSON; None where nobody has computed it yet."""
    output: str | None = await connection.fetchval("SELECT output FROM task_results WHERE key = $1", content_key)
    return output


async def keep(connection: Connection, content_key: bytes, handler: str, output: str) -> None:
    """Keep an output for its content; one that is there stays."""
    await connection.execute(
        "INSERT INTO task_results (key, handler, output) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        content_key,
        handler,
        output,
    )
