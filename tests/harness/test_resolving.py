"""What became of a signal or an update that nobody answered, the history of its workflow tells."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from small_worker import Quiet, Small, small_worker
from temporalio.client import Client
from temporalio.worker import Worker

from harness.driver import App, Refused, Started
from harness.eventually import eventually
from harness.records.operations import Ack, Kind, Operation
from harness.resolving import resolve


@pytest.fixture(scope="module")
async def worker(temporal_address: str) -> AsyncIterator[Worker]:
    """A worker for the small workflows, in this process."""
    async with small_worker(temporal_address) as running:
        yield running


@pytest.fixture
async def small(temporal_address: str, worker: Worker, tmp_path: Path) -> Small:
    """A run of its own for this test."""
    return Small(await Client.connect(temporal_address), worker.task_queue, tmp_path)


def unheard(operation: Operation) -> Operation:
    """The same call, had its answer been lost."""
    return replace(operation, ack=Ack.INFO, acknowledged=None, given_up=operation.sent, error="no answer")


def never_sent(operation: Operation) -> Operation:
    """Another call of the same name, which did not get through."""
    return replace(unheard(operation), call_id="0123456789abcdef")


async def event(small: Small, operation: Operation) -> str:
    """What kind of event it is by which the call was found out."""
    handle = small.client.get_workflow_handle(operation.workflow_id, run_id=operation.run_id)
    found = (await handle.fetch_history()).events[(operation.event_id or 0) - 1]
    return (found.WhichOneof("attributes") or "").removesuffix("_event_attributes")


async def refused(app: App, started: Started, update: str, *arguments: str) -> None:
    with pytest.raises(Refused):
        await app.update(started, update, *arguments)


async def test_each_call_is_found_by_its_own_event(small: Small) -> None:
    """Of several of one name: those that got through happened; the others did not, once nothing can come any more."""
    app = small.app(Quiet())
    started = await app.start("Waits", "", result_type=list[str])
    await app.signal(started, "word", "one")
    await app.signal(started, "word", "two")
    await app.update(started, "add", "three")
    await refused(app, started, "refuse")
    await refused(app, started, "add", "")
    _, one, two, added, failed, rejected = small.operations
    assert len({op.call_id for op in (one, two, added, failed, rejected)}) == 5

    for sent, kind in ((one, "workflow_execution_signaled"), (two, "workflow_execution_signaled"),
                       (added, "workflow_execution_update_completed")):  # fmt: skip
        found = await resolve(unheard(sent), small.client)
        assert (found.ack, found.acknowledged) == (Ack.OK, None)
        assert await event(small, found) == kind
    assert (await resolve(unheard(one), small.client)).event_id != (await resolve(unheard(two), small.client)).event_id
    assert (await resolve(unheard(failed), small.client)).ack is Ack.FAIL, "it ended, and did not do it"

    unknown = [never_sent(one), never_sent(added), unheard(rejected)]
    assert [await resolve(op, small.client) for op in unknown] == unknown, "the workflow may have them before it yet"
    await app.signal(started, "go")
    assert (await app.result(started)).value == ["one", "two", "three"]
    assert [(await resolve(op, small.client)).ack for op in unknown] == [Ack.FAIL] * 3
    assert (await resolve(unheard(one), small.client)).ack is Ack.OK


async def test_what_was_accepted_and_has_no_end_stays_open(small: Small) -> None:
    """It may have done anything before its workflow was ended."""
    app = small.app(Quiet())
    started = await app.start("Waits", "")
    asking = asyncio.create_task(app.update(started, "never"))

    async def accepted() -> bool:
        history = await started.handle.fetch_history()
        return any(each.HasField("workflow_execution_update_accepted_event_attributes") for each in history.events)

    await eventually(accepted)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await started.handle.terminate()
    update = small.operations[-1]
    assert (update.kind, update.ack) == (Kind.UPDATE, Ack.INFO)
    assert await resolve(update, small.client) is update
    never = replace(update, call_id="0123456789abcdef")
    assert (await resolve(never, small.client)).ack is Ack.FAIL


async def test_a_signal_is_found_in_an_earlier_run(small: Small) -> None:
    """The workflow continued as new after it: the event is in the history of the run that the signal came to."""
    app = small.app(Quiet())
    started = await app.start("HandsOver", "first")
    await app.signal(started, "go")
    await app.result(started)
    start, signal, _ = small.operations
    found = await resolve(unheard(signal), small.client)
    assert (found.ack, found.run_id) == (Ack.OK, start.run_id)
    assert (await resolve(never_sent(signal), small.client)).ack is Ack.FAIL


async def test_of_calls_without_an_id_nothing_is_found_out(small: Small) -> None:
    """Runs that did not record one; and to a workflow that never was, nothing happened."""
    app = small.app(Quiet())
    started = await app.start("Waits", "")
    await app.signal(started, "go")
    await app.result(started)
    nameless = replace(unheard(small.operations[1]), call_id="")
    assert await resolve(nameless, small.client) is nameless
    nowhere = replace(nameless, workflow_id=f"{small.run}.nowhere", call_id="0123456789abcdef")
    assert (await resolve(nowhere, small.client)).ack is Ack.FAIL
