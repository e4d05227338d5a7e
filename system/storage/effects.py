"""The ledger: one row for each durable change, written in the change's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from temporalio import activity

if TYPE_CHECKING:
    from system.storage.pool import Connection

Kind = Literal["forward", "compensation"]
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A durable change, attributed to the step of the workflow that made it."""

    workflow_id: str
    step: str
    item: str
    run_id: str
    attempt: int
    kind: Kind = "forward"

    @classmethod
    def of_attempt(cls, step: str, item: str = "") -> Effect:
        """The effect of the activity attempt that runs now."""
        info = activity.info()
        assert info.workflow_id is not None, "the system's activities run in workflows only"
        return cls(
            workflow_id=info.workflow_id,
            step=step,
            item=item,
            run_id=info.workflow_run_id or "",
            attempt=info.attempt,
        )


@dataclass(frozen=True, kw_only=True)
class Recorded(Effect):
    """An effect as the ledger holds it."""

    id: int
    transaction: int
    """Full 64-bit transaction id; a row's ``xmin`` is this modulo 2**32."""
    committed_at: datetime
    """Server time shortly before the commit."""


async def record(connection: Connection, effect: Effect) -> None:
    """Write the effect in the transaction that is open on ``connection``, which must be the effect's own."""
    assert connection.is_in_transaction(), "an effect is recorded only within its own transaction"
    await connection.execute(
        "INSERT INTO effects (workflow_id, step, item, kind, run_id, attempt) VALUES ($1, $2, $3, $4, $5, $6)",
        effect.workflow_id,
        effect.step,
        effect.item,
        effect.kind,
        effect.run_id,
        effect.attempt,
    )


async def record_many(connection: Connection, effect: Effect, items: Sequence[str]) -> None:
    """Write the effect once for each of ``items``, in one statement; else as `record`."""
    assert connection.is_in_transaction(), "an effect is recorded only within its own transaction"
    await connection.execute(
        """
        INSERT INTO effects (workflow_id, step, item, kind, run_id, attempt)
        SELECT $1, $2, item, $4, $5, $6 FROM unnest($3::text[]) AS item
        """,
        effect.workflow_id,
        effect.step,
        items,
        effect.kind,
        effect.run_id,
        effect.attempt,
    )


async def ledger(connection: Connection, prefix: str) -> list[Recorded]:
    """Return the effects of all workflows whose id starts with ``prefix``, oldest first, in one query."""
    rows = await connection.fetch(
        """
        SELECT id, workflow_id, step, item, kind, run_id, attempt,
               transaction::text::bigint AS transaction, committed_at
        FROM effects
        WHERE workflow_id ~>=~ $1 AND workflow_id ~<~ $2
        ORDER BY id
        """,
        prefix,
        prefix + LAST_CHARACTER,
    )
    return [Recorded(**row) for row in rows]
