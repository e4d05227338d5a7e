"""The SQL of dead letters: writing them, and what is done with them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from system.dead_letters.models import DigestReport, Event, Failure, Kept, Letter
from system.dead_letters.rules import fingerprint, redrive_id
from system.records import storable
from system.storage.effects import Effect, record

if TYPE_CHECKING:
    from asyncpg import Record

    from system.storage.pool import Connection

KEEP, WORKFLOW_FAILED = "dead_letter", "workflow_failed"
"""Steps in the ledger: a letter was written; a letter says that its workflow has failed."""
NAME, TEXT = 1_000, 4_100
LETTERS = """
    SELECT id, workflow_id, run_id, workflow_type, activity_id, activity_type, scheduled_event, item, attempts,
    error_type, message, remedy, details, ended_workflow, child, parent, fingerprint, state, redriven_from, depth,
    redrive_workflow_id, redrive_run_id, failed_at, recorded_at
    FROM dead_letters
"""
NOTED = """
    INSERT INTO dead_letter_events (letter_id, action, by, reason) SELECT id, $1, $2, $3 FROM settled
    RETURNING letter_id
"""


async def keep(connection: Connection, failure: Failure, attempt: int) -> Kept:
    """Write a failure's letter, once for each (workflow, run, activity); a repeat adds that the workflow failed by it.

    The letter and its lines in the ledger are one transaction.
    """
    where = failure.activity_type or failure.workflow_type
    async with connection.transaction():
        letter = await connection.fetchval(
            """
            INSERT INTO dead_letters (
                workflow_id, run_id, activity_id, workflow_type, activity_type, scheduled_event, item, attempts,
                error_type, message, remedy, details, child, parent, fingerprint, failed_at, ended_workflow,
                redriven_from, depth
            )
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, false,
                   (SELECT id FROM dead_letters WHERE id = $17), $18
            ON CONFLICT (workflow_id, run_id, activity_id) DO NOTHING
            RETURNING id
            """,
            failure.workflow_id,
            failure.run_id,
            failure.activity_id,
            failure.workflow_type,
            failure.activity_type,
            failure.scheduled_event,
            failure.item,
            failure.attempts,
            failure.error_type,
            failure.message,
            failure.remedy,
            json.dumps(dict(failure.details)),
            failure.child,
            failure.parent,
            fingerprint(failure.error_type, where, failure.message),
            failure.failed_at,
            failure.origin.letter if failure.origin else None,
            failure.origin.depth if failure.origin else 0,
        )
        if letter is not None:
            await record(connection, _effect(failure, KEEP, f"{failure.run_id}/{failure.activity_id}", attempt))
        if failure.ended_workflow and await _end(connection, failure):
            await record(connection, _effect(failure, WORKFLOW_FAILED, failure.run_id, attempt))
        return Kept(letter=letter or await _id_of(connection, failure), new=letter is not None)


async def settle_redriven(connection: Connection, letter: int, state: str, by: str, reason: str) -> list[int]:
    """Move a redriven letter, and those it came of, to the state in which the redrive leaves them."""
    return await _settle(
        connection,
        """
        WITH RECURSIVE lineage AS (
            SELECT id, redriven_from, redrive_workflow_id FROM dead_letters WHERE id = $4
            UNION
            SELECT older.id, older.redriven_from, older.redrive_workflow_id
            FROM dead_letters AS older JOIN lineage ON older.id = lineage.redriven_from
        ), settled AS (
            -- By the redrive, since one workflow redrives all letters of a run.
            UPDATE dead_letters SET state = $1
            WHERE redrive_workflow_id = ANY (ARRAY(SELECT redrive_workflow_id FROM lineage)) AND state = 'redriven'
            RETURNING id
        )
        """,
        (state, by, reason, letter),
    )


async def settle_replaced(
    connection: Connection, workflow_id: str, run_id: str, state: str, by: str, reason: str
) -> list[int]:
    """Move the open letters of the failed runs that ``run_id`` stands in for."""
    return await _settle(
        connection,
        """
        WITH settled AS (
            UPDATE dead_letters SET state = $1
            WHERE workflow_id = $4 AND run_id <> $5 AND ended_workflow AND state = 'open'
            RETURNING id
        )
        """,
        (state, by, reason, workflow_id, run_id),
    )


async def open_letters(connection: Connection, workflow_id: str, activity_type: str) -> dict[int, str]:
    """Return the open letters of one kind of a workflow's activities, each with its item."""
    rows = await connection.fetch(
        "SELECT id, item FROM dead_letters WHERE workflow_id = $1 AND activity_type = $2 AND state = 'open'",
        workflow_id,
        activity_type,
    )
    return {row["id"]: row["item"] for row in rows}


