"""What a gRPC call to Temporal is about: which workflow, which attempt of which activity, which signal."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from msgspec import Struct
from msgspec.structs import asdict
from temporalio.api.workflowservice import v1 as service

from harness.errors import UnknownName

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"
"""How the paths of its calls begin."""
HAND_OUT_TASKS = {
    "PollActivityTaskQueue",
    "PollWorkflowTaskQueue",
    "RespondWorkflowTaskCompleted",
    "StartWorkflowExecution",
}
"""Calls whose response may hold tasks: polled for, or handed out eagerly."""
TOKENS_REMEMBERED = 100_000
"""Of tasks that are worked on, or may be spoken of again."""


class About(Struct, frozen=True, kw_only=True):
    """What a call is about, as far as it is known; empty, and 0, where it is not."""

    workflow_id: str = ""
    run_id: str = ""
    activity: str = ""
    attempt: int = 0
    """Of the activity, counted from 1."""
    signal: str = ""

    def or_else(self, other: About) -> About:
        """This, completed by what the other knows."""
        return About(**{name: mine or getattr(other, name) for name, mine in asdict(self).items()})


class Tasks:
    """Tells what calls are about; remembers the tasks that were handed out, for a worker names only their tokens."""

    def __init__(self) -> None:
        self._by_token: OrderedDict[bytes, About] = OrderedDict()

    def in_request(self, rpc: str, request: bytes) -> About:
        """What a request is about. An RPC that is not known here is about nothing."""
        kind = message_type(rpc, "Request")
        if kind is None:
            return About()
        message: Any = kind.FromString(request)
        if rpc == "ExecuteMultiOperation" and message.operations:
            message = message.operations[0].start_workflow
        named = _named(message)
        return named.or_else(self._by_token.get(getattr(message, "task_token", b""), About()))

    def in_response(self, rpc: str, response: bytes) -> list[About]:
        """The tasks that a response hands out; they are remembered."""
        kind = message_type(rpc, "Response") if rpc in HAND_OUT_TASKS else None
        if kind is None:
            return []
        tasks = {task.task_token: _task(task) for task in _tasks(rpc, kind.FromString(response)) if task.task_token}
        self._by_token.update(tasks)
        while len(self._by_token) > TOKENS_REMEMBERED:
            self._by_token.popitem(last=False)
        return list(tasks.values())


def message_type(rpc: str, direction: str) -> type[Message] | None:
    """Type of an RPC's "Request" or "Response"; None where Temporal's SDK knows no such RPC."""
    found: type[Message] | None = getattr(service, f"{rpc}{direction}", None)
    return found


def check(rpc: str, wanted: set[str], *, answered: bool) -> None:
    """Refuse what could never be seen: raises UnknownName for an RPC there is not, ValueError for what it never tells.

    Args:
        rpc: its name, such as "StartWorkflowExecution".
        wanted: names of `About`'s fields.
        answered: whether the response is seen too, with the tasks that it hands out.

    """
    kind = message_type(rpc, "Request")
    if kind is None:
        known = (name.removesuffix("Request") for name in dir(service) if name.endswith("Request"))
        raise UnknownName("RPC", rpc, known)
    fields = set(kind.DESCRIPTOR.fields_by_name)
    hands_out = answered and rpc in HAND_OUT_TASKS
    told = set()
    if hands_out or fields & {"workflow_id", "workflow_execution", "execution", "task_token", "operations"}:
        told |= {"workflow_id", "run_id"}
    if hands_out or ("ActivityTask" in rpc and "task_token" in fields):
        told |= {"activity", "attempt"}
    if "signal_name" in fields:
        told |= {"signal"}
    if wanted - told:
        message = f"A call of {rpc} says nothing of {', '.join(sorted(wanted - told))}: the rule would never bite."
        raise ValueError(message)


def as_new(rpc: str, request: bytes) -> bytes:
    """The same request under another request id, by which the server takes it for another one.

    Raises ValueError where requests of that RPC have no id.
    """
    kind = message_type(rpc, "Request")
    if kind is None or "request_id" not in kind.DESCRIPTOR.fields_by_name:
        message = f"{rpc} has no request id: its duplicate is as new as it can be"
        raise ValueError(message)
    copy: Any = kind.FromString(request)
    copy.request_id = str(uuid.uuid4())
    return bytes(copy.SerializeToString())


def _named(message: Any) -> About:
    execution = getattr(message, "workflow_execution", None) or getattr(message, "execution", None)
    return About(
        workflow_id=getattr(message, "workflow_id", "") or getattr(execution, "workflow_id", ""),
        run_id=getattr(message, "run_id", "") or getattr(execution, "run_id", ""),
        signal=getattr(message, "signal_name", ""),
    )


def _tasks(rpc: str, response: Any) -> Iterator[Any]:
    match rpc:
        case "RespondWorkflowTaskCompleted":
            yield from response.activity_tasks
            yield response.workflow_task
        case "StartWorkflowExecution":
            yield response.eager_workflow_task
        case _:
            yield response


def _task(task: Any) -> About:
    activity = getattr(task, "activity_type", None)
    return About(
        workflow_id=task.workflow_execution.workflow_id,
        run_id=task.workflow_execution.run_id,
        activity=activity.name if activity else "",
        attempt=task.attempt if activity else 0,
    )
