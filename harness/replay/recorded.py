"""What a workflow commanded then: the events of its history that record commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from harness.replay.commands import Command, Json, numbered
from harness.replay.issued import OWN_QUEUE
from harness.replay.values import (
    failure,
    named_values,
    nexus_fields,
    payloads_in,
    priority,
    retry_policy,
    seconds,
    values_of,
)

MessageT = TypeVar("MessageT", bound=Message)
Decode = Callable[[Sequence[Payload]], Awaitable[Sequence[Payload]]]
"""Undoes what codec and external storage did to payloads; as many come back, in their order."""
ATTRIBUTES = "_event_attributes"
OF_PATCHES = "TemporalChangeVersion"
"""The search attribute that the SDK's core, and no workflow, says which patches a workflow has in."""


async def recorded(events: Iterable[HistoryEvent], decode: Decode) -> list[Command]:
    """Read the commands of a history, in its order."""
    reader = _Reader()
    found = []
    for event in events:
        name = (event.WhichOneof("attributes") or "").removesuffix(ATTRIBUTES)
        if name not in _TELLERS:
            continue
        plain = await decoded(event, decode)
        told = _TELLERS[name](reader, event.event_id, getattr(plain, name + ATTRIBUTES))
        if told:
            found.append(told)
    return numbered(found)


def replayed_part(events: Iterable[HistoryEvent], reached: int) -> Iterator[HistoryEvent]:
    """As much of a history as code was asked of: to the end of what came of the task that began with this event."""
    for event in events:
        if event.event_id > reached + 1 and event.HasField("workflow_task_completed_event_attributes"):
            return
        yield event


def last_search_attributes(events: Iterable[HistoryEvent]) -> dict[str, Json]:
    """What a run hands over to the next: what it was started with, and what it said since; patches are its own."""
    found: dict[str, Json] = {}
    for event in events:
        for name in ("workflow_execution_started", "upsert_workflow_search_attributes"):
            attributes = getattr(event, name + ATTRIBUTES)  # empty, if the event has others
            found |= named_values(attributes.search_attributes.indexed_fields)
    return _set({name: value for name, value in found.items() if name != OF_PATCHES})