async def resolve(connection: Connection, letters: Iterable[int], by: str, reason: str) -> list[int]:
    """Close open letters of what is done after all, or stands in another; returns those that were open."""
    settled = """
        WITH settled AS (
            UPDATE dead_letters SET state = $1 WHERE id = ANY($4) AND state = 'open' RETURNING id
        )
    """
    return await _settle(connection, settled, ("resolved", storable(by, NAME), reason, list(letters)))


async def _settle(connection: Connection, settled: str, values: tuple[object, ...]) -> list[int]:
    rows = await connection.fetch(f"{settled} {NOTED}", *values)
    return sorted(row["letter_id"] for row in rows)


async def discard(connection: Connection, letters: Iterable[int], by: str, reason: str) -> set[int]:
    """Close open letters without doing anything else; returns those that were open."""
    rows = await connection.fetch(
        """
        WITH discarded AS (
            UPDATE dead_letters SET state = 'discarded' WHERE id = ANY($1) AND state = 'open' RETURNING id
        )
        INSERT INTO dead_letter_events (letter_id, action, by, reason) SELECT id, 'discarded', $2, $3 FROM discarded
        RETURNING letter_id
        """,
        list(letters),
        storable(by, NAME),
        storable(reason, TEXT),
    )
    return {row["letter_id"] for row in rows}


async def lock_redrives(connection: Connection, workflow_id: str) -> None:
    """Wait until nobody else redrives letters of this workflow; holds until the connection is given back."""
    await connection.execute("SELECT pg_advisory_lock(hashtext('dead_letters.redrive'), hashtext($1))", workflow_id)


async def claim_redrive(connection: Connection, letter: int, by: str, reason: str, *, whole: bool) -> Letter | None:
    """Take a letter for a redrive: of its whole workflow under the workflow's id, of a part under an id of its own.

    Args:
        connection: where the letters are.
        letter: the letter.
        by: who wants it.
        reason: and why.
        whole: the whole workflow is run again. That does what its other open letters are about as well, and those of
            the child by which it failed: they are taken along.

    Returns:
        The letter with that workflow id; where it was taken before, with the id it was given then. None where it is
        neither open nor redriven.

    """
    async with connection.transaction():
        found = await connection.fetchval("SELECT workflow_id FROM dead_letters WHERE id = $1", letter)
        if found is None:
            return None
        await connection.execute(
            """
            WITH RECURSIVE taken AS (
                SELECT id, workflow_id, run_id, child FROM dead_letters WHERE id = $4 AND state = 'open'
                UNION
                SELECT other.id, other.workflow_id, other.run_id, other.child
                FROM taken JOIN dead_letters AS other ON other.workflow_id = ANY (ARRAY[taken.workflow_id, taken.child])
                WHERE $5 AND other.state = 'open' AND (
                    other.run_id = taken.run_id
                    OR (other.workflow_id = taken.child AND other.parent = taken.workflow_id)
                )
            ), settled AS (
                UPDATE dead_letters SET state = 'redriven', redrive_workflow_id = $3
                WHERE id = ANY (ARRAY(SELECT id FROM taken)) AND state = 'open' RETURNING id
            )
            INSERT INTO dead_letter_events (letter_id, action, by, reason) SELECT id, 'redriven', $1, $2 FROM settled
            """,
            storable(by, NAME),
            storable(reason, TEXT),
            found if whole else redrive_id(found, letter),
            letter,
            whole,
        )
        row = await connection.fetchrow(f"{LETTERS} WHERE id = $1", letter)
        assert row is not None
        claimed = as_letter(row)
        return claimed if claimed.state == "redriven" else None


async def letter_of_parent(connection: Connection, letter: Letter) -> int | None:
    """Return the letter of the workflow that failed because this one, its child, did; None where none did."""
    found: int | None = await connection.fetchval(
        """
        SELECT max(id) FROM dead_letters
        WHERE workflow_id = $1 AND child = $2 AND state IN ('open', 'redriven') AND $1 <> ''
        """,
        letter.parent,
        letter.workflow_id,
    )
    return found


