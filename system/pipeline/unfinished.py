"""Loads that ended before they were whole: opened again by their own workflow, or taken back for another's.

A load that is ``failed`` keeps its rows: a redrive of its workflow goes on where it failed. It loses them to the first
other load that brings one of the contents they came from, which makes it ``cancelled``. A load that is ``cancelled``
is never opened again, and its rows are taken back. A load whose workflow ended and told nobody, because it was
terminated or timed out, is found to have failed by the next load of one of its files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from system.errors import LoadClosed, LoadInProgress, Unavailable
from system.pipeline import store
from system.pipeline.datasets import delete_rows
from system.pipeline.files import claim_files
from system.pipeline.steps import Step
from system.storage.effects import Effect, record

if TYPE_CHECKING:
    from system.storage.pool import Connection

Ended = Callable[[str, str | None], Awaitable[str | None]]
"""Tells of a workflow id, and one of its runs or its latest, the run it ended by; None while it runs.

The run is empty where nobody knows it any more.
"""


def ended_at(client: Client) -> Ended:
    """Ask Temporal.

    Raises:
        Unavailable: Temporal does not answer.

    """

    async def ended(workflow_id: str, run_id: str | None) -> str | None:
        try:
            found = await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return ""
            raise Unavailable(f"Temporal does not tell whether {workflow_id} is running: {error.message}") from error
        return None if found.status is WorkflowExecutionStatus.RUNNING else found.run_id

    return ended


async def reopen(connection: Connection, attempt: Effect, ended: Ended) -> None:
    """Open the load of the attempt's workflow if it failed, and the attempt's run goes on with it; else change nothing.

    A run that has ended stays fenced off, and so does the one that closed it. The files are claimed anew: others may
    have had them meanwhile.

    Raises:
        LoadClosed: another load has loaded one of the files.
        LoadInProgress: another load is at one of them, or was: the next attempt finds that it has ended.

    """
    load = await connection.fetchrow(
        "SELECT id, closed_by FROM loads WHERE workflow_id = $1 AND state = 'failed' AND closed_by <> $2",
        attempt.workflow_id,
        attempt.run_id,
    )
    if load is None or await ended(attempt.workflow_id, attempt.run_id) is not None:
        return
    try:
        async with connection.transaction():
            await _reopen(connection, load["id"], load["closed_by"], attempt)
    except LoadInProgress:
        await make_way(connection, load["id"], attempt, ended)
        raise


async def _reopen(connection: Connection, load_id: int, closed_by: str, attempt: Effect) -> None:
    opened = await connection.execute(
        """
        UPDATE loads SET state = 'open', closed_at = NULL, closed_by = NULL
        WHERE id = $1 AND state = 'failed' AND closed_by = $2
        """,
        load_id,
        closed_by,
    )
    if opened != "UPDATE 1":
        return  # another attempt was faster, or another load, or a run that has failed since
    released = await connection.fetch(
        "UPDATE files SET state = 'waiting' WHERE load_id = $1 AND state = 'released' RETURNING number", load_id
    )
    gone = {row["number"] for row in released} & set(await claim_files(connection, load_id))
    if gone:
        raise LoadClosed(
            f"another load has loaded the files of workflow {attempt.workflow_id} since it failed: "
            "to load what is missing, use a new workflow id",
            state="failed",
        )
    await record(connection, replace(attempt, step=Step.CLOSE, item="failed", kind="compensation"))


async def make_way(connection: Connection, load_id: int, attempt: Effect, ended: Ended) -> None:
    """Close the loads of this load's contents whose workflows have ended, and take back what closed ones left of them.

    It takes back only where this load has claimed its files: who had them before has committed, or is fenced off. It
    may be interrupted anywhere, and done again.
    """
    for workflow_id in await _under_way(connection, load_id):
        run_id = await ended(workflow_id, None)
        if run_id is not None:
            failed = replace(attempt, workflow_id=workflow_id, step=Step.CLOSE, item="failed", run_id=run_id)
            await store.close_load(connection, failed)
    for other in await _left_rows(connection, load_id):
        await _give_up(connection, other, attempt)
        await take_back(connection, other, attempt)


async def take_back(connection: Connection, load_id: int, attempt: Effect) -> None:
    """Delete what a cancelled load brought, chunk by chunk: each in one transaction, with its line in the ledger.

    It may be interrupted anywhere, and done again; of a load that is not cancelled it deletes nothing.
    """
    load = await connection.fetchrow(
        "SELECT workflow_id, dataset FROM loads WHERE id = $1 AND state = 'cancelled'", load_id
    )
    if load is None:
        return
    chunks = await connection.fetch("SELECT number FROM chunks WHERE load_id = $1 ORDER BY number", load_id)
    undone = replace(attempt, workflow_id=load["workflow_id"], step=Step.LOAD_CHUNK, kind="compensation")
    for chunk in chunks:
        async with connection.transaction():
            chunk_id = await connection.fetchval(
                "DELETE FROM chunks WHERE load_id = $1 AND number = $2 RETURNING id", load_id, chunk["number"]
            )
            if chunk_id is None:
                continue  # another attempt was faster
            await delete_rows(connection, load["dataset"], chunk_id)
            await connection.execute("DELETE FROM rejects WHERE load_id = $1 AND chunk = $2", load_id, chunk["number"])
            await record(connection, replace(undone, item=str(chunk["number"])))


async def _under_way(connection: Connection, load_id: int) -> list[str]:
    """Return the workflow ids of other loads that hold one of this load's contents."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT workflow_id
        FROM files AS mine JOIN files AS theirs USING (dataset, sha256) JOIN loads ON loads.id = theirs.load_id
        WHERE mine.load_id = $1 AND mine.state <> 'skipped'
          AND theirs.load_id <> $1 AND theirs.state = 'loading'
        """,
        load_id,
    )
    return [row["workflow_id"] for row in rows]


async def _left_rows(connection: Connection, load_id: int) -> list[int]:
    """Return the ids of closed loads of which rows are left that came from one of the contents this load holds."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT theirs.load_id
        FROM files AS mine JOIN files AS theirs USING (dataset, sha256)
        WHERE mine.load_id = $1 AND mine.state = 'loading'
          AND theirs.load_id <> $1 AND theirs.state = 'released'
          AND EXISTS (
              SELECT FROM manifest JOIN chunks USING (load_id, number)
              WHERE load_id = theirs.load_id AND source = theirs.number
          )
        """,
        load_id,
    )
    return [row["load_id"] for row in rows]


async def _give_up(connection: Connection, load_id: int, attempt: Effect) -> None:
    """Make a failed load a cancelled one: from then on no redrive can open it."""
    async with connection.transaction():
        workflow_id = await connection.fetchval(
            "UPDATE loads SET state = 'cancelled' WHERE id = $1 AND state = 'failed' RETURNING workflow_id", load_id
        )
        if workflow_id is not None:
            await record(connection, replace(attempt, workflow_id=workflow_id, step=Step.CLOSE, item="cancelled"))
