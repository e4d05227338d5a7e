"""Reads from a history what its tasks waited for: workflow tasks, and what was declared of activities."""

from typing import Any

import msgspec
from temporalio.api.enums.v1 import TaskQueueKind, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent

from harness.records.workflows import Declared, WorkflowTask

STICKY = TaskQueueKind.TASK_QUEUE_KIND_STICKY
PREFIX, SUFFIX = "workflow_task_", "_event_attributes"


class TasksTold:
    """The workflow tasks of one history, read event by event."""

    def __init__(self) -> None:
        self._tasks: dict[int, WorkflowTask] = {}

    def tell(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        kind = event.WhichOneof("attributes") or ""
        if not kind.startswith(PREFIX):
            return
        attributes: Any = getattr(event, kind)
        at = event.event_time.ToNanoseconds() / 1e9
        match kind.removeprefix(PREFIX).removesuffix(SUFFIX):
            case "scheduled":
                self._tasks[event.event_id] = WorkflowTask(
                    scheduled=at,
                    sticky=attributes.task_queue.kind == STICKY,
                    timeout=attributes.start_to_close_timeout.ToNanoseconds() / 1e9,
                )
            case "started":
                self._note(attributes.scheduled_event_id, started=at, worker=attributes.identity)
            case outcome:
                self._note(attributes.scheduled_event_id, closed=at, outcome=outcome)

    def told(self) -> tuple[WorkflowTask, ...]:
        """Every workflow task so far, in the order they were scheduled."""
        return tuple(self._tasks.values())

    def _note(self, scheduled_id: int, **fields: Any) -> None:
        # A history that was reset begins with a failed task that it never scheduled.
        if scheduled_id in self._tasks:
            self._tasks[scheduled_id] = msgspec.structs.replace(self._tasks[scheduled_id], **fields)


def declared_of(scheduled: ActivityTaskScheduledEventAttributes) -> Declared:
    """The retry policy and the timeouts of an activity; a timeout of 0 is none."""
    policy = scheduled.retry_policy
    return Declared(
        initial_interval=policy.initial_interval.ToNanoseconds() / 1e9,
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=policy.maximum_interval.ToNanoseconds() / 1e9,
        heartbeat_timeout=scheduled.heartbeat_timeout.ToNanoseconds() / 1e9 or None,
        start_to_close_timeout=scheduled.start_to_close_timeout.ToNanoseconds() / 1e9 or None,
    )


def timeout_of(failure: Failure) -> str:
    """The timeout by which an attempt ended: heartbeat, start_to_close, …; empty where it failed by itself."""
    if not failure.HasField("timeout_failure_info"):
        return ""
    return TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_").lower()


def pause_asked(failure: Failure) -> float | None:
    """Seconds after which a failed attempt asked to be tried again; None where it left that to the retry policy."""
    told = failure.application_failure_info
    return told.next_retry_delay.ToNanoseconds() / 1e9 if told.HasField("next_retry_delay") else None
