"""What code commands on replay: a workflow runner that keeps each workflow's commands before they are encoded.

The SDK's runner and instance are public; the messages between them are its bridge's, and are named here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from harness.replay.commands import Command, Json, numbered
from harness.replay.values import failure, named_values, payload_value, payload_values, priority, retry_policy, seconds

OWN_QUEUE = ""
"""In place of the workflow's own task queue, which has another name on replay."""


class RecordingRunner(WorkflowRunner):
    """Runs workflows by another runner, and keeps what the newest instance of each run commanded."""

    def __init__(self, runner: WorkflowRunner) -> None:
        self._runner = runner
        self._kept: dict[str, tuple[str, list[WorkflowCommand]]] = {}
        """By run: its task queue, and its commands."""

    def take(self, run_id: str) -> list[Command]:
        """What a run has commanded so far, in its order; it is kept no longer."""
        queue, commands = self._kept.pop(run_id, ("", []))
        return numbered([told for command in commands for told in _told(command, queue)])

    def prepare_workflow(self, defn: Any) -> None:
        self._runner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._runner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        commands: list[WorkflowCommand] = []
        self._kept[det.info.run_id] = (det.info.task_queue, commands)
        return _RecordingInstance(self._runner.create_instance(det), commands.extend)


class _RecordingInstance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance, keep: Callable[[Sequence[WorkflowCommand]], None]) -> None:
        self._instance = instance
        self._keep = keep

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._instance.activate(act)
        # Copied now: the worker encodes them in place, and may store their payloads elsewhere.
        copy = WorkflowActivationCompletion()
        copy.CopyFrom(completion)
        self._keep(copy.successful.commands)
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


def _told(command: WorkflowCommand, own_queue: str) -> Iterator[Command]:
    kind = command.WhichOneof("variant")
    teller = _TELLERS.get(kind or "")
    if teller:
        yield from teller(getattr(command, str(kind)), lambda queue: OWN_QUEUE if queue == own_queue else queue)


def _activity(given: Any, queue: Callable[[str], str]) -> Iterator[Command]:
    fields = {
        "type": given.activity_type,
        "arguments": payload_values(given.arguments),
        "task_queue": queue(given.task_queue),
        "schedule_to_close": seconds(given.schedule_to_close_timeout),
        "schedule_to_start": seconds(given.schedule_to_start_timeout),
        "start_to_close": seconds(given.start_to_close_timeout),
        "heartbeat": seconds(given.heartbeat_timeout),
        "retry_policy": retry_policy(given.retry_policy),
        "priority": priority(given.priority),
    }
    yield Command(kind="activity", name=given.activity_type, key=given.activity_id, fields=fields)


def _timer(given: Any, _: object) -> Iterator[Command]:
    yield Command(kind="timer", key=str(given.seq), fields={"duration": seconds(given.start_to_fire_timeout)})


def _child(given: Any, queue: Callable[[str], str]) -> Iterator[Command]:
    fields = {
        "id": given.workflow_id,
        "type": given.workflow_type,
        "arguments": payload_values(given.input),
        "task_queue": queue(given.task_queue),
        "execution_timeout": seconds(given.workflow_execution_timeout),
        "run_timeout": seconds(given.workflow_run_timeout),
        "task_timeout": seconds(given.workflow_task_timeout),
        "parent_close_policy": given.parent_close_policy,
        "id_reuse_policy": given.workflow_id_reuse_policy,
        "retry_policy": retry_policy(given.retry_policy) if given.HasField("retry_policy") else None,
        "cron_schedule": given.cron_schedule,
        "memo": named_values(given.memo),
        "search_attributes": named_values(given.search_attributes.indexed_fields),
    }
    yield Command(kind="child workflow", name=given.workflow_id, fields=fields)


def _signal(given: Any, _: object) -> Iterator[Command]:
    to = given.child_workflow_id or given.workflow_execution.workflow_id
    fields = {"to": to, "signal": given.signal_name, "arguments": payload_values(given.args)}
    yield Command(kind="signal", name=f"{given.signal_name} to {to}", fields=fields)


def _cancel_request(given: Any, _: object) -> Iterator[Command]:
    to = given.workflow_execution.workflow_id
    yield Command(kind="cancel request", name=to, fields={"to": to})


def _continue_as_new(given: Any, queue: Callable[[str], str]) -> Iterator[Command]:
    fields: dict[str, Json] = {
        "type": given.workflow_type,
        "arguments": payload_values(given.arguments),
        "task_queue": queue(given.task_queue),
    }
    # What is not given is carried over from this run by the server.
    for name, duration in (("run_timeout", given.workflow_run_timeout), ("task_timeout", given.workflow_task_timeout)):
        fields[name] = seconds(duration)
    yield Command(kind="continue as new", fields=fields)


def _completion(given: Any, _: object) -> Iterator[Command]:
    result = payload_value(given.result) if given.HasField("result") else None
    yield Command(kind="completion", fields={"result": result})


def _failure(given: Any, _: object) -> Iterator[Command]:
    yield Command(kind="failure", fields=failure(given.failure))


def _cancellation(_given: Any, _: object) -> Iterator[Command]:
    yield Command(kind="cancellation", fields={})


def _search_attributes(given: Any, _: object) -> Iterator[Command]:
    yield Command(kind="search attributes", fields=named_values(given.search_attributes.indexed_fields))


def _memo(given: Any, _: object) -> Iterator[Command]:
    yield Command(kind="memo", fields=named_values(given.upserted_memo.fields))


def _update(given: Any, _: object) -> Iterator[Command]:
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


_TELLERS: dict[str, Callable[[Any, Callable[[str], str]], Iterator[Command]]] = {
    "schedule_activity": _activity,
    "start_timer": _timer,
    "start_child_workflow_execution": _child,
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
"""By the name of the command's variant. Patches and the kinds of markers Temporal's own replay compares in full; the
arguments of a local activity are in no history."""
