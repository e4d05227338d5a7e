"""Fences a step: one attempt writes its effect, once; undone, no later attempt ever writes it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from system.errors import Superseded
from system.records import Record
from system.storage.effects import Effect, record

if TYPE_CHECKING:
    from system.storage.pool import Connection, Pool

ResultT = TypeVar("ResultT", bound=Record)


async def once(
    database: Pool, effect: Effect, result_type: type[ResultT], write: Callable[[Connection], Awaitable[ResultT]]
) -> ResultT:
    """Write a step's effect, its claim and its ledger line in one transaction; a repeat returns the first result.

    Raises:
        Superseded: the step was undone before: nothing is written.

    """
    async with database.acquire() as connection, connection.transaction():
        if await _claim(connection, effect, "done"):
            result = await write(connection)
            await _keep(connection, effect, result)
            await record(connection, effect)
            return result
        state, kept = await _claimed(connection, effect)
        if state == "undone":
            raise Superseded(effect.workflow_id, effect.step, effect.item, "was undone before this attempt")
        return result_type.model_validate(kept)


async def undo(
    database: Pool,
    effect: Effect,
    result_type: type[ResultT],
    take_back: Callable[[Connection, ResultT], Awaitable[None]],
) -> bool:
    """Take a step's effect back, once; returns whether this call did.

    Where the step has no effect yet its key is claimed all the same, so that an attempt which wakes up late writes
    nothing. Give the step's own ``effect``; it is recorded as its compensation.
    """
    async with database.acquire() as connection, connection.transaction():
        if await _claim(connection, effect, "undone"):
            return False
        state, kept = await _claimed(connection, effect)
        if state == "undone":
            return False
        await take_back(connection, result_type.model_validate(kept))
        await connection.execute(
            "UPDATE claims SET state = 'undone' WHERE workflow_id = $1 AND step = $2 AND item = $3", *_key(effect)
        )
        await record(connection, replace(effect, kind="compensation"))
        return True


async def _claim(connection: Connection, effect: Effect, state: str) -> bool:
    """Claim the key; waits for another attempt's transaction to end, and is false where that one has it."""
    claimed = await connection.fetchval(
        """
        INSERT INTO claims (workflow_id, step, item, state) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        *_key(effect),
        state,
    )
    return bool(claimed)


async def _claimed(connection: Connection, effect: Effect) -> tuple[str, object]:
    row = await connection.fetchrow(
        "SELECT state, result FROM claims WHERE workflow_id = $1 AND step = $2 AND item = $3 FOR UPDATE",
        *_key(effect),
    )
    assert row is not None, "a claim is refused only where another attempt has committed one"
    return row["state"], json.loads(row["result"]) if row["result"] is not None else None


async def _keep(connection: Connection, effect: Effect, result: Record) -> None:
    await connection.execute(
        "UPDATE claims SET result = $4 WHERE workflow_id = $1 AND step = $2 AND item = $3",
        *_key(effect),
        result.model_dump_json(),
    )


def _key(effect: Effect) -> tuple[str, str, str]:
    return effect.workflow_id, effect.step, effect.item
