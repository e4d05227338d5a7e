"""Reads from a run's history where it can be reset to, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import Client

from system.control.models import Reset, Retry

FAILED_ACTIVITIES = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
}
COMMANDED = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activity_task_scheduled_event_attributes",
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: (
        "start_child_workflow_execution_initiated_event_attributes"
    ),
}


@dataclass
class Points:
    """What matters of a history to where it is reset to; fed one event after the other."""

    tasks: list[int] = field(default_factory=list)
    """The events that say that a workflow task was completed: to one of them a run is reset."""
    task_of: dict[int, int] = field(default_factory=dict)
    """For each event that scheduled an activity or a child, the workflow task that ordered it."""
    first_failure: int | None = None
    """The event that scheduled the first activity that failed."""
    ended_by: int | None = None
    """The event that scheduled what the workflow failed by, where that was an activity or a child."""

    def add(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            self.tasks.append(event.event_id)
        elif event.event_type in COMMANDED:
            commanded = getattr(event, COMMANDED[event.event_type])
            self.task_of[event.event_id] = commanded.workflow_task_completed_event_id
        elif event.event_type in FAILED_ACTIVITIES and self.first_failure is None:
            self.first_failure = getattr(event, FAILED_ACTIVITIES[event.event_type]).scheduled_event_id
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            self.ended_by = _behind(event.workflow_execution_failed_event_attributes.failure)


def reset_point(points: Points, action: Reset | Retry) -> int | None:
    """Return the workflow task to reset to; None where there is none.

    A task that ordered several things at once orders all of them anew.
    """
    if not points.tasks:
        return None
    if isinstance(action, Retry):
        return points.task_of.get(points.ended_by or 0, points.tasks[-1])
    if action.to == "first_task":
        return points.tasks[0]
    if action.to == "last_task":
        return points.tasks[-1]
    if action.to == "first_failure":
        return points.task_of.get(points.first_failure or 0)
    return max((task for task in points.tasks if task <= action.to), default=None)


async def read_points(client: Client, workflow_id: str, run_id: str) -> Points:
    """Read a run's whole history, page by page."""
    points = Points()
    async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
        points.add(event)
    return points


async def started(client: Client, workflow_id: str, run_id: str) -> WorkflowExecutionStartedEventAttributes:
    """Return how a run was started."""
    async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events(page_size=1):
        return event.workflow_execution_started_event_attributes
    raise AssertionError("a history begins with an event")


async def made_by(client: Client, workflow_id: str, run_id: str, identity: str) -> bool:
    """Say whether somebody of this identity has signalled, cancelled, terminated or reset the run, or started it."""
    async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
        if _by(event) == identity:
            return True
    return False


def _by(event: HistoryEvent) -> str:
    """Return who brought an event about, if not the workflow or its worker."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        return event.workflow_execution_signaled_event_attributes.identity
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
        return event.workflow_execution_cancel_requested_event_attributes.identity
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
        return event.workflow_execution_terminated_event_attributes.identity
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return event.workflow_task_failed_event_attributes.identity
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
        return event.workflow_execution_started_event_attributes.identity
    return ""


def _behind(failure: Failure) -> int | None:
    """Return the event that scheduled the activity, or the child, that a workflow failed by."""
    while True:
        if failure.HasField("activity_failure_info"):
            return failure.activity_failure_info.scheduled_event_id
        if failure.HasField("child_workflow_execution_failure_info"):
            return failure.child_workflow_execution_failure_info.initiated_event_id
        if not failure.HasField("cause"):
            return None
        failure = failure.cause
