"""Dead letters on a server that skips time: retries that take hours, and a redrive that goes on for minutes."""

from collections.abc import AsyncIterator

import pytest
from failing_workflows import ACTIVITIES, Failing, Work
from skipping import skipping
from temporalio.client import Client, WorkflowFailureError

from system.dead_letters import listing
from system.dead_letters.activities import DeadLetterActivities
from system.dead_letters.models import Filter, RedriveRequest
from system.dead_letters.workflow import SECONDS_A_RUN, Redrive
from system.storage.pool import Pool

QUEUE = "letters"


@pytest.fixture
async def client(database: Pool) -> AsyncIterator[Client]:
    """Of a server that skips time; the letters' own worker needs it to be made."""
    async with skipping(ACTIVITIES) as temporal:
        activities = [*ACTIVITIES, *DeadLetterActivities(database, temporal.client, QUEUE).all]
        async with temporal.worker(task_queue=QUEUE, workflows=[Failing], activities=activities):
            yield temporal.client


async def test_retries_that_take_hours_end_in_a_letter(client: Client, database: Pool) -> None:
    """Three attempts, an hour apart: the letter says three."""
    handle = await client.start_workflow(Failing.run, Work(how="patient"), id="patient", task_queue=QUEUE)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    async with database.acquire() as connection:
        [letter] = await listing.find(connection, Filter())
    assert (letter.error_type, letter.attempts, letter.ended_workflow) == ("Unavailable", 3, True)


async def test_a_redrive_goes_on_in_a_new_run_before_its_history_grows_long(client: Client) -> None:
    """One letter a second for longer than a run may be: each is looked at once, in order, through continue-as-new."""
    letters = tuple(range(1, SECONDS_A_RUN + 6))
    request = RedriveRequest(by="ann", reason="", letters=letters, per_second=1)
    handle = await client.start_workflow(Redrive.run, request, id="redrive", task_queue=QUEUE)
    told = await handle.result()
    assert (told.refused, told.after, len(told.refusals)) == (len(letters), letters[-1], 100)
    described = await client.get_workflow_handle("redrive").describe()
    assert described.run_id != handle.first_execution_run_id
