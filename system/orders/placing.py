"""Places an order by its id: get or create, however often it is placed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

from system.errors import InputError
from system.orders.models import PLACE, PLACED, STATUS, OrderRequest, OrderStatus
from system.orders.rules import why_bad_id, why_not_same
from system.orders.workflow import Order

if TYPE_CHECKING:
    from temporalio.client import Client


async def place(client: Client, task_queue: str, order_id: str, order: OrderRequest) -> OrderStatus:
    """Place an order, and tell how it stands once it is written down.

    Raises:
        InputError: no order can have this id, or another order has it, be it ended or not.

    """
    if problem := why_bad_id(order_id):
        raise InputError(problem)
    try:
        return await _placed(client, task_queue, order_id, order, WorkflowIDReusePolicy.REJECT_DUPLICATE)
    except WorkflowAlreadyStartedError:
        ended = await _ended(client, order_id, order)
    if ended is not None:
        return ended
    return await _placed(client, task_queue, order_id, order, WorkflowIDReusePolicy.ALLOW_DUPLICATE)


def reason_of(failed: WorkflowUpdateFailedError | WorkflowFailureError) -> str:
    """Why a workflow refused an update, or failed: the message of what is behind it all, without its type."""
    cause = failed.cause
    while isinstance(cause, FailureError) and cause.cause is not None:
        cause = cause.cause
    return cause.message if isinstance(cause, FailureError) else str(cause)


async def _placed(
    client: Client, task_queue: str, order_id: str, order: OrderRequest, reuse: WorkflowIDReusePolicy
) -> OrderStatus:
    """Start the order's workflow, or join the one that runs, and wait until it is decided whose the id is."""
    start = WithStartWorkflowOperation(
        Order.run,
        order,
        id=order_id,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=reuse,
    )
    try:
        status: OrderStatus = await client.execute_update_with_start_workflow(
            PLACE, order, start_workflow_operation=start, result_type=OrderStatus
        )
    except WorkflowUpdateFailedError as refused:
        raise InputError(reason_of(refused)) from refused
    except WorkflowAlreadyStartedError:
        with suppress(WorkflowAlreadyStartedError):
            await start.workflow_handle()  # it holds the same error, and complains if nobody takes it
        raise
    return status


async def _ended(client: Client, order_id: str, order: OrderRequest) -> OrderStatus | None:
    """How the order stands that has ended: it takes no update any more, and still answers queries.

    None where the newest run under the id is of an order that was refused it: the id is an older order's, which
    Temporal may have forgotten, so that only another run can tell whose.
    """
    handle = client.get_workflow_handle(order_id)
    try:
        status: OrderStatus = await handle.query(STATUS, result_type=OrderStatus)
    except WorkflowQueryFailedError as other:
        raise InputError(f"{order_id} is the id of something else than an order: place it under a new id") from other
    if status.taken:
        return None
    placed: OrderRequest = await handle.query(PLACED, result_type=OrderRequest)
    if problem := why_not_same(order_id, placed.model_dump(mode="json"), order):
        raise InputError(problem)
    return status
