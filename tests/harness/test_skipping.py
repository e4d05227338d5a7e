"""What awaits a workflow lets time be skipped, however it got hold of it; and who gives up leaves time locked."""

import asyncio

import pytest
from slow_workflows import SlowApproval
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateStage
from temporalio.common import WorkflowIDConflictPolicy

from harness.eventually import eventually
from harness.temporal_test import Temporal

pytestmark = pytest.mark.temporal(skip_time=True, deadline=30)


async def test_the_handle_of_an_update_skips_time(temporal: Temporal) -> None:
    """The one that is given once the update is accepted, and one that is made of its id."""
    async with temporal.worker(workflows=[SlowApproval]):
        slow = await temporal.start(SlowApproval.run)
        accepted = await slow.start_update(SlowApproval.approve, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        other = slow.get_update_handle(accepted.id)
        assert set(await asyncio.gather(accepted.result(), other.result())) == {"approved"}
        assert await slow.result() == "over"


async def test_an_update_that_starts_its_workflow_skips_time(temporal: Temporal) -> None:
    """It is one call to the server, and waits like any other update."""
    start = WithStartWorkflowOperation(
        SlowApproval.run, id="slow", task_queue=temporal.task_queue, id_conflict_policy=WorkflowIDConflictPolicy.FAIL
    )
    async with temporal.worker(workflows=[SlowApproval]):
        answer = await temporal.client.execute_update_with_start_workflow(
            SlowApproval.approve, start_workflow_operation=start
        )
        assert answer == "approved"
        assert await (await start.workflow_handle()).result() == "over"


async def test_other_clients_of_the_same_connection_skip_time(temporal: Temporal) -> None:
    """They may have a converter of their own, and none of the interceptors."""
    other = Client(temporal.client.service_client)
    async with temporal.worker(workflows=[SlowApproval]):
        slow = other.get_workflow_handle((await temporal.start(SlowApproval.run)).id)
        assert await slow.execute_update("approve") == "approved"
        assert await slow.result() == "over"


async def test_whoever_gives_up_leaves_time_locked(temporal: Temporal) -> None:
    """At whatever moment, and even if it is told twice: or time would be skipped under the next activity."""
    slow = await temporal.start(SlowApproval.run)
    for questions in range(3):
        for turns in range(6):
            awaited = asyncio.create_task(slow.result())
            for _ in range(questions):
                await temporal.now()
            awaited.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
            awaited.cancel()
            await asyncio.wait({awaited})
    await eventually(lambda: _is_locked(temporal.client))


async def _is_locked(client: Client) -> bool:
    # The server refuses to unlock what is not locked.
    await client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
    await client.test_service.lock_time_skipping(LockTimeSkippingRequest())
    return True
