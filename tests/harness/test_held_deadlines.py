"""A deadline holds, whatever is late does about it; and it tells where things stood."""

import asyncio
import dataclasses
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from slow_workflows import Called, SlowApproval
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateStage

from harness.deadlines import LEFT_BEHIND, DeadlinePassed, let_go, within
from harness.eventually import eventually
from harness.temporal_test import Temporal

pytestmark = pytest.mark.usefixtures("temporal_dev_server")  # it is asynchronous here, and must be there first
SKIPS = pytest.mark.temporal(skip_time=True)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is late is given less time to end."""
    monkeypatch.setattr("harness.deadlines.GOING", 0.1)


async def raises_something_else(work: Coroutine[Any, Any, Any]) -> None:
    """As the SDK does where an update is awaited."""
    try:
        await work
    except asyncio.CancelledError:
        raise ValueError("cancelled") from None


async def swallows(work: Coroutine[Any, Any, Any]) -> None:
    """As a test does that suppresses what it awaits."""
    with suppress(Exception, asyncio.CancelledError):
        await work


@pytest.mark.parametrize("late", [raises_something_else, swallows])
async def test_what_is_late_fails_however_it_ends(late: Any) -> None:
    """What it ends with shows where it was."""
    with pytest.raises(DeadlinePassed, match=r"^It was not over within 0.01 s$") as failed:
        await within(late(asyncio.Event().wait()), 0.01, "It")
    assert str(failed.value.__cause__ or "cancelled") == "cancelled"
    assert LEFT_BEHIND not in getattr(failed.value, "__notes__", ())


async def test_what_is_in_time_is_as_if_it_had_been_awaited() -> None:
    """Its value, or what it raises."""
    assert await within(asyncio.sleep(0, "done"), 60) == "done"
    with pytest.raises(ValueError, match="cancelled"):
        await within(raises_something_else(_cancelled()), 60)


async def _cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.usefixtures("hurry")
def test_what_does_not_end_is_explained_and_left_behind() -> None:
    """Its loop can be closed all the same, whatever its threads do; and it is explained before it is cancelled."""
    heard: list[str] = []
    bell = threading.Event()

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append("cancelled")

    async def explained() -> str:
        heard.append("explained")
        return "Why"

    async def main() -> None:
        thread = asyncio.create_task(asyncio.to_thread(bell.wait))
        try:
            await within(stubborn(), 0.01, "It", explained)
        finally:
            await let_go(asyncio.all_tasks() - {asyncio.current_task()})
            assert thread.cancelled()

    with pytest.raises(DeadlinePassed, match=r"^It was not over within 0.01 s\. Why") as failed:
        asyncio.run(main())
    bell.set()
    assert failed.value.__notes__ == [LEFT_BEHIND]
    assert heard == ["explained", "cancelled", "cancelled", "cancelled"]


async def test_an_update_that_never_ends_is_told(temporal: Temporal) -> None:
    """With its history, though who awaits it suppresses what they are told."""
    async with temporal.worker(workflows=[SlowApproval]):
        slow = await temporal.start(SlowApproval.run)
        update = await slow.start_update(SlowApproval.approve, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        with pytest.raises(DeadlinePassed, match="workflow execution update accepted: approve"):
            await hurried(temporal).watch_over(swallows(update.result()))


@SKIPS
async def test_who_awaits_by_a_client_of_their_own_is_told_that_time_stood(temporal: Temporal) -> None:
    """And how to make one for which it does not."""
    own = await Client.connect(temporal.client.service_client.config.target_host)
    async with temporal.worker(workflows=[SlowApproval]):
        slow = await temporal.start(SlowApproval.run)
        with pytest.raises(DeadlinePassed, match=r"Time stood still: .* Client\(\*\*temporal.client.config\(\)\)"):
            await hurried(temporal).watch_over(own.get_workflow_handle(slow.id).result())
        another = Client(**temporal.client.config())
        assert await another.get_workflow_handle(slow.id).execute_update("approve") == "approved"


@SKIPS
async def test_a_worker_that_does_not_go_down_is_told(temporal: Temporal) -> None:
    """By the attempt that it waits for."""
    bell = asyncio.Event()

    @activity.defn
    async def answer_the_door() -> None:
        while not bell.is_set():
            with suppress(asyncio.CancelledError):
                await bell.wait()

    worker = temporal.worker(workflows=[Called], activities=[answer_the_door])
    await worker.__aenter__()
    await temporal.start(Called.run, id="called")
    await eventually(lambda: temporal.attempts)
    with pytest.raises(DeadlinePassed, match="Under way: answer_the_door, attempt 1, of 'called'"):
        await hurried(temporal).watch_over(worker.__aexit__(None, None, None))
    bell.set()


async def test_the_check_of_a_test_has_a_deadline(temporal: Temporal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the histories that it asks for do not come."""
    monkeypatch.setattr("harness.temporal_test.DEADLINE", 0.1)
    await temporal.start(SlowApproval.run, id="slow")
    wire = await temporal.wire()
    wire.lose_request("GetWorkflowExecutionHistory", code=None, times=None)
    environment = dataclasses.replace(temporal.environment, client=temporal.client)
    with pytest.raises(DeadlinePassed, match="The check of what its workflows did was not over"):
        await Temporal(environment, temporal._watched, deadline=0.1).watch_over(asyncio.sleep(0))
    wire.heal()


def hurried(temporal: Temporal) -> Temporal:
    """The same test with hardly any time left."""
    return Temporal(temporal.environment, temporal._watched, deadline=0.1)
