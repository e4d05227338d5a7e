"""The SQL of the outbox: a row for each call to a provider, with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from system.records import Record
from system.storage.effects import Effect

if TYPE_CHECKING:
    from system.storage.pool import Connection, Pool


class Answer(Record):
    """A provider's answer, as the outbox has it."""

    done: bool
    provider_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call as it is written down."""

    sent: bool
    withdrawn: bool
    refusals: int
    """How often it was refused, and made anew under another key."""
    answer: Answer | None


async def intend(database: Pool, effect: Effect) -> Call:
    """Write down that a call is meant to be made, and tell what is known of it."""
    async with database.acquire() as connection:
        await connection.execute(
            "INSERT INTO provider_calls (workflow_id, step, item) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            *key(effect),
        )
        row = await connection.fetchrow(
            """
            SELECT state, withdrawn, sent, refusals, provider_id, reason FROM provider_calls
            WHERE workflow_id = $1 AND step = $2 AND item = $3
            """,
            *key(effect),
        )
    assert row is not None, "it was there, or was inserted"
    done = row["state"] == "succeeded"
    return Call(
        sent=row["sent"] > 0,
        withdrawn=row["withdrawn"],
        refusals=row["refusals"],
        answer=Answer(done=done, provider_id=row["provider_id"], reason=row["reason"])
        if done or row["state"] == "refused"
        else None,
    )


async def send(database: Pool, effect: Effect) -> bool:
    """Note that the call is made now; false where it must not be, withdrawn or answered meanwhile."""
    noted = await database.fetchval(
        """
        UPDATE provider_calls SET state = 'sent', sent = sent + 1
        WHERE workflow_id = $1 AND step = $2 AND item = $3
        AND state IN ('intended', 'sent', 'unknown') AND NOT withdrawn RETURNING true
        """,
        *key(effect),
    )
    return bool(noted)


async def ask(database: Pool, effect: Effect) -> None:
    """Note that the provider is asked what became of the call."""
    await database.execute(
        """
        UPDATE provider_calls SET state = 'unknown', asked = asked + 1
        WHERE workflow_id = $1 AND step = $2 AND item = $3 AND state IN ('sent', 'unknown')
        """,
        *key(effect),
    )


async def answer(connection: Connection, effect: Effect, given: Answer) -> None:
    """Write the provider's answer down; in the transaction of what it means here."""
    await connection.execute(
        """
        UPDATE provider_calls SET state = $4, provider_id = $5, reason = $6, answered_at = clock_timestamp()
        WHERE workflow_id = $1 AND step = $2 AND item = $3
        """,
        *key(effect),
        "succeeded" if given.done else "refused",
        given.provider_id,
        given.reason,
    )


async def make_anew(database: Pool, effect: Effect, refusals: int) -> None:
    """Have a call that was refused made anew, under another key.

    Nothing changes where another attempt has seen to that already, or has the answer: it was refused after so many
    refusals, and there are more now.
    """
    await database.execute(
        """
        UPDATE provider_calls SET state = 'intended', sent = 0, refusals = refusals + 1
        WHERE workflow_id = $1 AND step = $2 AND item = $3 AND refusals = $4 AND state IN ('sent', 'unknown')
        """,
        *key(effect),
        refusals,
    )


async def withdraw(database: Pool, effect: Effect) -> bool:
    """See to it that the call is not made from now on; returns whether it was, and its answer is not known."""
    unanswered = await database.fetchval(
        """
        INSERT INTO provider_calls (workflow_id, step, item, withdrawn) VALUES ($1, $2, $3, true)
        ON CONFLICT (workflow_id, step, item) DO UPDATE SET withdrawn = true
        RETURNING sent > 0 AND answered_at IS NULL
        """,
        *key(effect),
    )
    return bool(unanswered)


async def undo_unanswered(database: Pool, effect: Effect, provider_id: str | None) -> None:
    """A withdrawn call that nobody had the answer of: the provider knows it, and what it did is taken back."""
    await database.execute(
        """
        UPDATE provider_calls SET state = 'undone', provider_id = $4, answered_at = clock_timestamp()
        WHERE workflow_id = $1 AND step = $2 AND item = $3 AND answered_at IS NULL
        """,
        *key(effect),
        provider_id,
    )


async def undo(connection: Connection, effect: Effect) -> None:
    """What the call did is taken back."""
    await connection.execute(
        "UPDATE provider_calls SET state = 'undone' WHERE workflow_id = $1 AND step = $2 AND item = $3", *key(effect)
    )


async def provider_id(database: Pool, workflow_id: str, step: str) -> str | None:
    """What the provider called what it did for a step; None where that is not known."""
    found = await database.fetchval(
        "SELECT provider_id FROM provider_calls WHERE workflow_id = $1 AND step = $2 AND item = ''", workflow_id, step
    )
    return None if found is None else str(found)


def key(effect: Effect) -> tuple[str, str, str]:
    """What a call is found by."""
    return effect.workflow_id, effect.step, effect.item
