"""What a foreign client sends and nobody can read: refused, told or logged, on real servers; it wedges no workflow."""

import asyncio
import secrets
from typing import Any, get_type_hints

import pytest
from running_system import App
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from harness.eventually import eventually
from system.control.models import BULK
from system.control.pausable import PAUSE, PAUSED, RESUME, Order
from system.dead_letters import inspection, listing
from system.dead_letters.models import DIGEST, REDRIVE, Filter
from system.orders.models import DOUBT, ORDER, PLACE, STOCKTAKE
from system.pipeline.models import PIPELINE
from system.plugin import WORKFLOWS
from system.records import Request
from system.scheduling.models import PURGE, WARM_CACHE
from system.tasks.models import BATCH, CANCEL_ALL, CANCEL_ITEM, BatchReport, BatchRequest, Item
from system.tasks.workflow import Batch

NO_JSON = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"tenant": '))
NO_PROTOBUF = RawValue(Payload(metadata={"encoding": b"json/protobuf", "messageType": b"no.Such"}, data=b"{}"))
REFUSED: tuple[tuple[str, list[Any], str], ...] = (
    (BATCH, [{"concurrency": 100}], "no BatchRequest: concurrency: input should be less than or equal to 64"),
    (BATCH, [{"tenant": "t" * 1_000}], "no BatchRequest: tenant: "),
    (BATCH, [NO_JSON], "no BatchRequest: invalid JSON"),
    (BATCH, [NO_PROTOBUF], "no BatchRequest: "),
    (BATCH, [None], "no BatchRequest: it is not JSON"),
    (BATCH, [b"bytes"], "no BatchRequest: it is not JSON"),
    (BATCH, [["a", "list"]], "no BatchRequest: "),
    (BATCH, [], "does not fit: missing a required argument: 'request'"),
    (BATCH, [{}, {}], "does not fit: too many positional arguments"),
    (BULK, [{"by": "ann"}], "no BulkRequest: reason: field required; action: field required"),
    (REDRIVE, [{"by": "ann", "reason": "r", "per_second": 0}], "no RedriveRequest: per_second: "),
    (DIGEST, [{"groups": "many"}], "no DigestRequest: groups: "),
    (DOUBT, [{"order_id": "o"}], "no InDoubt: pause_seconds: field required"),
    (ORDER, [{"customer": "ann"}], "no OrderRequest: "),
    (STOCKTAKE, [{"sku": "pen", "on_hand": -1}], "no StockCount: on_hand: "),
    (PIPELINE, [{}], "no LoadRequest: "),
    (PURGE, [{"keep_days": "long"}], "no PurgeRequest: keep_days: "),
    (WARM_CACHE, [7], "no WarmRequest: "),
)


@pytest.fixture
async def foreign(app: App) -> Client:
    """A client that knows nothing of our records."""
    return await Client.connect(app.settings.temporal_address)


@pytest.fixture
async def batch(app: App) -> WorkflowHandle[Batch, BatchReport]:
    """A batch that is paused before it has begun."""
    return await app.client.start_workflow(
        Batch.run,
        BatchRequest(items=(Item(key="a", handler="text.checksum", input={"text": "t"}),)),
        id=f"batch-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[Order(by="ann", reason="to be spoken to")],
    )


async def why_failed(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, ApplicationError)
    return raised.value.cause


async def test_a_workflow_fails_by_an_input_that_cannot_be_read_and_has_its_letter(app: App, foreign: Client) -> None:
    """Whichever workflow it is, and whatever was sent: it says what is wrong, in its failure and in its letter."""
    handles = [
        await foreign.start_workflow(
            name, args=args, id=f"in-{secrets.token_hex(6)}", task_queue=app.settings.task_queue
        )
        for name, args, _ in REFUSED
    ]
    causes = await asyncio.gather(*(why_failed(handle) for handle in handles))
    assert [(cause.type, says in cause.message) for cause, (_, _, says) in zip(causes, REFUSED, strict=True)] == [
        ("InputError", True)
    ] * len(REFUSED)
    async with app.database.acquire() as connection:
        letters = {one.workflow_id: one for one in await listing.find(connection, Filter(), limit=100)}
    kept = [letters[handle.id] for handle in handles]
    assert [(one.message, one.state, one.ended_workflow) for one in kept] == [
        (cause.message, "open", True) for cause in causes
    ]
    assert all(one.remedy.startswith("correct the input") for one in kept)
    notes = [(await inspection.inspect(app.database, app.client, one.id)).input_note for one in kept]
    assert [note for note in notes if note] == ["it cannot be read"] * 2


