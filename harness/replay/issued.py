"""What code commands on replay: its commands in the words of the SDK's bridge, read before they are encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from harness.replay.commands import Command, Json, numbered
from harness.replay.values import (
    failure,
    named_values,
    nexus_fields,
    payload_value,
    payload_values,
    priority,
    retry_policy,
    seconds,
)

OWN_QUEUE = ""
"""In place of the workflow's own task queue, which has another name on replay."""
TAKES_BACK = {
    "cancel_timer": ("start_timer", "seq"),
    "request_cancel_activity": ("schedule_activity", "seq"),
    "cancel_child_workflow_execution": ("start_child_workflow_execution", "child_workflow_seq"),
    "request_cancel_nexus_operation": ("schedule_nexus_operation", "seq"),
    "cancel_signal_workflow": ("signal_external_workflow_execution", "seq"),
}
"""What a cancellation takes back if both come in one task, and its field with the number that the SDK knows it by."""


def issued(tasks: Iterable[Sequence[WorkflowCommand]], own_queue: str) -> list[Command]:
    """Read what a run commanded in each of its workflow tasks, in its order."""
    reader = _Reader(own_queue)
    return numbered([told for task in tasks for told in reader.told(task)])


@dataclass
class _Reader:
    """What later commands need of earlier ones."""

    own_queue: str
    children: dict[int, str] = field(default_factory=dict)
    """Ids, by the number that the SDK knows them by."""

    def told(self, task: Sequence[WorkflowCommand]) -> Iterator[Command]:
        variants = [(kind, getattr(command, kind)) for command in task if (kind := command.WhichOneof("variant"))]
        cancelled = [(TAKES_BACK[kind], given) for kind, given in variants if kind in TAKES_BACK]
        taken_back = {(begun, getattr(given, number)) for (begun, number), given in cancelled}
        for kind, given in variants:
            withdrawn = (kind, getattr(given, "seq", None)) in taken_back
            for command in _TELLERS[kind](self, given) if kind in _TELLERS else ():
                yield replace(command, withdrawn=withdrawn)

    def queue(self, name: str) -> str:
        return OWN_QUEUE if name == self.own_queue else name


def _activity(reader: _Reader, given: Any) -> Iterator[Command]:
    fields = {
        "type": given.activity_type,
        "arguments": payload_values(given.arguments),
        "task_queue": reader.queue(given.task_queue),
        "schedule_to_close": seconds(given.schedule_to_close_timeout),
        "schedule_to_start": seconds(given.schedule_to_start_timeout),
        "start_to_close": seconds(given.start_to_close_timeout),
        "heartbeat": seconds(given.heartbeat_timeout),
        "retry_policy": retry_policy(given.retry_policy),
        "priority": priority(given.priority),
    }
    yield Command(kind="activity", name=given.activity_type, key=given.activity_id, fields=fields)


def _timer(_reader: _Reader, given: Any) -> Iterator[Command]:
    yield Command(kind="timer", key=str(given.seq), fields={"duration": seconds(given.start_to_fire_timeout)})


def _child(reader: _Reader, given: Any) -> Iterator[Command]:
    fields = {
        "id": given.workflow_id,
        "type": given.workflow_type,
        "arguments": payload_values(given.input),
        "task_queue": reader.queue(given.task_queue),
        "execution_timeout": seconds(given.workflow_execution_timeout),
        "run_timeout": seconds(given.workflow_run_timeout),
        "task_timeout": seconds(given.workflow_task_timeout),
        "parent_close_policy": given.parent_close_policy,
        "id_reuse_policy": given.workflow_id_reuse_policy,
        "retry_policy": retry_policy(given.retry_policy) if given.HasField("retry_policy") else None,
        "cron_schedule": given.cron_schedule,
        "memo": named_values(given.memo),
        "search_attributes": named_values(given.search_attributes.indexed_fields),
        "priority": priority(given.priority),
    }
    reader.children[given.seq] = given.workflow_id
    yield Command(kind="child workflow", name=f"{given.workflow_type} {given.workflow_id}", fields=fields)


