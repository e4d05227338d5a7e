"""Carries out one action on one workflow, so that a repeat of it changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import Payloads, SearchAttributes, WorkflowExecution
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from system.control import history, rules
from system.control.models import (
    Action,
    Cancel,
    Outcome,
    Pause,
    Reset,
    Resume,
    Retry,
    Signal,
    Status,
    Terminate,
)
from system.control.pausable import PAUSE, RESUME, Order
from system.errors import ControlRefused, Unavailable

CALL = timedelta(seconds=10)
GONE = "it is not there, or no longer"
UNANSWERED = frozenset(
    {
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNAVAILABLE,
    }
)
"""What the server says when the same call may succeed later."""
OWN_ATTRIBUTES = ("Temporal", "BuildIds")
"""How the names of search attributes begin that the server sets itself."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """An action, and who orders it in which operation."""

    action: Action
    by: str
    reason: str
    operation: str

    @property
    def identity(self) -> str:
        return rules.identity(self.by, self.operation)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run that an action is for."""

    workflow_id: str
    run_id: str
    workflow_type: str
    status: Status
    latest_run_id: str

    @property
    def is_latest(self) -> bool:
        return self.run_id == self.latest_run_id

    @property
    def execution(self) -> WorkflowExecution:
        return WorkflowExecution(workflow_id=self.workflow_id, run_id=self.run_id)


async def find(client: Client, workflow_id: str, run_id: str = "") -> Run | None:
    """Return a run as it is now, the latest if not told which; None where there is none.

    A run that was continued as new is followed: who meant the one means the other.

    Raises:
        ControlRefused: the ids cannot be any workflow's.
        Unavailable: Temporal does not answer.

    """
    try:
        latest = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=CALL)
        found = latest
        if run_id and run_id != latest.run_id:
            found = await client.get_workflow_handle(workflow_id, run_id=run_id).describe(rpc_timeout=CALL)
            if found.status is WorkflowExecutionStatus.CONTINUED_AS_NEW and _chain(found) == _chain(latest):
                found = latest
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            named = f"run {run_id!r} of workflow {workflow_id!r}" if run_id else f"workflow {workflow_id!r}"
            raise ControlRefused(
                f"Temporal has no {named} ({error.message}): a run's id is a UUID, as its page in the UI and "
                "`control show` tell it; without --run-id the latest run is meant"
            ) from error
        raise unavailable(error) from error
    return Run(
        workflow_id=workflow_id,
        run_id=found.run_id,
        workflow_type=found.workflow_type,
        status=status_of(found.status),
        latest_run_id=latest.run_id,
    )


async def act(client: Client, command: Command, run: Run | None, *, repeated: bool) -> Outcome:
    """Carry out the action and say what became of it; that it does not apply, or is refused, is an outcome.

    Args:
        client: of the run's namespace.
        command: what to do, and who wants it.
        run: as it was found just now.
        repeated: whether an earlier attempt may have done it already.

    Raises:
        Unavailable: Temporal does not answer; whether the action was carried out is not known.

    """
    if run is None:
        return Outcome(state="skipped", message=GONE)
    try:
        if repeated and (done := await _done_before(client, command, run)):
            return done
        if why := rules.why_skipped(command.action, run.status, is_latest=run.is_latest):
            return Outcome(state="skipped", message=why)
        return await _carry_out(client, command, run)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return await _closed_meanwhile(client, command, run)
        if error.status in UNANSWERED:
            raise unavailable(error) from error
        return Outcome(state="failed", message=f"Temporal refused it: {error.message}")


def status_of(status: WorkflowExecutionStatus | None) -> Status:
    """Return a status in our words."""
    known: dict[WorkflowExecutionStatus, Status] = {
        WorkflowExecutionStatus.RUNNING: "running",
        WorkflowExecutionStatus.COMPLETED: "completed",
        WorkflowExecutionStatus.FAILED: "failed",
        WorkflowExecutionStatus.CANCELED: "canceled",
        WorkflowExecutionStatus.TERMINATED: "terminated",
        WorkflowExecutionStatus.CONTINUED_AS_NEW: "continued_as_new",
        WorkflowExecutionStatus.TIMED_OUT: "timed_out",
    }
    return known.get(status, "unknown") if status is not None else "unknown"


def unavailable(error: RPCError) -> Unavailable:
    """Return the error of our tree for a call that nobody answered."""
    return Unavailable(f"Temporal does not answer: {error.message or error.status.name}")


