"""Places an order by its id: get or create, however often it is placed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from system.orders.models import PLACE, STATUS, OrderRequest, OrderStatus
from system.orders.workflow import Order

if TYPE_CHECKING:
    from temporalio.client import Client


async def place(client: Client, task_queue: str, order_id: str, order: OrderRequest) -> OrderStatus:
    """Place an order, and tell how it stands once it is written down.

    Raises:
        WorkflowUpdateFailedError: another order exists under this id, and is not ended.

    """
    start = WithStartWorkflowOperation(
        Order.run,
        order,
        id=order_id,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )
    try:
        status: OrderStatus = await client.execute_update_with_start_workflow(
            PLACE, order, start_workflow_operation=start, result_type=OrderStatus
        )
    except WorkflowAlreadyStartedError:
        with suppress(WorkflowAlreadyStartedError):
            await start.workflow_handle()  # it holds the same error, and complains if nobody takes it
        # It has ended, and an ended workflow takes no update; a query it answers.
        status = await client.get_workflow_handle(order_id).query(STATUS, result_type=OrderStatus)
    return status
