"""What a history tells of pauses."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.history.v1 import HistoryEvent

from system.control.pausable import PAUSE, RESUME
from system.dead_letters.models import KEEP, SETTLE
from system.tasks.models import CANCEL_WAITING

MAY_START = {KEEP, SETTLE, CANCEL_WAITING}
"""What is written of something that has failed already, or is ordered by a message, which is answered all the same."""


def started_while_paused(events: Iterable[HistoryEvent]) -> list[str]:
    """Types of the activities that a workflow scheduled in workflow tasks at whose beginning it was paused."""
    is_paused = began_paused = was_paused = False
    found = []
    for event in events:
        if event.HasField("workflow_execution_signaled_event_attributes"):
            name = event.workflow_execution_signaled_event_attributes.signal_name
            is_paused = name == PAUSE or (is_paused and name != RESUME)
        elif event.HasField("workflow_task_started_event_attributes"):
            began_paused = is_paused
        elif event.HasField("workflow_task_completed_event_attributes"):
            was_paused = began_paused
        elif was_paused and event.HasField("activity_task_scheduled_event_attributes"):
            found.append(event.activity_task_scheduled_event_attributes.activity_type.name)
    return [name for name in found if name not in MAY_START]
