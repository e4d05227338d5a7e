"""Every workflow of the system starts nothing while it is paused."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from running_system import App

from system.control.models import BulkRequest, Pause
from system.control.pausable import PAUSE, PAUSED, RESUME, Order
from system.dead_letters.models import DigestRequest, RedriveRequest
from system.orders.models import InDoubt, Line, OrderRequest, StockCount
from system.pipeline.models import LoadRequest
from system.pipeline.schema import Schema
from system.plugin import WORKFLOWS
from system.records import Record
from system.scheduling.models import PurgeRequest, WarmRequest
from system.tasks.models import BatchRequest, Item

ORDER = Order(by="an operator", reason="a look around")

INPUTS: dict[str, Callable[[Schema], Record]] = {
    "Pipeline": lambda people: LoadRequest(sources=("/nowhere.csv",), schema=people),
    "Redrive": lambda _: RedriveRequest(by="an operator", reason="once more", letters=(1,)),
    "Digest": lambda _: DigestRequest(),
    "Batch": lambda _: BatchRequest(items=(Item(key="one", handler="text.checksum", input={"text": "x"}),)),
    "Order": lambda _: OrderRequest(
        customer="ann", address="1 Main St", lines=(Line(sku="pen", quantity=1, price_cents=100),)
    ),
    "Doubt": lambda _: InDoubt(order_id=f"order-{secrets.token_hex(4)}", pause_seconds=60),
    "Stocktake": lambda _: StockCount(sku=f"pen-{secrets.token_hex(4)}", on_hand=1),
    "Bulk": lambda _: BulkRequest(by="an operator", reason="a test", action=Pause(), query="WorkflowId = 'nobody'"),
    "WarmCache": lambda _: WarmRequest(),
    "Purge": lambda _: PurgeRequest(),
}


def scheduled(events: Any) -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda one: one.__name__)
async def test_nothing_is_scheduled_while_it_is_paused(app: App, people: Schema, workflow: Any) -> None:
    """Paused from its start it has a history without an activity; resumed it schedules its first one."""
    handle = await app.client.start_workflow(
        workflow.run,
        INPUTS[workflow.__name__](people),
        id=f"paused-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[ORDER],
    )
    assert (await handle.query(PAUSED))["paused"]
    assert scheduled((await handle.fetch_history()).events) == []
    await handle.signal(RESUME, ORDER)
    async for event in handle.fetch_history_events(wait_new_event=True):
        if scheduled([event]):
            break
    else:
        pytest.fail("it ended without having scheduled anything")
    await handle.terminate()
