"""The SQL of batches and their items: stored, taken, run, counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from system.tasks.models import Counts, Item, State
from system.tasks.rules import turns

if TYPE_CHECKING:
    from asyncpg import Record

    from system.storage.pool import Connection


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch as its row says."""

    id: int
    workflow_id: str
    state: str
    items: int
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is needed to run an item."""

    handler: str
    input: str
    """JSON."""
    state: State


async def find_batch(connection: Connection, workflow_id: str) -> Batch | None:
    """Return the batch of this workflow; None where none was submitted."""
    row = await connection.fetchrow(
        "SELECT id, workflow_id, state, items, digest FROM task_batches WHERE workflow_id = $1", workflow_id
    )
    return Batch(**row) if row else None


async def insert_batch(connection: Connection, workflow_id: str, digest: bytes, items: Sequence[Item]) -> Batch | None:
    """Write a batch and its items, in their order; None where the workflow has one already.

    The items must come after those they need. Run it in a transaction.
    """
    row = await connection.fetchrow(
        """
        INSERT INTO task_batches (workflow_id, items, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
        RETURNING id, workflow_id, state, items, digest
        """,
        workflow_id,
        len(items),
        digest,
    )
    if row is None:
        return None
    batch = Batch(**row)
    numbers = {item.key: number for number, item in enumerate(items, 1)}
    await connection.copy_records_to_table(
        "task_items",
        records=[
            (
                batch.id,
                numbers[item.key],
                item.key,
                item.handler,
                json.dumps(item.input),
                item.priority,
                item.tenant,
                item.weight,
                item.timeout,
                item.attempts,
                turn,
                len(set(item.needs)),
            )
            for item, turn in zip(items, turns(items), strict=True)
        ],
        columns=[
            "batch_id", "number", "key", "handler", "input",
            "priority", "tenant", "weight", "timeout", "attempts", "turn", "pending",
        ],
    )  # fmt: skip
    await connection.copy_records_to_table(
        "task_needs",
        records=[(batch.id, numbers[one], numbers[item.key]) for item in items for one in set(item.needs)],
        columns=["batch_id", "needed", "item"],
    )
    return batch


async def open_batch(connection: Connection, batch: int) -> None:
    """Mark a batch as taken on by its workflow."""
    await connection.execute("UPDATE task_batches SET state = 'open' WHERE id = $1 AND state = 'submitted'", batch)


async def reopen_batch(connection: Connection, batch: int, held: Sequence[str] = ()) -> None:
    """Have the items that a run before this one took wait again, but for those this one holds: nobody runs them."""
    await connection.execute(
        """
        UPDATE task_items SET state = 'waiting', taken_at = NULL
        WHERE batch_id = $1 AND state = 'running' AND key <> ALL($2)
        """,
        batch,
        list(held),
    )


async def last_take(connection: Connection, workflow_id: str) -> int:
    """Return the highest number of a take of this workflow; 0 where there was none."""
    return int(
        await connection.fetchval(
            "SELECT coalesce(max(item::integer), 0) FROM claims WHERE workflow_id = $1 AND step = 'take'", workflow_id
        )
    )


async def take(connection: Connection, batch: int, room: int) -> list[Record]:
    """Hand up to ``room`` items to the workflow: those that need nothing more, by priority, then by turn."""
    rows = await connection.fetch(
        """
        WITH next AS (
            SELECT number FROM task_items
            WHERE batch_id = $1 AND state = 'waiting' AND pending = 0
            ORDER BY priority, turn, number LIMIT $2
            FOR UPDATE
        )
        UPDATE task_items AS items SET state = 'running', taken_at = clock_timestamp()
        FROM next WHERE items.batch_id = $1 AND items.number = next.number
        RETURNING items.number, key, handler, priority, tenant, weight, turn, timeout, attempts
        """,
        batch,
        room,
    )
    return sorted(rows, key=lambda row: (row["priority"], row["turn"], row["number"]))


async def anything_waits(connection: Connection, batch: int) -> bool:
    """Whether any item still waits for others."""
    # Ordered as the index is: the planner would else read the table, sure to come by such an item soon.
    waits = await connection.fetchval(
        """
        SELECT true FROM task_items WHERE batch_id = $1 AND state = 'waiting'
        ORDER BY pending LIMIT 1
        """,
        batch,
    )
    return bool(waits)


async def read_task(connection: Connection, batch: int, key: str) -> Task:
    """Return what is needed to run an item that was taken."""
    row = await connection.fetchrow(
        "SELECT handler, input, state FROM task_items WHERE batch_id = $1 AND key = $2", batch, key
    )
    assert row is not None, f"the workflow was handed {key!r}"
    return Task(**row)


async def find_item(connection: Connection, batch: int, key: str) -> Item | None:
    """Return an item as it was submitted, but for what it needs; None where it is gone."""
    row = await connection.fetchrow(
        """
        SELECT key, handler, input, priority, tenant, weight, timeout, attempts FROM task_items
        WHERE batch_id = $1 AND key = $2
        """,
        batch,
        key,
    )
    return Item.model_validate({**row, "input": json.loads(row["input"])}) if row else None


async def finish(connection: Connection, batch: int, key: str, output: str, *, cached: bool) -> bool:
    """Record an item as done, and that those who need it need one thing less; False where it is no longer to be run."""
    done = await connection.fetchval(
        """
        WITH done AS (
            UPDATE task_items SET state = 'done', output = $3, cached = $4, ended_at = clock_timestamp()
            WHERE batch_id = $1 AND key = $2 AND state = 'running'
            RETURNING number
        ), dependants AS (
            SELECT items.number FROM done
            JOIN task_needs AS needs ON needs.batch_id = $1 AND needs.needed = done.number
            JOIN task_items AS items ON items.batch_id = $1 AND items.number = needs.item
            WHERE items.state = 'waiting'
            ORDER BY items.number -- two that end at once lock what needs both in one order
            FOR UPDATE OF items
        ), freed AS (
            UPDATE task_items AS items SET pending = pending - 1
            FROM dependants WHERE items.batch_id = $1 AND items.number = dependants.number
        )
        SELECT true FROM done
        """,
        batch,
        key,
        output,
        cached,
    )
    return bool(done)


async def state_of(connection: Connection, batch: int, key: str) -> State | None:
    """Return an item's state; None where the batch has no such item."""
    state: State | None = await connection.fetchval(
        "SELECT state FROM task_items WHERE batch_id = $1 AND key = $2", batch, key
    )
    return state


async def count_items(connection: Connection, batch: int) -> tuple[Counts, int]:
    """Count a batch's items by their state, and those whose output was there already."""
    rows = await connection.fetch(
        """
        SELECT state, count(*) AS items, count(*) FILTER (WHERE cached) AS cached
        FROM task_items WHERE batch_id = $1 GROUP BY state
        """,
        batch,
    )
    counts = Counts.model_validate({row["state"]: row["items"] for row in rows})
    return counts, sum(row["cached"] for row in rows)


async def count_effects(connection: Connection, workflow_id: str) -> dict[str, int]:
    """Count the ledger's forward effects of a workflow, by step."""
    rows = await connection.fetch(
        """
        SELECT step, count(*) AS effects FROM effects
        WHERE workflow_id = $1 AND kind = 'forward' GROUP BY step
        """,
        workflow_id,
    )
    return {row["step"]: row["effects"] for row in rows}


async def lock_batch(connection: Connection, batch: int) -> Batch:
    """Return a batch, locked until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT id, workflow_id, state, items, digest FROM task_batches WHERE id = $1 FOR UPDATE", batch
    )
    assert row is not None, f"batch {batch} was opened by its workflow"
    return Batch(**row)


async def close_batch(connection: Connection, batch: int, state: str) -> None:
    """Mark a batch as ended."""
    await connection.execute(
        "UPDATE task_batches SET state = $2, closed_at = clock_timestamp() WHERE id = $1", batch, state
    )