async def note_started(connection: Connection, redrive_workflow_id: str, run_id: str) -> None:
    """Note which run does what the letters taken for it are about."""
    await connection.execute(
        "UPDATE dead_letters SET redrive_run_id = $2 WHERE redrive_workflow_id = $1 AND redrive_run_id IS NULL",
        redrive_workflow_id,
        run_id,
    )


async def note_refused(connection: Connection, letter: int, by: str, reason: str) -> None:
    """Note why a letter was not redriven, unless that is what was noted last; taken for nothing, it is open again."""
    await connection.execute(
        """
        WITH released AS (
            UPDATE dead_letters SET state = 'open', redrive_workflow_id = NULL
            WHERE redrive_workflow_id = (SELECT redrive_workflow_id FROM dead_letters WHERE id = $1)
              AND state = 'redriven' AND redrive_run_id IS NULL
        )
        INSERT INTO dead_letter_events (letter_id, action, by, reason)
        SELECT $1, 'refused', $2, $3 WHERE NOT EXISTS (
            SELECT FROM (SELECT * FROM dead_letter_events WHERE letter_id = $1 ORDER BY id DESC LIMIT 1) AS noted
            WHERE action = 'refused' AND by = $2 AND reason = $3
        )
        """,
        letter,
        storable(by, NAME),
        storable(reason, TEXT),
    )


async def events_of(connection: Connection, letter: int) -> list[Event]:
    """Return what was done with a letter, oldest first."""
    rows = await connection.fetch(
        "SELECT action, by, reason, at FROM dead_letter_events WHERE letter_id = $1 ORDER BY id", letter
    )
    return [Event(**dict(row)) for row in rows]


async def without_letter(connection: Connection, runs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of the (workflow id, run id) of which no letter says that they have failed."""
    asked = list(runs)
    rows = await connection.fetch(
        """
        SELECT asked.workflow_id, asked.run_id FROM unnest($1::text[], $2::text[]) AS asked (workflow_id, run_id)
        WHERE NOT EXISTS (
            SELECT FROM dead_letters AS letter
            WHERE letter.workflow_id = asked.workflow_id AND letter.run_id = asked.run_id AND letter.ended_workflow
        )
        """,
        [workflow_id for workflow_id, _ in asked],
        [run_id for _, run_id in asked],
    )
    return {(row["workflow_id"], row["run_id"]) for row in rows}


async def swept_until(connection: Connection) -> datetime | None:
    """Return how far the last sweep has come; None before the first."""
    found: datetime | None = await connection.fetchval("SELECT max(swept_until) FROM dead_letter_digests")
    return found


async def keep_digest(connection: Connection, workflow_id: str, run_id: str, report: DigestReport) -> DigestReport:
    """Write a digest, one for each run of the digest's workflow; a repeat returns the first."""
    await connection.execute(
        """
        INSERT INTO dead_letter_digests (workflow_id, run_id, taken_at, swept_until, report)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run_id) DO NOTHING
        """,
        workflow_id,
        run_id,
        report.taken_at,
        report.swept.until,
        report.model_dump_json(),
    )
    kept = await connection.fetchval("SELECT report FROM dead_letter_digests WHERE run_id = $1", run_id)
    return DigestReport.model_validate_json(kept)


def as_letter(row: Record) -> Letter:
    """Return a row as a letter."""
    return Letter.model_validate({**row, "details": json.loads(row["details"])})


async def _end(connection: Connection, failure: Failure) -> bool:
    status = await connection.execute(
        """
        UPDATE dead_letters SET ended_workflow = true
        WHERE workflow_id = $1 AND run_id = $2 AND activity_id = $3 AND NOT ended_workflow
        """,
        failure.workflow_id,
        failure.run_id,
        failure.activity_id,
    )
    return status == "UPDATE 1"


async def _id_of(connection: Connection, failure: Failure) -> int:
    found = await connection.fetchval(
        "SELECT id FROM dead_letters WHERE workflow_id = $1 AND run_id = $2 AND activity_id = $3",
        failure.workflow_id,
        failure.run_id,
        failure.activity_id,
    )
    assert found is not None, "a letter is refused only where there is one"
    return int(found)


def _effect(failure: Failure, step: str, item: str, attempt: int) -> Effect:
    return Effect(workflow_id=failure.workflow_id, step=step, item=item, run_id=failure.run_id, attempt=attempt)
