"""Opens a load that failed again, for a later run of its workflow: one that a reset has made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from system.errors import LoadClosed
from system.pipeline.files import claim_files
from system.storage.effects import Effect, record

if TYPE_CHECKING:
    from system.storage.pool import Connection

CLOSE, FAILED = "close", "failed"


async def reopen(connection: Connection, attempt: Effect) -> None:
    """Open the load of the attempt's workflow if it failed, and another run closed it; else change nothing.

    The run that closed it stays fenced off for as long as the load is closed. The files are claimed anew: others may
    have had them meanwhile.

    Raises:
        LoadClosed: another load has loaded one of the files.
        LoadInProgress: another load is at one of them.

    """
    async with connection.transaction():
        load_id = await connection.fetchval(
            """
            UPDATE loads SET state = 'open', closed_at = NULL, closed_by = NULL
            WHERE workflow_id = $1 AND state = 'failed' AND closed_by <> $2 RETURNING id
            """,
            attempt.workflow_id,
            attempt.run_id,
        )
        if load_id is None:
            return
        released = await connection.fetchval(
            """
            WITH waiting AS (
                UPDATE files SET state = 'waiting' WHERE load_id = $1 AND state = 'released' RETURNING number
            )
            SELECT array_agg(number) FROM waiting
            """,
            load_id,
        )
        gone = set(released or ()) & set(await claim_files(connection, load_id))
        if gone:
            raise LoadClosed(
                f"another load has loaded the files of workflow {attempt.workflow_id} since it failed: "
                "to load what is missing, use a new workflow id"
            )
        await record(connection, replace(attempt, step=CLOSE, item=FAILED, kind="compensation"))