def _set(search_attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Without those that were unset, which some servers hand over as such, and some do not."""
    return {name: value for name, value in search_attributes.items() if value is not None}


async def decoded(message: MessageT, decode: Decode) -> MessageT:
    """Copy a message; the copy has its payloads as they were before codec and external storage."""
    plain = type(message)()
    plain.CopyFrom(message)
    payloads = list(payloads_in(plain))
    if payloads:
        for payload, before in zip(payloads, await decode(payloads), strict=True):
            payload.CopyFrom(before)
    return plain


@dataclass
class _Reader:
    """What later events need of earlier ones."""

    own_queue: str = ""
    accepted: dict[int, tuple[str, str]] = field(default_factory=dict)

    def queue(self, name: str) -> str:
        return OWN_QUEUE if name == self.own_queue else name


def _started(reader: _Reader, _event: int, given: Any) -> None:
    reader.own_queue = given.task_queue.name


def _activity(reader: _Reader, event: int, given: Any) -> Command:
    fields = {
        "type": given.activity_type.name,
        "arguments": values_of(given.input),
        "task_queue": reader.queue(given.task_queue.name),
        "schedule_to_close": seconds(given.schedule_to_close_timeout),
        "schedule_to_start": seconds(given.schedule_to_start_timeout),
        "start_to_close": seconds(given.start_to_close_timeout),
        "heartbeat": seconds(given.heartbeat_timeout),
        "retry_policy": retry_policy(given.retry_policy),
        "priority": priority(given.priority),
    }
    return Command(kind="activity", name=given.activity_type.name, key=given.activity_id, fields=fields, event=event)


def _timer(_reader: _Reader, event: int, given: Any) -> Command:
    fields = {"duration": seconds(given.start_to_fire_timeout)}
    return Command(kind="timer", key=given.timer_id, fields=fields, event=event)


def _child(reader: _Reader, event: int, given: Any) -> Command:
    fields = {
        "id": given.workflow_id,
        "type": given.workflow_type.name,
        "arguments": values_of(given.input),
        "task_queue": reader.queue(given.task_queue.name),
        "execution_timeout": seconds(given.workflow_execution_timeout),
        "run_timeout": seconds(given.workflow_run_timeout),
        "task_timeout": seconds(given.workflow_task_timeout),
        "parent_close_policy": given.parent_close_policy,
        "id_reuse_policy": given.workflow_id_reuse_policy,
        "retry_policy": retry_policy(given.retry_policy) if given.HasField("retry_policy") else None,
        "cron_schedule": given.cron_schedule,
        "memo": named_values(given.memo.fields),
        "search_attributes": named_values(given.search_attributes.indexed_fields),
        "priority": priority(given.priority),
    }
    name = f"{given.workflow_type.name} {given.workflow_id}"
    return Command(kind="child workflow", name=name, fields=fields, event=event)


def _nexus_operation(_reader: _Reader, event: int, given: Any) -> Command:
    name = f"{given.service}.{given.operation}"
    return Command(kind="Nexus operation", name=name, fields=nexus_fields(given), event=event)


def _signal(_reader: _Reader, event: int, given: Any) -> Command:
    to = given.workflow_execution.workflow_id
    fields = {"to": to, "signal": given.signal_name, "arguments": values_of(given.input)}
    return Command(kind="signal", name=f"{given.signal_name} to {to}", fields=fields, event=event)


def _cancel_request(_reader: _Reader, event: int, given: Any) -> Command:
    to = given.workflow_execution.workflow_id
    if given.child_workflow_only:
        return Command(kind="child cancellation", key=to, fields={}, event=event)
    return Command(kind="cancel request", name=to, fields={"to": to}, event=event)


def _continued(reader: _Reader, event: int, given: Any) -> Command:
    fields: dict[str, Json] = {
        "type": given.workflow_type.name,
        "arguments": values_of(given.input),
        "task_queue": reader.queue(given.task_queue.name),
        "run_timeout": seconds(given.workflow_run_timeout),
        "task_timeout": seconds(given.workflow_task_timeout),
        "memo": named_values(given.memo.fields),
        "search_attributes": _set(named_values(given.search_attributes.indexed_fields)),
    }
    return Command(kind="continue as new", fields=fields, event=event)


def _completed(_reader: _Reader, event: int, given: Any) -> Command:
    results = values_of(given.result)
    return Command(kind="completion", fields={"result": results[0] if results else None}, event=event)


def _failed(_reader: _Reader, event: int, given: Any) -> Command:
    return Command(kind="failure", fields=failure(given.failure), event=event)


def _cancelled(_reader: _Reader, event: int, _given: Any) -> Command:
    return Command(kind="cancellation", fields={}, event=event)


def _search_attributes(_reader: _Reader, event: int, given: Any) -> Command | None:
    fields = named_values(given.search_attributes.indexed_fields)
    if fields.keys() == {OF_PATCHES}:
        return None
    return Command(kind="search attributes", fields=fields, event=event)


def _memo(_reader: _Reader, event: int, given: Any) -> Command:
    return Command(kind="memo", fields=named_values(given.upserted_memo.fields), event=event)


def _accepted(reader: _Reader, event: int, given: Any) -> Command:
    name = given.accepted_request.input.name
    reader.accepted[event] = given.protocol_instance_id, name
    return Command(kind="update acceptance", name=name, key=given.protocol_instance_id, fields={}, event=event)


def _answered(reader: _Reader, event: int, given: Any) -> Command:
    key, name = reader.accepted.get(given.accepted_event_id, (given.meta.update_id, ""))
    if given.outcome.HasField("failure"):
        fields: dict[str, Json] = {"failure": failure(given.outcome.failure)}
    else:
        results = values_of(given.outcome.success)
        fields = {"result": results[0] if results else None}
    return Command(kind="update result", name=name, key=key, fields=fields, event=event)


_TELLERS: dict[str, Callable[[_Reader, int, Any], Command | None]] = {
    "workflow_execution_started": _started,
    "activity_task_scheduled": _activity,
    "timer_started": _timer,
    "start_child_workflow_execution_initiated": _child,
    "nexus_operation_scheduled": _nexus_operation,
    "signal_external_workflow_execution_initiated": _signal,
    "request_cancel_external_workflow_execution_initiated": _cancel_request,
    "workflow_execution_continued_as_new": _continued,
    "workflow_execution_completed": _completed,
    "workflow_execution_failed": _failed,
    "workflow_execution_canceled": _cancelled,
    "upsert_workflow_search_attributes": _search_attributes,
    "workflow_properties_modified": _memo,
    "workflow_execution_update_accepted": _accepted,
    "workflow_execution_update_completed": _answered,
}
"""By the name of the event's attributes."""
