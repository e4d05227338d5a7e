"""A workflow whose run is over waits for the handlers of its messages, on a real server."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Replayer, Worker

from harness.eventually import eventually
from system.closing import ClosingInterceptor
from system.plugin import SystemPlugin


@workflow.defn(sandboxed=False)
class Hasty:
    """Is over as soon as its only update has begun, which goes on until it is let go."""

    def __init__(self) -> None:
        self._begun = self._over = self._let_go = False

    @workflow.run
    async def run(self, end: str) -> str:
        await workflow.wait_condition(lambda: self._begun)
        try:
            if end == "cancelled":
                await asyncio.Event().wait()
        finally:
            self._over = True
        if end == "failed":
            raise ApplicationError("it fails", non_retryable=True)
        return "completed"

    @workflow.update
    async def answer(self) -> str:
        self._begun = True
        await workflow.wait_condition(lambda: self._let_go)
        return "answered"

    @workflow.signal
    def let_go(self) -> None:
        self._let_go = True

    @workflow.query
    def over(self) -> bool:
        return self._over


Handle = WorkflowHandle[Hasty, str]


@pytest.fixture
async def client(temporal_address: str) -> Client:
    """With all that the system's plugin brings."""
    return await Client.connect(temporal_address, plugins=[SystemPlugin()])


@pytest.fixture
async def task_queue(client: Client) -> AsyncIterator[str]:
    """A worker that forgets a workflow after each task: every step is a replay, and ends with an eviction."""
    queue = f"closing-{secrets.token_hex(4)}"
    async with Worker(client, task_queue=queue, workflows=[Hasty], max_cached_workflows=0):
        yield queue


async def start(client: Client, task_queue: str, end: str) -> Handle:
    return await client.start_workflow(Hasty.run, end, id=task_queue, task_queue=task_queue)


async def is_over_and_open(handle: Handle) -> None:
    """Wait until the run is over; the workflow is not closed by then."""
    await eventually(lambda: handle.query(Hasty.over), timeout=30)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_a_workflow_that_completes_waits_for_its_handlers(client: Client, task_queue: str) -> None:
    """Whoever sent the update is answered; a cancellation meanwhile changes nothing; the history can be replayed."""
    handle = await start(client, task_queue, "completed")
    update = await handle.start_update(Hasty.answer, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await is_over_and_open(handle)
    await handle.cancel()
    await is_over_and_open(handle)
    await handle.signal(Hasty.let_go)
    assert await update.result() == "answered"
    assert await handle.result() == "completed"
    replayer = Replayer(workflows=[Hasty], plugins=[SystemPlugin()])
    await replayer.replay_workflow(await handle.fetch_history())


async def test_a_workflow_that_is_cancelled_waits_for_its_handlers(client: Client, task_queue: str) -> None:
    """Then it ends as cancelled."""
    handle = await start(client, task_queue, "cancelled")
    update = await handle.start_update(Hasty.answer, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await handle.cancel()
    await is_over_and_open(handle)
    await handle.signal(Hasty.let_go)
    assert await update.result() == "answered"
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, CancelledError)


@pytest.mark.filterwarnings("ignore::temporalio.workflow.UnfinishedUpdateHandlersWarning")
async def test_a_workflow_that_fails_waits_for_nobody(temporal_address: str) -> None:
    """Its handler waits for what will never be: the workflow would never end."""
    client, queue = await Client.connect(temporal_address), f"closing-{secrets.token_hex(4)}"
    async with Worker(client, task_queue=queue, workflows=[Hasty], interceptors=[ClosingInterceptor()]):
        handle = await start(client, queue, "failed")
        await handle.start_update(Hasty.answer, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        with pytest.raises(WorkflowFailureError) as raised:
            await handle.result()
    assert isinstance(raised.value.cause, ApplicationError)