async def _done_before(client: Client, command: Command, run: Run) -> Outcome | None:
    """Return the outcome of an earlier attempt, as the history tells it."""
    if isinstance(command.action, Reset | Retry):
        if not run.is_latest and await history.made_by(client, run.workflow_id, run.latest_run_id, command.identity):
            return Outcome(state="done", new_run_id=run.latest_run_id)
    elif await history.made_by(client, run.workflow_id, run.run_id, command.identity):
        return Outcome(state="done")
    return None


async def _closed_meanwhile(client: Client, command: Command, run: Run) -> Outcome:
    now = await find(client, run.workflow_id, run.run_id)
    if now is None:
        return Outcome(state="skipped", message=GONE)
    why = rules.why_skipped(command.action, now.status, is_latest=now.is_latest)
    if not why:
        raise Unavailable(f"{run.workflow_id} is running, and Temporal says it is not: it may have continued as new")
    return Outcome(state="skipped", message=why)


async def _carry_out(client: Client, command: Command, run: Run) -> Outcome:
    action = command.action
    order = Order(by=command.by, reason=command.reason)
    if isinstance(action, Pause):
        await _signal(client, command, run, PAUSE, [order])
    elif isinstance(action, Resume):
        await _signal(client, command, run, RESUME, [order])
    elif isinstance(action, Signal):
        await _signal(client, command, run, action.name, [] if action.argument is None else [action.argument])
    elif isinstance(action, Cancel):
        await client.workflow_service.request_cancel_workflow_execution(
            RequestCancelWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=run.execution,
                identity=command.identity,
                request_id=_request_id(command, run),
                reason=command.reason,
            ),
            timeout=CALL,
        )
    elif isinstance(action, Terminate):
        await client.workflow_service.terminate_workflow_execution(
            TerminateWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=run.execution,
                identity=command.identity,
                reason=command.reason,
            ),
            timeout=CALL,
        )
    else:
        return await _run_anew(client, command, action, run)
    return Outcome(state="done")


async def _signal(client: Client, command: Command, run: Run, name: str, arguments: Sequence[Any]) -> None:
    # Not by the client's handle: it would choose a new request id for each attempt, and the server deliver each.
    await client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=run.execution,
            signal_name=name,
            input=Payloads(payloads=await client.data_converter.encode(arguments)),
            identity=command.identity,
            request_id=_request_id(command, run),
        ),
        timeout=CALL,
    )


async def _run_anew(client: Client, command: Command, action: Reset | Retry, run: Run) -> Outcome:
    point = history.reset_point(await history.read_points(client, run.workflow_id, run.run_id), action)
    if point is None and isinstance(action, Retry):
        return await _start_again(client, command, run)
    if point is None:
        return Outcome(state="failed", message=f"there is nothing to reset to: {rules.described(action)}")
    made = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=run.execution,
            reason=command.reason,
            workflow_task_finish_event_id=point,
            request_id=_request_id(command, run),
            identity=command.identity,
        ),
        timeout=CALL,
    )
    return Outcome(state="done", message=f"reset to event {point}", new_run_id=made.run_id)


async def _start_again(client: Client, command: Command, run: Run) -> Outcome:
    """Start the workflow as it was started: it never came to a point that a run can be reset to."""
    began = await history.started(client, run.workflow_id, run.run_id)
    made = await client.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=run.workflow_id,
            workflow_type=began.workflow_type,
            task_queue=TaskQueue(name=began.task_queue.name),
            input=began.input,
            workflow_execution_timeout=began.workflow_execution_timeout,
            workflow_run_timeout=began.workflow_run_timeout,
            workflow_task_timeout=began.workflow_task_timeout,
            retry_policy=began.retry_policy if began.HasField("retry_policy") else None,
            memo=began.memo,
            search_attributes=SearchAttributes(
                indexed_fields={
                    name: value
                    for name, value in began.search_attributes.indexed_fields.items()
                    if not name.startswith(OWN_ATTRIBUTES)
                }
            ),
            header=began.header,
            priority=began.priority,
            identity=command.identity,
            request_id=_request_id(command, run),
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
        ),
        timeout=CALL,
    )
    return Outcome(state="done", message="started again: it had not begun", new_run_id=made.run_id)


def _request_id(command: Command, run: Run) -> str:
    return rules.request_id(command.operation, run.workflow_id, run.run_id)


def _chain(found: WorkflowExecutionDescription) -> str:
    return found.raw_description.workflow_execution_info.first_run_id
