"""Signals that a run took in as it continued as new, and that neither it nor the next run ever heard of.

A signal that comes with the very task in which a run continues as new has no other chance than this task. Where the
run would have commanded and handed over just the same without it, it is lost: the caller was told that it had arrived.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from harness.replay.semantic import SemanticReplayer

DESCRIBES = "upsert_workflow_search_attributes_event_attributes", "workflow_properties_modified_event_attributes"
"""A trace that a signal may leave, and that does nothing: what the workflow is found by, and its memo."""


async def unheard(replayer: SemanticReplayer, history: WorkflowHistory) -> list[str]:
    """Tell each such signal, the last one first. The history must replay.

    Once one made a difference, those before it are not looked at: it may have been the answer to them.
    """
    lines = []
    signals, described = _of_last_task(history.events)
    for number in reversed(range(len(signals))):
        without = {event.event_id for event in signals[number:]}
        # What the signal said of the workflow is the last that was said, if it said anything.
        for kept in reversed(range(len(described) + 1)):
            if (await replayer.replay(_without(history, without | set(described[kept:])))).same:
                break
        else:
            break
        name = signals[number].workflow_execution_signaled_event_attributes.signal_name
        lines.append(
            f"{history.workflow_id!r} (run {history.run_id}): signal {name!r}, event {signals[number].event_id}, was "
            "lost at continue-as-new: it came with the task that handed over, and what was handed over is the same "
            "without it; hand its effect over, or do not continue as new before it is dealt with"
        )
    return lines


def _of_last_task(events: Sequence[HistoryEvent]) -> tuple[list[HistoryEvent], list[int]]:
    """The signals that came with the task in which a run continued as new, and ids of what that said of the workflow.

    Nothing where it did not continue as new.
    """
    if not events or not events[-1].HasField("workflow_execution_continued_as_new_event_attributes"):
        return [], []
    completed = [0] + [event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes")]
    signals = [
        event
        for event in events
        if completed[-2] < event.event_id < completed[-1]
        and event.HasField("workflow_execution_signaled_event_attributes")
    ]
    described = [event.event_id for event in events if event.WhichOneof("attributes") in DESCRIBES]
    return signals, [event_id for event_id in described if event_id > completed[-1]]


def _without(history: WorkflowHistory, without: set[int]) -> WorkflowHistory:
    """As if these events had not come, with what no worker looks at in their place."""
    events = []
    for event in history.events:
        kept = HistoryEvent()
        kept.CopyFrom(event)
        if event.event_id in without:
            kept.ClearField(event.WhichOneof("attributes"))  # type: ignore[arg-type]  # the name of a field
            kept.event_type = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED
            kept.worker_may_ignore = True
        events.append(kept)
    _hand_over_less(events, [event for event in history.events if event.event_id in without])
    return WorkflowHistory(history.workflow_id, events)


def _hand_over_less(events: Sequence[HistoryEvent], gone: Sequence[HistoryEvent]) -> None:
    """What a workflow is found by is handed over without being said: take back what those that are gone said of it."""
    known: dict[str, Payload] = {}
    for event in events[:-1]:
        known |= _said(event)
    handed_over = events[-1].workflow_execution_continued_as_new_event_attributes.search_attributes.indexed_fields
    for name in {name for event in gone for name in _said(event)} & {*handed_over}:
        if name in known:
            handed_over[name].CopyFrom(known[name])
        else:
            del handed_over[name]


def _said(event: HistoryEvent) -> dict[str, Payload]:
    """The search attributes that an event sets."""
    started = event.workflow_execution_started_event_attributes.search_attributes.indexed_fields
    return {**started, **event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields}
