"""Shows everything about one letter, its input fetched from history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from temporalio.client import Client

from system.dead_letters import history, listing, store
from system.dead_letters.models import Inspection, Letter
from system.errors import LetterError

if TYPE_CHECKING:
    from system.storage.pool import Pool


async def inspect(database: Pool, client: Client, letter: int) -> Inspection:
    """Return the letter, what failed was given, what was done with it, and its lineage.

    Raises:
        LetterError: there is no such letter.

    """
    async with database.acquire() as connection:
        found = await listing.read(connection, letter)
        if found is None:
            raise LetterError(f"there is no dead letter {letter}: `dead-letters list` shows those there are")
        events = await store.events_of(connection, letter)
        before, after = await listing.lineage(connection, letter)
    given, note = await _input(client, found)
    return Inspection(
        letter=found,
        input=given,
        input_note=note,
        events=tuple(events),
        lineage=tuple(before),
        children=tuple(after),
    )


async def _input(client: Client, letter: Letter) -> tuple[tuple[Any, ...] | None, str]:
    event = letter.scheduled_event if letter.activity_type else history.STARTED
    if event is None:
        return None, "a local activity's input is in no history"
    try:
        found = await history.arguments(client, letter.workflow_id, letter.run_id, event)
    except (ValidationError, RuntimeError):  # pydantic's, and what the SDK says of other encodings
        return None, "it cannot be read"
    return (tuple(found), "") if found is not None else (None, "the history is gone")
