"""Golden histories: one file a way in which a workflow went, kept beside the tests and replayed with today's code.

<folder>/<workflow type>/<way>.json     such as orders.Order/completed-activity-timer-update-1f0c3e.json
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import Message
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory

from harness.errors import CannotRun
from harness.replay.values import inner_messages, payloads_in

CLOSED = {
    "workflow_execution_completed": "completed",
    "workflow_execution_failed": "failed",
    "workflow_execution_canceled": "cancelled",
    "workflow_execution_continued_as_new": "continued",
    "workflow_execution_terminated": "terminated",
    "workflow_execution_timed_out": "timed-out",
}
FEATURES = {
    "activity_task_scheduled": "activity",
    "timer_started": "timer",
    "child_workflow_execution_started": "child",
    "nexus_operation_scheduled": "nexus",
    "workflow_execution_signaled": "signal",
    "workflow_execution_update_accepted": "update",
    "workflow_execution_cancel_requested": "cancel",
    "signal_external_workflow_execution_initiated": "signals",
    "marker_recorded": "marker",
}
"""By the attributes of the event that shows it."""
ANONYMOUS = "recorded"
"""In place of the name of a process."""
STACK_TRACE = "stack_trace"
NAMES_OF_PROCESSES = frozenset({"identity", "request_id", "binary_checksum"})
"""Fields that hold one, or what a process drew, or a digest of what it runs."""
DIGITS = 6
"""Of the digest that tells ways apart."""
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class NoHistories(CannotRun):
    """The folder of golden histories is missing, or holds none."""


def covers(history: WorkflowHistory) -> str:
    """How it ended and what it used: ``completed-activity-timer``; ``open`` where it has not ended."""
    attributes = [(event.WhichOneof("attributes") or "").removesuffix("_event_attributes") for event in history.events]
    ending = CLOSED.get(attributes[-1], "open") if attributes else "open"
    used = [feature for name, feature in FEATURES.items() if name in attributes]
    return "-".join([ending, *used])


def way(history: WorkflowHistory) -> str:
    """What it covers, and what it had done, as a digest: a saga that went well is not one that was undone.

    Of what it had done the order does not count, since what runs side by side is begun in any.
    """
    done = sorted(set(_had_done(history)))
    digest = hashlib.sha256("\n".join(done).encode()).hexdigest()[:DIGITS]
    return "-".join([covers(history), *([digest] if done else [])])


def _had_done(history: WorkflowHistory) -> Iterator[str]:
    for event in history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            yield event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("start_child_workflow_execution_initiated_event_attributes"):
            yield event.start_child_workflow_execution_initiated_event_attributes.workflow_type.name
        elif event.HasField("nexus_operation_scheduled_event_attributes"):
            nexus = event.nexus_operation_scheduled_event_attributes
            yield f"{nexus.service}.{nexus.operation}"


def workflow_type(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def stored_elsewhere(history: WorkflowHistory) -> bool:
    """Whether payloads of it travel by reference: it cannot be replayed without the store that holds them."""
    return any(payload.external_payloads for event in history.events for payload in payloads_in(event))


def choose(histories: Iterable[WorkflowHistory]) -> dict[Path, WorkflowHistory]:
    """Of each type and each way one: the shortest, so that what differs is found at a glance. Paths are relative."""
    chosen: dict[Path, WorkflowHistory] = {}
    for history in histories:
        path = Path(UNSAFE.sub("_", workflow_type(history)), way(history) + ".json")
        if path not in chosen or len(history.events) < len(chosen[path].events):
            chosen[path] = history
    return chosen


def write(folder: Path, chosen: dict[Path, WorkflowHistory]) -> None:
    """Write them; those of other ways that are there stay.

    Without stack traces and the names of processes, which say where they were recorded and matter to no replay.
    """
    for relative, history in chosen.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        anonymous = WorkflowHistory(history.workflow_id, [_anonymous(event) for event in history.events])
        content = {"workflowId": history.workflow_id, **json.loads(anonymous.to_json())}
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read(folder: Path) -> Iterator[tuple[Path, WorkflowHistory]]:
    """Every history under a folder, by its path in it. Raises NoHistories, and CannotRun for a file that is none."""
    if not folder.is_dir():
        raise NoHistories(f"{folder} does not exist.", remedy="Record some: temper replay record --help")
    paths = sorted(folder.rglob("*.json"))
    if not paths:
        raise NoHistories(f"{folder} holds no histories.", remedy="Record some: temper replay record --help")
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            workflow_id = content.pop("workflowId", path.stem)
            history = WorkflowHistory.from_json(workflow_id, content)
            _ = history.run_id  # of its first event, which says what was started
        except Exception as error:  # whatever else lies there
            raise CannotRun(f"{path} is no history: {error}", remedy="Record it again, or delete it.") from error
        yield path.relative_to(folder), history


def _anonymous(event: HistoryEvent) -> HistoryEvent:
    copied = HistoryEvent()
    copied.CopyFrom(event)
    _anonymise(copied)
    return copied


def _anonymise(message: Message) -> None:
    # By its fields: keys of the same name in memo, headers and search attributes are the user's.
    if isinstance(message, TaskQueue) and message.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY:
        message.name = ANONYMOUS
    for field, value in message.ListFields():
        if field.name == STACK_TRACE:
            message.ClearField(field.name)
        elif field.name in NAMES_OF_PROCESSES:
            setattr(message, field.name, ANONYMOUS)
        elif field.message_type is not None:
            for inner in inner_messages(field, value):
                _anonymise(inner)
