"""Histories as people read them: the events of several workflows in the order they happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

LONGEST = 120
"""Characters of a line that tell what an event says."""
TOLD = (
    "activity_type.name", "activity_id", "timer_id", "workflow_type.name", "workflow_id", "signal_name",
    "accepted_request.input.name", "failure.message", "failure.cause.message", "cause", "attempt",
)  # fmt: skip
"""What is told of an event, of its attributes' fields."""


def interleaved(histories: Iterable[WorkflowHistory]) -> Iterator[str]:
    """One line an event: seconds since the first, workflow, event id, type, and what it is about."""
    events = sorted(
        (
            (event.event_time.ToNanoseconds(), history.workflow_id, event)
            for history in histories
            for event in history.events
        ),
        key=lambda item: (item[0], item[1], item[2].event_id),
    )
    width = max((len(workflow_id) for _, workflow_id, _ in events), default=0)
    for at, workflow_id, event in events:
        kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").replace("_", " ").lower()
        elapsed = (at - events[0][0]) / 1e9
        yield f"{elapsed:12.3f} s  {workflow_id:<{width}}  {event.event_id:>4}  {kind}{_about(event)}"[
            : width + LONGEST
        ]


def _about(event: HistoryEvent) -> str:
    name = event.WhichOneof("attributes")
    if name is None:
        return ""
    told = [text for path in TOLD if (text := _field(getattr(event, name), path))]
    return ": " + ", ".join(told) if told else ""


def _field(message: Message, path: str) -> str:
    for part in path.split("."):
        field = message.DESCRIPTOR.fields_by_name.get(part)
        if field is None or (field.message_type is not None and not message.HasField(part)):
            return ""
        value = getattr(message, part)
        if field.message_type is None:
            if field.enum_type is not None:
                return str(field.enum_type.values_by_number[value].name).lower() if value else ""
            return f"{path.partition('.')[0]} {value}" if isinstance(value, int) and value else str(value or "")
        message = value
    return ""
