"""Asks the server what became of calls that nobody answered: they happened, they did not, or nobody knows yet."""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, RPCError, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from harness.records.operations import Ack, Kind, Operation

ASK = timedelta(seconds=30)
HEADER = "temper-call-"
"""How the header of a signal begins that names its call; a codec encodes what is in a header, never its name."""


def new_call_id() -> str:
    """An id by which a signal or an update is found in the history of its workflow."""
    return secrets.token_hex(8)


def signal_headers(call_id: str) -> Mapping[str, Payload]:
    """The headers of a signal that is to be found by this id: the server keeps them with it."""
    return {HEADER + call_id: Payload(metadata={"encoding": b"binary/null"})}


async def resolve(operation: Operation, client: Client) -> Operation:
    """Ask the server what became of an unanswered call: info → ok | fail | info.

    Ask after heal, and past the call's deadline; before that a late call may still arrive. A query changes nothing, so
    one that nobody answered is as if it had never been asked.
    """
    if operation.ack is not Ack.INFO:
        return operation
    if operation.kind is Kind.QUERY:
        return replace(operation, ack=Ack.FAIL)
    try:
        return await _asked(operation, client)
    except RPCError:
        return operation


async def _asked(operation: Operation, client: Client) -> Operation:
    try:
        found = await client.get_workflow_handle(operation.workflow_id).describe(rpc_timeout=ASK)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            # To a workflow that was never started nothing happened either.
            return replace(operation, ack=Ack.FAIL)
        raise
    running = found.status in {None, WorkflowExecutionStatus.RUNNING}
    if operation.kind in {Kind.SIGNAL, Kind.UPDATE}:
        return await _sought(operation, client, found.run_id, running=running)
    if operation.kind is Kind.RESULT and running:
        return operation
    return replace(
        operation,
        ack=Ack.OK,
        run_id=found.run_id,
        closed=found.close_time.timestamp() if found.close_time else None,
        status=None if running or found.status is None else found.status.name.lower(),
    )


async def _sought(operation: Operation, client: Client, latest: str, *, running: bool) -> Operation:
    """A signal or an update, by the event of its own in the history of the workflow whose latest run this is.

    Where there is none, and the workflow is closed, it did not happen; a workflow that runs may have it before it yet,
    for the server holds it back until a workflow task has ended. An update that was accepted and has no end may have
    done anything.
    """
    if not operation.call_id:
        return operation
    accepted, run_id = False, latest
    while run_id:
        history = await client.get_workflow_handle(operation.workflow_id, run_id=run_id).fetch_history(rpc_timeout=ASK)
        for event in history.events:
            accepted = accepted or _is_accepted(event, operation.call_id)
            happened = _happened(event, operation.call_id)
            if happened is not None:
                ack = Ack.OK if happened else Ack.FAIL
                return replace(operation, ack=ack, run_id=run_id, event_id=event.event_id)
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return operation if running or accepted else replace(operation, ack=Ack.FAIL)


def _is_accepted(event: HistoryEvent, call_id: str) -> bool:
    return event.workflow_execution_update_accepted_event_attributes.protocol_instance_id == call_id


def _happened(event: HistoryEvent, call_id: str) -> bool | None:
    """Whether the call happened, by an event that says so; a failed update did not, as its caller would be told."""
    if HEADER + call_id in event.workflow_execution_signaled_event_attributes.header.fields:
        return True
    ended = event.workflow_execution_update_completed_event_attributes
    return ended.outcome.HasField("success") if ended.meta.update_id == call_id else None
