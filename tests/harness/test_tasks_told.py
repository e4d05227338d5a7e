"""What a history says of its tasks: who was given each, how it ended, and what was declared of activities."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import TaskQueueKind, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent
from temporalio.client import WorkflowHistory

from harness.records.workflows import Declared, WorkflowTask
from harness.tasks_told import TasksTold, declared_of, pause_asked, timeout_of

HISTORIES = Path(__file__).parents[1] / "data" / "histories"


def event(number: int, kind: str, at: float, **attributes: Any) -> HistoryEvent:
    """An event of a workflow task, so many seconds after the epoch."""
    made = HistoryEvent(event_id=number)
    made.event_time.FromNanoseconds(round(at * 1e9))
    told = getattr(made, f"workflow_task_{kind}_event_attributes")
    told.SetInParent()
    for name, value in attributes.items():
        setattr(told, name, value)
    return made


def scheduled(number: int, at: float, *, sticky: bool = False) -> HistoryEvent:
    """A workflow task for which a worker has ten seconds."""
    made = event(number, "scheduled", at)
    told = made.workflow_task_scheduled_event_attributes
    told.start_to_close_timeout.FromSeconds(10)
    kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY if sticky else TaskQueueKind.TASK_QUEUE_KIND_NORMAL
    told.task_queue.kind = kind
    return made


def told(*events: HistoryEvent) -> tuple[WorkflowTask, ...]:
    """The workflow tasks of these events."""
    tasks = TasksTold()
    for each in events:
        tasks.tell(each)
    return tasks.told()


def test_a_workflow_task_is_told_by_when_it_was_scheduled_given_and_ended() -> None:
    """And by whom it was given to."""
    found = told(
        scheduled(2, 1.0),
        event(3, "started", 2.0, scheduled_event_id=2, identity="worker-1"),
        event(4, "completed", 3.0, scheduled_event_id=2),
        scheduled(5, 4.0),
    )
    first = WorkflowTask(scheduled=1.0, started=2.0, closed=3.0, outcome="completed", worker="worker-1", timeout=10.0)
    assert found == (first, WorkflowTask(scheduled=4.0, timeout=10.0))


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
def test_a_sticky_task_that_nobody_took_has_no_start(outcome: str) -> None:
    """Its outcome is that of the event that ended it."""
    (found,) = told(scheduled(2, 1.0, sticky=True), event(3, outcome, 11.0, scheduled_event_id=2))
    assert found == WorkflowTask(scheduled=1.0, closed=11.0, outcome=outcome, sticky=True, timeout=10.0)


def test_what_was_never_scheduled_is_no_task() -> None:
    """As in a history that was reset."""
    assert told(event(3, "failed", 11.0, scheduled_event_id=2)) == ()


def test_what_is_declared_of_an_activity_is_told_in_seconds() -> None:
    """A timeout of 0 is none."""
    attributes = ActivityTaskScheduledEventAttributes()
    attributes.retry_policy.initial_interval.FromMilliseconds(200)
    attributes.retry_policy.backoff_coefficient = 2.0
    attributes.retry_policy.maximum_interval.FromSeconds(5)
    attributes.heartbeat_timeout.FromSeconds(0)
    attributes.start_to_close_timeout.FromSeconds(60)
    declared = Declared(
        initial_interval=0.2, backoff_coefficient=2.0, maximum_interval=5.0, start_to_close_timeout=60.0
    )
    assert declared_of(attributes) == declared
    assert [declared.pause(attempt) for attempt in (1, 2, 5, 6, 10_000)] == [0.2, 0.4, 3.2, 5.0, 5.0]


def test_how_an_attempt_failed_is_told_where_it_timed_out_or_asked_for_a_pause() -> None:
    """And nothing where it did neither."""
    heartbeat, asking, plain = Failure(), Failure(), Failure(message="it failed")
    heartbeat.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_HEARTBEAT
    asking.application_failure_info.next_retry_delay.FromSeconds(7)
    plain.application_failure_info.SetInParent()
    assert [timeout_of(each) for each in (heartbeat, asking, plain)] == ["heartbeat", "", ""]
    assert [pause_asked(each) for each in (heartbeat, asking, plain)] == [None, 7.0, None]


def test_a_recorded_history_tells_sticky_tasks_and_the_first_as_none() -> None:
    """A worker asks for what it has in memory."""
    (path,) = (HISTORIES / "tasks.Batch").glob("completed-activity-update-*.json")
    events = WorkflowHistory.from_json("recorded", path.read_text()).events
    found = told(*events)
    assert [task.sticky for task in found[:2]] == [False, True]
    assert {task.outcome for task in found} == {"completed"}
    assert all(task.started is not None and task.scheduled <= task.started for task in found)
    scheduled_activities = [each for each in events if each.HasField("activity_task_scheduled_event_attributes")]
    declared = declared_of(scheduled_activities[0].activity_task_scheduled_event_attributes)
    assert declared.heartbeat_timeout == 4.0
