"""Signals that a run took in as it continued as new, and that neither it nor the next run ever heard of.

A signal that comes with the very task in which a run continues as new has no other chance than this task. Where the
run would have commanded and handed over just the same without it, it is lost: the caller was told that it had arrived.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from harness.replay.semantic import SemanticReplayer

DESCRIBES = "upsert_workflow_search_attributes_event_attributes", "workflow_properties_modified_event_attributes"
"""A trace that a signal may leave, and that does nothing: what the workflow is found by, and its memo."""


async def unheard(replayer: SemanticReplayer, history: WorkflowHistory) -> list[str]:
    """Tell each such signal, the last one first. It must replay.

    Once one made a difference, those before it are not looked at: it may have been the answer to them.
    """
    lines = []
    for signal in reversed(_came_last(history.events)):
        if not (await replayer.replay(_without(history, signal))).same:
            break
        name = signal.workflow_execution_signaled_event_attributes.signal_name
        lines.append(
            f"{history.workflow_id!r} (run {history.run_id}): signal {name!r}, event {signal.event_id}, was lost at "
            "continue-as-new: it came with the task that handed over, and what was handed over is the same without it; "
            "hand its effect over, or do not continue as new before it is dealt with"
        )
    return lines


def _came_last(events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """The signals that came with the task in which the run continued as new; none where it did not."""
    if not events or not events[-1].HasField("workflow_execution_continued_as_new_event_attributes"):
        return []
    completed = [event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes")]
    started = [event.event_id for event in events if event.HasField("workflow_task_started_event_attributes")]
    before = completed[-2] if len(completed) > 1 else 0
    return [
        event
        for event in events
        if before < event.event_id < started[-1] and event.HasField("workflow_execution_signaled_event_attributes")
    ]


def _without(history: WorkflowHistory, signal: HistoryEvent) -> WorkflowHistory:
    """As if it had not come, with nothing in its place; and without what its task said of the workflow."""
    events = []
    for event in history.events:
        kept = HistoryEvent()
        kept.CopyFrom(event)
        describes = event.event_id > signal.event_id and event.WhichOneof("attributes") in DESCRIBES
        if event.event_id == signal.event_id or describes:
            kept.ClearField(event.WhichOneof("attributes"))  # type: ignore[arg-type]  # the name of a field
            kept.event_type = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED
            kept.worker_may_ignore = True
        events.append(kept)
    return WorkflowHistory(history.workflow_id, events)