def test_every_workflow_can_refuse_what_it_is_started_with() -> None:
    """What it takes is marked as a request: only of these does the converter leave the refusal to the workflow."""
    hints = [get_type_hints(vars(each)["run"]) for each in WORKFLOWS]
    taken = [hint for each in hints for name, hint in each.items() if name != "return"]
    assert len(taken) == len(WORKFLOWS)
    assert [each for each in taken if not issubclass(each, Request)] == []


async def test_an_update_that_cannot_be_read_is_rejected(
    foreign: Client, batch: WorkflowHandle[Batch, BatchReport]
) -> None:
    """Its sender is told why, nothing of it gets into the history, and the workflow goes on; so it is with a query."""
    handle = foreign.get_workflow_handle(batch.id)
    for args, says in (
        ([{"by": "ann", "reason": ""}], "no CancelAllRequest: reason: string should have at least 1 character"),
        ([None], "no CancelAllRequest: it is not JSON"),
        ([], "does not fit: missing a required argument"),
    ):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(CANCEL_ALL, args=args)
        assert isinstance(refused.value.cause, ApplicationError)
        assert (refused.value.cause.type, says in refused.value.cause.message) == ("InputError", True), (
            refused.value.cause
        )
    with pytest.raises(WorkflowUpdateFailedError, match="failed"):
        await handle.execute_update(CANCEL_ITEM, args=[{}, {}])
    await batch.signal(RESUME, Order(by="ann", reason="it is over"))
    assert (await batch.result()).done == 1
    history = await batch.fetch_history()
    wrong = {"workflow_task_failed_event_attributes", "workflow_execution_update_accepted_event_attributes"}
    assert wrong.isdisjoint(str(event.WhichOneof("attributes")) for event in history.events)


async def test_an_update_with_what_workflows_are_started_with_is_rejected_as_well(app: App, foreign: Client) -> None:
    """An order is placed by an update that brings it: another that is none is told so."""
    order = {"customer": "c", "address": "a", "lines": [{"sku": "pen", "quantity": 1, "price_cents": 1}]}
    handle = await foreign.start_workflow(
        ORDER,
        order,
        id=f"order-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[{"by": "ann", "reason": "to be spoken to"}],
    )
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(PLACE, {"customer": "c"})
    assert "InputError: what was sent is no OrderRequest: " in str(refused.value.cause)
    await handle.terminate()


async def test_a_signal_that_cannot_be_read_is_dropped(
    app: App, foreign: Client, batch: WorkflowHandle[Batch, BatchReport]
) -> None:
    """Too few arguments, too many, no record: the workflow neither fails nor waits, and is not shown as resumed."""
    handle = foreign.get_workflow_handle(batch.id)
    sent: tuple[list[Any], ...] = ([], [{"by": "ann"}], [NO_JSON], [None], [{}, {}])
    for args in sent:
        await handle.signal(RESUME, args=args)
    assert (await handle.query(PAUSED))["by"] == "ann"

    async def told() -> bool | None:
        attributes = (await app.client.get_workflow_handle(batch.id).describe()).typed_search_attributes
        return next((bool(pair.value) for pair in attributes if pair.key.name == "SystemPaused"), None)

    assert await eventually(told, timeout=20)
    await batch.signal(RESUME, Order(by="ann", reason="it is over"))
    assert (await batch.result()).done == 1
    history = await batch.fetch_history()
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
