"""Runs an item that failed for good again: alone, in a batch of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from system.dead_letters.models import Letter
from system.dead_letters.redrive import Inputs, Nothing, Redriver, Restart
from system.errors import Superseded
from system.tasks import store
from system.tasks.models import BATCH, BatchRequest, RunRequest
from system.tasks.rules import why_not_again

if TYPE_CHECKING:
    from system.storage.pool import Pool


def redriver(database: Pool) -> Redriver:
    """Return what makes a batch of one item out of the letter of one that failed.

    What needed the item was skipped when it failed, and is not run: submit it anew once the item is done. An item
    that has not failed by its batch is not run either: it may be done already, or be about to.
    """

    async def restart(letter: Letter, inputs: Inputs) -> Restart | Nothing | None:
        if letter.error_type == Superseded.name:
            return Nothing(reason="another attempt had ended the item before this one", settled=True)
        failed = await inputs.of_activity(RunRequest)
        if failed is None:
            return None
        async with database.acquire() as connection:
            state = await store.state_of(connection, failed.batch, failed.item)
            item = await store.find_item(connection, failed.batch, failed.item)
        if state is None or item is None:
            return None
        refusal = why_not_again(state)
        if refusal:
            return Nothing(reason=refusal, settled=state == "done")
        return Restart(BATCH, BatchRequest(items=(item,)))

    return restart
