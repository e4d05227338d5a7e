"""Runs an item that failed for good again: alone, in a batch of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from system.dead_letters.models import Letter
from system.dead_letters.redrive import Inputs, Redriver, Restart
from system.tasks import store
from system.tasks.models import BATCH, BatchRequest, RunRequest

if TYPE_CHECKING:
    from system.storage.pool import Pool


def redriver(database: Pool) -> Redriver:
    """Return what makes a batch of one item out of the letter of one that failed.

    What needed the item was skipped when it failed, and is not run: submit it anew once the item is done.
    """

    async def restart(_: Letter, inputs: Inputs) -> Restart | None:
        failed = await inputs.of_activity(RunRequest)
        if failed is None:
            return None
        async with database.acquire() as connection:
            item = await store.find_item(connection, failed.batch, failed.item)
        return None if item is None else Restart(BATCH, BatchRequest(items=(item,)))

    return restart