def _child_cancellation(reader: _Reader, given: Any) -> Iterator[Command]:
    yield Command(kind="child cancellation", key=reader.children[given.child_workflow_seq], fields={})


def _nexus_operation(_reader: _Reader, given: Any) -> Iterator[Command]:
    yield Command(kind="Nexus operation", name=f"{given.service}.{given.operation}", fields=nexus_fields(given))


def _signal(_reader: _Reader, given: Any) -> Iterator[Command]:
    to = given.child_workflow_id or given.workflow_execution.workflow_id
    fields = {"to": to, "signal": given.signal_name, "arguments": payload_values(given.args)}
    yield Command(kind="signal", name=f"{given.signal_name} to {to}", fields=fields)


def _cancel_request(_reader: _Reader, given: Any) -> Iterator[Command]:
    to = given.workflow_execution.workflow_id
    yield Command(kind="cancel request", name=to, fields={"to": to})


def _continue_as_new(reader: _Reader, given: Any) -> Iterator[Command]:
    fields: dict[str, Json] = {
        "type": given.workflow_type,
        "arguments": payload_values(given.arguments),
        "task_queue": reader.queue(given.task_queue),
        # What is not given is carried over from this run.
        "run_timeout": seconds(given.workflow_run_timeout),
        "task_timeout": seconds(given.workflow_task_timeout),
        "memo": named_values(given.memo),
        "search_attributes": named_values(given.search_attributes.indexed_fields),
    }
    yield Command(kind="continue as new", fields=fields)


def _completion(_reader: _Reader, given: Any) -> Iterator[Command]:
    result = payload_value(given.result) if given.HasField("result") else None
    yield Command(kind="completion", fields={"result": result})


def _failure(_reader: _Reader, given: Any) -> Iterator[Command]:
    yield Command(kind="failure", fields=failure(given.failure))


def _cancellation(_reader: _Reader, _given: Any) -> Iterator[Command]:
    yield Command(kind="cancellation", fields={})


def _search_attributes(_reader: _Reader, given: Any) -> Iterator[Command]:
    yield Command(kind="search attributes", fields=named_values(given.search_attributes.indexed_fields))


def _memo(_reader: _Reader, given: Any) -> Iterator[Command]:
    yield Command(kind="memo", fields=named_values(given.upserted_memo.fields))


def _update(_reader: _Reader, given: Any) -> Iterator[Command]:
    answer = given.WhichOneof("response")
    if answer == "accepted":
        yield Command(kind="update acceptance", key=given.protocol_instance_id, fields={})
    elif answer == "completed":
        fields = {"result": payload_value(given.completed)}
        yield Command(kind="update result", key=given.protocol_instance_id, fields=fields)
    elif answer == "rejected":
        # A validator's refusal leaves no event; a handler's failure after acceptance leaves its outcome.
        fields = {"failure": failure(given.rejected)}
        yield Command(kind="update result", key=given.protocol_instance_id, fields=fields)


_TELLERS: dict[str, Callable[[_Reader, Any], Iterator[Command]]] = {
    "schedule_activity": _activity,
    "start_timer": _timer,
    "start_child_workflow_execution": _child,
    "cancel_child_workflow_execution": _child_cancellation,
    "schedule_nexus_operation": _nexus_operation,
    "signal_external_workflow_execution": _signal,
    "request_cancel_external_workflow_execution": _cancel_request,
    "continue_as_new_workflow_execution": _continue_as_new,
    "complete_workflow_execution": _completion,
    "fail_workflow_execution": _failure,
    "cancel_workflow_execution": _cancellation,
    "upsert_workflow_search_attributes": _search_attributes,
    "modify_workflow_properties": _memo,
    "update_response": _update,
}
"""By the name of the command's variant.

Of the others there is nothing more to compare than Temporal's own replay does: patches and other markers, and that
timers, activities and Nexus operations are cancelled. Left out of those that are told are: headers, in which
interceptors say something else on replay, such as a trace; summaries; the reason of a cancellation; and which version
of a worker is to run a child or the next run. The arguments of a local activity are in no history."""
