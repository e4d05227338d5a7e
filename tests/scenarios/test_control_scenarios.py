"""The scenarios of control judge facts as they are: what they demand is what was done."""

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    ActivityTaskScheduledEventAttributes,
    HistoryEvent,
    WorkflowExecutionSignaledEventAttributes,
    WorkflowTaskCompletedEventAttributes,
)

from harness.records.effects import Fact
from harness.records.operations import Ack, Kind, Operation
from scenarios import flights
from scenarios.control import Held, Many, ManyLoads, PausedLoad
from scenarios.held import ACT, PAUSED, started_while_paused
from scenarios.loaded import LOAD_CHUNK, RECONCILE
from scenarios.pipeline import Slice
from system.control.pausable import PAUSE, RESUME

PREFIX = "run.control-x.0."
ROWS = Slice(1000, 100)
HELD = Held(ROWS, 0.1, 0.1)
RESUMED, CANCELLED = (Many((ROWS, ROWS), 1, then, 5.0) for then in ("resume", "cancel"))


def operation(
    part: str = "main", *, kind: Kind = Kind.RESULT, name: str = "", status: str | None = "completed"
) -> Operation:
    return Operation(
        scenario="control-x",
        iteration=0,
        kind=kind,
        name=name,
        workflow_id=PREFIX + part,
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=Ack.OK,
        status=status,
    )


def fact(step: str, part: str = "main", *, item: str = "", found: int = 1, **values: int) -> Fact:
    return Fact(
        scenario="control-x",
        iteration=0,
        workflow_id=PREFIX + part,
        step=step,
        item=item,
        expected=100 if step == LOAD_CHUNK else 1,
        found=found,
        values=values,
    )


def event(number: int, kind: str, **attributes: object) -> HistoryEvent:
    made = {
        "signaled": (EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, WorkflowExecutionSignaledEventAttributes),
        "completed": (EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, WorkflowTaskCompletedEventAttributes),
        "scheduled": (EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, ActivityTaskScheduledEventAttributes),
    }
    field = {
        "signaled": "workflow_execution_signaled_event_attributes",
        "completed": "workflow_task_completed_event_attributes",
        "scheduled": "activity_task_scheduled_event_attributes",
    }[kind]
    type_, attributes_type = made[kind]
    return HistoryEvent(event_id=number, event_type=type_, **{field: attributes_type(**attributes)})


def paused(number: int) -> HistoryEvent:
    return event(number, "signaled", signal_name=PAUSE)


def resumed(number: int) -> HistoryEvent:
    return event(number, "signaled", signal_name=RESUME)


def ordered(number: int, began: int) -> tuple[HistoryEvent, HistoryEvent]:
    """A workflow task that began at an event, and the activity it ordered."""
    return (
        event(number, "completed", started_event_id=began),
        event(number + 1, "scheduled", workflow_task_completed_event_id=number),
    )


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([*ordered(4, 3)], (0, 0)),
        ([paused(4), *ordered(7, 6)], (1, 1)),
        ([paused(4), resumed(5), *ordered(8, 7)], (0, 1)),
        ([paused(4), *ordered(5, 3)], (0, 1)),
        ([paused(4), *ordered(7, 6), resumed(9), *ordered(12, 11)], (1, 1)),
        ([paused(4), resumed(5), paused(6), *ordered(9, 8), *ordered(12, 11)], (2, 2)),
    ],
    ids=["never paused", "paused", "resumed", "began before", "both", "paused again"],
)
def test_what_was_started_while_paused_is_told_by_history(
    history: list[HistoryEvent], expected: tuple[int, int]
) -> None:
    """A task knows of the signals that came before it began, and of no others."""
    assert started_while_paused(history) == expected


def whole(part: str = "main") -> list[Fact]:
    rejected = flights.dangling(ROWS.first, ROWS.rows)
    return [
        fact(LOAD_CHUNK, part, item="0", found=100, read=100, rejected=rejected),
        fact(RECONCILE, part, found=0),
    ]


def test_a_paused_load_that_started_something_is_found() -> None:
    """As is a pause that was acknowledged and is in no history, and a row that is missing."""
    pause = operation(kind=Kind.SIGNAL, name=PAUSE, status=None)
    good = [*whole(), fact(PAUSED, found=0, pauses=1)]
    assert PausedLoad().check(HELD, [pause, operation()], good) == []
    started = [*whole(), fact(PAUSED, found=2, pauses=1)]
    [impossible] = PausedLoad().check(HELD, [pause, operation()], started)
    assert (impossible.problem, impossible.message) == ("impossible", "paused, it started 2 activities")
    [lost] = PausedLoad().check(HELD, [pause, operation()], [*whole(), fact(PAUSED, found=0, pauses=0)])
    assert (lost.problem, lost.message) == ("lost", "a pause was acknowledged, and it never came")
    [unread] = PausedLoad().check(HELD, [operation()], [fact(RECONCILE, found=0), fact(PAUSED, found=0, pauses=0)])[:1]
    assert unread.message == "the file has 100 rows, 0 were read"


def bulk(then: dict[str, str]) -> list[Operation]:
    return [operation("pause"), operation("then"), *(operation(part, status=end) for part, end in then.items())]


def acts(*, then: str = "done", loads: int = 2) -> list[Fact]:
    return [
        fact(ACT, part, item=f"{PREFIX}load-{number}/run", **{"done" if part == "pause" else then: 1})
        for part in ("pause", "then")
        for number in range(loads)
    ]


def test_a_bulk_operation_does_what_it_says() -> None:
    """All resumed, all loads complete; all cancelled, a load that waited is cancelled, another may be through."""
    both = bulk({"load-0": "completed", "load-1": "completed"})
    reconciled = [fact(RECONCILE, f"load-{number}") for number in range(2)]
    assert ManyLoads().check(RESUMED, both, [*acts(), *reconciled]) == []
    ended = bulk({"load-0": "canceled", "load-1": "completed"})
    assert ManyLoads().check(CANCELLED, ended, [*acts(), *reconciled[1:]]) == []


@pytest.mark.parametrize(
    ("given", "ends", "facts", "says"),
    [
        (RESUMED, ("completed", "completed"), acts(loads=1), "has 1 targets"),
        (RESUMED, ("completed", "completed"), acts(), "is not reconciled"),
        (RESUMED, ("canceled", "completed"), acts(), "nobody has done that"),
        (CANCELLED, ("canceled", "completed"), acts(then="skipped"), "nobody has done that"),
        (CANCELLED, ("completed", "canceled"), acts(), "it was paused, then cancelled, and completed"),
    ],
)
def test_a_bulk_operation_that_did_not_is_found(
    given: Many, ends: tuple[str, str], facts: list[Fact], says: str
) -> None:
    """A target too few, a load that is not whole, a cancellation that nobody made or that had no effect."""
    operations = bulk({f"load-{number}": end for number, end in enumerate(ends)})
    assert says in " ".join(finding.message for finding in ManyLoads().check(given, operations, facts))


def test_an_operation_whose_end_is_not_known_is_not_judged() -> None:
    """Under faults it may have come to nothing: liveness is not judged here."""
    assert ManyLoads().check(RESUMED, [operation("pause"), operation("load-0")], []) == []
