"""Acts on one workflow, directly; who, why and what came of it are recorded all the same."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError
from temporalio.client import Client

from system.control import letters, store
from system.control.actions import Command, act, find
from system.control.models import Action, BulkRequest, Outcome, Target
from system.errors import ControlRefused

if TYPE_CHECKING:
    from system.storage.pool import Pool

LEASE = timedelta(minutes=1)
"""For the record only: nobody else acts on this target in this operation."""


async def act_on(
    database: Pool, client: Client, action: Action, workflow_id: str, *, by: str, reason: str, run_id: str = ""
) -> Outcome:
    """Carry out an action on a workflow's latest run, or the run named.

    What is intended is recorded first: what is not recorded is not done.

    Raises:
        ControlRefused: there is no such workflow, or nobody says who wants it, or why.
        Unavailable: Temporal does not answer; the operation stays open, and whether it was carried out is not known.

    """
    try:
        request = BulkRequest(by=by, reason=reason, action=action)
    except ValidationError as error:
        raise ControlRefused(f"who wants it and why must be said: by {by!r}, reason {reason!r}") from error
    run = await find(client, workflow_id, run_id)
    if run is None:
        raise ControlRefused(f"there is no workflow {workflow_id}{f' with run {run_id}' if run_id else ''}")
    name = f"single-{secrets.token_hex(6)}"
    target = Target(
        workflow_id=workflow_id,
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        status=run.status,
    )
    async with database.acquire() as connection, connection.transaction():
        await store.open_operation(connection, name, "single", request, [target])
        claimed = await store.claim(connection, name, 1, LEASE)
    assert claimed is not None, "nobody else knows of it"
    command = Command(action=action, by=by, reason=reason, operation=name)
    outcome = await act(client, command, run, repeated=False)
    letter = await letters.letter_of(client, command, run, outcome)
    async with database.acquire() as connection, connection.transaction():
        await store.end(connection, name, 1, claimed, outcome)
        await letters.keep(connection, letter, attempt=1)
        await store.close(connection, name, "done")
    return outcome
