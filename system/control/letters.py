"""The dead letter of a run that was terminated: it cannot keep one itself, and whoever terminates it knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.client import Client
from temporalio.service import RPCError

from system.control.actions import Command, Run, unavailable
from system.control.models import Outcome, Terminate
from system.dead_letters import history, store
from system.dead_letters.models import TERMINATED, Failure

if TYPE_CHECKING:
    from system.storage.pool import Connection


async def letter_of(client: Client, command: Command, run: Run | None, outcome: Outcome) -> Failure | None:
    """Return what the letter of a run says that was to be terminated, as the digest would write it.

    Also of one that was found terminated already: it may be that nobody heard of an attempt to.

    Returns:
        None where that was not what was wanted, where the run did not end so, or where another one took its place.

    Raises:
        Unavailable: Temporal does not answer.

    """
    if run is None or not isinstance(command.action, Terminate) or outcome.state == "failed":
        return None
    try:
        failure = await history.closing(client, run.workflow_id, run.run_id)
    except RPCError as error:
        raise unavailable(error) from error
    return failure if failure is not None and failure.error_type == TERMINATED else None


async def keep(connection: Connection, letter: Failure | None, attempt: int) -> None:
    """Write the letter, if there is one, in the transaction that is open; nothing where there is such a letter."""
    if letter is not None:
        await store.keep(connection, letter, attempt)
