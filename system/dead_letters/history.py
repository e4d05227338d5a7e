"""Reads from Temporal's histories what a letter refers to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, WorkflowHistoryEventFilterType
from temporalio.common import Priority, RawValue, RetryPolicy, SearchAttributePair, TypedSearchAttributes
from temporalio.converter import decode_typed_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from system.dead_letters.failures import child_behind, told
from system.dead_letters.models import REDRIVEN_FROM, TERMINATED, TIMED_OUT, Failure, Origin
from system.records import storable

CALL = timedelta(seconds=10)
STARTED = 1
"""The event that holds a workflow's input."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a workflow is started: as another was, where it is run again."""

    workflow_type: str
    arguments: Sequence[Any]
    task_queue: str
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    memo: Mapping[str, Any] = field(default_factory=dict)
    search_attributes: TypedSearchAttributes = TypedSearchAttributes.empty
    priority: Priority = Priority.default


async def attempts(client: Client, workflow_id: str, run_id: str, scheduled_event: int) -> int | None:
    """Return how many attempts an activity that has ended had; None where the history is gone."""
    async for event in _events(client, workflow_id, run_id):
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            if started.scheduled_event_id == scheduled_event:
                return started.attempt
    return None


async def arguments(
    client: Client, workflow_id: str, run_id: str, event_id: int, types: list[type] | None = None
) -> list[Any] | None:
    """Return what the workflow (event 1), or the activity that was scheduled by an event, was given.

    Returns:
        None where the history is gone, or has no such event.

    """
    async for event in _events(client, workflow_id, run_id, page_size=1 if event_id == STARTED else None):
        if event.event_id == event_id:
            return await _decoded(client, _input_of(event), types)
    return None


async def start(client: Client, workflow_id: str, run_id: str) -> Start | None:
    """Return how a run was started, its payloads untouched; None where the history is gone."""
    event = await _first(client, workflow_id, run_id)
    if event is None:
        return None
    began = event.workflow_execution_started_event_attributes
    return Start(
        workflow_type=began.workflow_type.name,
        arguments=await _decoded(client, began.input, [RawValue] * len(began.input.payloads)),
        task_queue=began.task_queue.name,
        execution_timeout=_duration(began, "workflow_execution_timeout"),
        run_timeout=_duration(began, "workflow_run_timeout"),
        task_timeout=_duration(began, "workflow_task_timeout"),
        retry_policy=RetryPolicy.from_proto(began.retry_policy) if began.HasField("retry_policy") else None,
        memo={name: await _raw(client, value) for name, value in began.memo.fields.items()},
        search_attributes=_settable(decode_typed_search_attributes(began.search_attributes)),
        priority=Priority._from_proto(began.priority),  # noqa: SLF001 there is no public one
    )


async def status(client: Client, workflow_id: str, run_id: str | None = None) -> tuple[str, str]:
    """Return the status of a run, or of the newest run under a workflow id, and that run's id."""
    found = await client.get_workflow_handle(workflow_id, run_id=run_id).describe(rpc_timeout=CALL)
    return found.status.name if found.status is not None else "UNKNOWN", found.run_id


async def newest(client: Client, workflow_id: str) -> tuple[str, Origin | None]:
    """Return the newest run under a workflow id, and which letter it was redriven from."""
    found = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=CALL)
    return found.run_id, await found.memo_value(REDRIVEN_FROM, None, type_hint=Origin)


async def closing(client: Client, workflow_id: str, run_id: str) -> Failure | None:
    """Return the failure a closed workflow ended with.

    Returns:
        None where it did not fail, goes on in another run (its own retry, a reset), or the history is gone.

    """
    first = await _first(client, workflow_id, run_id)
    if first is None:
        return None
    last = None
    async for event in _events(client, workflow_id, run_id, last_only=True):
        last = event
    if last is None:
        return None
    began = first.workflow_execution_started_event_attributes
    says = await _ending(client, last)
    if says is None:
        return None
    if says["error_type"] == TERMINATED and (await status(client, workflow_id))[1] != run_id:
        return None
    return Failure(
        workflow_id=workflow_id,
        run_id=run_id,
        workflow_type=began.workflow_type.name,
        attempts=began.attempt,
        parent=began.parent_workflow_execution.workflow_id,
        origin=await _origin(client, began.memo.fields),
        failed_at=last.event_time.ToDatetime(tzinfo=UTC),
        ended_workflow=True,
        **says,
    )


async def _ending(client: Client, event: HistoryEvent) -> dict[str, Any] | None:
    # Asked for the last event alone, the server shows a run that it has run again as continued as new.
    kind = event.WhichOneof("attributes")
    if kind == "workflow_execution_failed_event_attributes":
        failed = event.workflow_execution_failed_event_attributes
        error = await client.data_converter.decode_failure(failed.failure)
        says = told(error)
        return {
            "error_type": says.error_type,
            "message": says.message,
            "remedy": says.remedy,
            "details": says.details,
            "child": child_behind(error),
        }
    if kind == "workflow_execution_timed_out_event_attributes":
        return {
            "error_type": TIMED_OUT,
            "message": "the workflow did not close within its timeout",
            "remedy": "look at what it waited for, in its history",
        }
    if kind == "workflow_execution_terminated_event_attributes":
        terminated = event.workflow_execution_terminated_event_attributes
        return {
            "error_type": TERMINATED,
            "message": storable(f"terminated: {terminated.reason or 'no reason was given'}", 4_000),
            "remedy": "ask who terminated it, and why; it has not compensated anything",
            "details": {"by": terminated.identity},
        }
    return None


async def _origin(client: Client, memo: Mapping[str, Payload]) -> Origin | None:
    if REDRIVEN_FROM not in memo:
        return None
    [origin] = await client.data_converter.decode([memo[REDRIVEN_FROM]], [Origin])
    assert isinstance(origin, Origin)
    return origin


async def _first(client: Client, workflow_id: str, run_id: str) -> HistoryEvent | None:
    async for event in _events(client, workflow_id, run_id, page_size=1):
        return event
    return None


async def _events(
    client: Client, workflow_id: str, run_id: str, *, page_size: int | None = None, last_only: bool = False
) -> AsyncIterator[HistoryEvent]:
    kind = WorkflowHistoryEventFilterType.CLOSE_EVENT if last_only else WorkflowHistoryEventFilterType.ALL_EVENT
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        async for event in handle.fetch_history_events(page_size=page_size, event_filter_type=kind):
            yield event
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _input_of(event: HistoryEvent) -> Payloads:
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
        return event.workflow_execution_started_event_attributes.input
    return event.activity_task_scheduled_event_attributes.input


async def _decoded(client: Client, payloads: Payloads, types: list[type] | None) -> list[Any]:
    return await client.data_converter.decode(payloads.payloads, types)


async def _raw(client: Client, payload: Payload) -> Any:
    [value] = await client.data_converter.decode([payload], [RawValue])
    return value


def _settable(attributes: TypedSearchAttributes) -> TypedSearchAttributes:
    # The server's own ones are set by the server alone.
    own: list[SearchAttributePair[Any]] = [
        pair for pair in attributes if not pair.key.name.startswith("Temporal") and pair.key.name != "BuildIds"
    ]
    return TypedSearchAttributes(own)


def _duration(began: WorkflowExecutionStartedEventAttributes, name: str) -> timedelta | None:
    value: Duration = getattr(began, name)
    return value.ToTimedelta() or None


def as_utc(moment: datetime) -> str:
    """Return a time as a visibility query takes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
