"""What a run's time was spent on, read from histories: written by hand, recorded, and drawn at random."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.enums.v1 import ContinueAsNewInitiator, ParentClosePolicy, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from harness.anatomy import Anatomist
from harness.records.anatomy import Anatomy, Part

HISTORIES = Path(__file__).parents[1] / "data" / "histories"
RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
ABANDON = ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON


def event(kind: str, at: float, **attributes: Any) -> HistoryEvent:
    """An event so many seconds after the beginning."""
    made = HistoryEvent()
    made.event_time.FromNanoseconds(round(at * 1e9))
    getattr(made, f"{kind}_event_attributes").SetInParent()
    for name, value in attributes.items():
        if name == "first_workflow_task_backoff":
            made.workflow_execution_started_event_attributes.first_workflow_task_backoff.FromSeconds(value)
        else:
            setattr(getattr(made, f"{kind}_event_attributes"), name, value)
    return made


def read(*events: HistoryEvent) -> Anatomy:
    """The anatomy of these events, numbered from 1."""
    anatomist = Anatomist()
    for number, each in enumerate(events, start=1):
        each.event_id = number
        anatomist.tell(each)
    return anatomist.anatomy()


def spent(*events: HistoryEvent) -> dict[str, float]:
    """Seconds by the name of the part."""
    return {part.value: seconds for part, seconds in read(*events).seconds.items()}


def task(scheduled_id: int, scheduled: float, started: float, completed: float) -> list[HistoryEvent]:
    """A workflow task that is completed."""
    return [
        event("workflow_task_scheduled", scheduled),
        event("workflow_task_started", started, scheduled_event_id=scheduled_id),
        event("workflow_task_completed", completed, scheduled_event_id=scheduled_id),
    ]


def first_task() -> list[HistoryEvent]:
    """A start at 0, and a workflow task that waits for a second and takes one: events 1 to 4, to 2 s."""
    return [event("workflow_execution_started", 0), *task(2, 0, 1, 2)]


def command(kind: str, at: float, **attributes: Any) -> HistoryEvent:
    """What the first task commanded."""
    return event(kind, at, workflow_task_completed_event_id=4, **attributes)


def last_task(scheduled_id: int, at: float) -> list[HistoryEvent]:
    """A workflow task that is picked up at once, takes a second and completes the workflow."""
    return [
        *task(scheduled_id, at, at, at + 1),
        event("workflow_execution_completed", at + 1, workflow_task_completed_event_id=scheduled_id + 2),
    ]


BEFORE = {"worker": 1.0, "workflow_tasks": 1.0}
"""What the first task spends."""
AROUND = {"worker": 1.0, "workflow_tasks": 2.0}
"""What the first task and the last one spend."""


def test_a_workflow_of_one_task_waits_for_its_worker_and_is_executed() -> None:
    """What lies between an event and the server's next one is the server's."""
    assert spent(
        event("workflow_execution_started", 10),
        *task(2, 10.5, 12, 15),
        event("workflow_execution_completed", 15.25, workflow_task_completed_event_id=4),
    ) == {"worker": 1.5, "workflow_tasks": 3.0, "server": 0.75}


def test_an_activity_queues_and_is_executed() -> None:
    """From its schedule to its start, and from there to its end."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        event("activity_task_started", 5, scheduled_event_id=5, attempt=1),
        event("activity_task_completed", 9, scheduled_event_id=5),
        *last_task(8, 9),
    ) == {**AROUND, "activity_queue": 3.0, "activity_execution": 4.0}


@pytest.mark.parametrize("end", ["completed", "failed", "timed_out", "canceled"])
def test_an_activity_that_was_tried_again_spent_time_on_retries(end: str) -> None:
    """Up to the start of the last attempt, which is executed however it ends."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        event("activity_task_started", 7, scheduled_event_id=5, attempt=2),
        event(f"activity_task_{end}", 9, scheduled_event_id=5),
        *last_task(8, 9),
    ) == {**AROUND, "retries": 5.0, "activity_execution": 2.0}


def test_an_activity_that_nobody_took_was_in_the_queue() -> None:
    """It timed out there."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        event("activity_task_timed_out", 6, scheduled_event_id=5),
        *last_task(7, 6),
    ) == {**AROUND, "activity_queue": 4.0}


def test_an_activity_that_timed_out_before_its_next_attempt_spent_it_on_retries() -> None:
    """No start is written down, but why the attempt before failed."""
    timed_out = event("activity_task_timed_out", 6, scheduled_event_id=5)
    timed_out.activity_task_timed_out_event_attributes.failure.cause.message = "no connection"
    assert spent(*first_task(), command("activity_task_scheduled", 2), timed_out, *last_task(7, 6)) == {
        **AROUND,
        "retries": 4.0,
    }


def test_while_an_activity_runs_the_moment_is_its_own() -> None:
    """Beside a queue, a retry, a timer and a workflow task that waits and is executed."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        command("activity_task_scheduled", 2),
        command("activity_task_scheduled", 2),
        command("timer_started", 2),
        event("activity_task_started", 2, scheduled_event_id=5, attempt=1),
        event("workflow_execution_signaled", 3),
        *task(11, 3, 4, 5),
        event("activity_task_completed", 8, scheduled_event_id=5),
        event("activity_task_started", 9, scheduled_event_id=6, attempt=1),
        event("activity_task_completed", 9, scheduled_event_id=6),
        event("activity_task_started", 10, scheduled_event_id=7, attempt=3),
        event("activity_task_completed", 10, scheduled_event_id=7),
        event("timer_fired", 11, started_event_id=8),
        *last_task(20, 11),
    ) == {**AROUND, "activity_execution": 6.0, "activity_queue": 1.0, "retries": 1.0, "timers": 1.0}


def test_an_attempt_whose_start_is_written_down_late_began_when_it_did() -> None:
    """The server writes it with the attempt's end, behind events that came later."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        event("workflow_execution_signaled", 4),
        *task(7, 4, 4, 5),
        event("activity_task_started", 3, scheduled_event_id=5, attempt=1),
        event("activity_task_completed", 6, scheduled_event_id=5),
        *last_task(12, 6),
    ) == {**AROUND, "activity_queue": 1.0, "activity_execution": 3.0}


def test_of_an_activity_that_had_not_ended_nothing_is_claimed() -> None:
    """Whether it ran when the workflow was terminated is in no history."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        event("workflow_execution_terminated", 9),
    ) == {**BEFORE, "unfinished": 7.0}


def test_an_activity_that_is_told_to_cancel_is_waited_for_no_longer() -> None:
    """Unless it ends: then it is known that it ran."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        event("workflow_execution_cancel_requested", 5),
        *task(7, 5, 5, 6),
        event("activity_task_cancel_requested", 6, scheduled_event_id=5, workflow_task_completed_event_id=9),
        event("timer_started", 6, workflow_task_completed_event_id=9),
        event("timer_fired", 8, started_event_id=11),
        *last_task(13, 8),
    ) == {"worker": 1.0, "workflow_tasks": 3.0, "unfinished": 3.0, "timers": 2.0}


def test_an_activity_that_was_seen_to_begin_and_not_to_end_was_executed() -> None:
    """Where the server wrote its start down at once."""
    assert spent(
        *first_task(),
        command("activity_task_scheduled", 2),
        event("activity_task_started", 4, scheduled_event_id=5, attempt=1),
        event("workflow_execution_terminated", 9),
    ) == {**BEFORE, "activity_queue": 2.0, "activity_execution": 5.0}


def test_a_timer_is_waited_for() -> None:
    """From its start until it fires."""
    assert spent(
        *first_task(),
        command("timer_started", 2),
        event("timer_fired", 7, started_event_id=5),
        *last_task(7, 7),
    ) == {**AROUND, "timers": 5.0}


def test_a_timer_that_is_canceled_is_waited_for_until_then() -> None:
    """What comes after it in the same task still waits for a message."""
    assert spent(
        *first_task(),
        command("timer_started", 2),
        event("workflow_execution_signaled", 5),
        *task(7, 5, 5, 6),
        event("timer_canceled", 6, started_event_id=5, workflow_task_completed_event_id=9),
        event("workflow_execution_signaled", 8),
        *last_task(12, 8),
    ) == {"worker": 1.0, "workflow_tasks": 3.0, "timers": 3.0, "messages": 2.0}


def test_a_timer_that_never_fired_is_waited_for_until_the_close() -> None:
    """As the workflow timed out."""
    assert spent(
        *first_task(), command("timer_started", 2), event("workflow_execution_timed_out", 30)
    ) == {**BEFORE, "timers": 28.0}  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["workflow_execution_signaled", "workflow_execution_cancel_requested", "workflow_execution_update_admitted"]
)
def test_a_workflow_with_nothing_to_do_waits_for_a_message(kind: str) -> None:
    """Until it comes; what the server needs to pass it on is its own."""
    assert spent(*first_task(), event(kind, 8), *last_task(6, 8.5)) == {**AROUND, "messages": 6.0, "server": 0.5}


def test_an_update_comes_with_its_task() -> None:
    """No event tells of it before that; those behind the task are no wait."""
    assert spent(
        *first_task(),
        *task(5, 8, 8, 9),
        event("workflow_execution_update_accepted", 9),
        event("workflow_execution_update_completed", 9),
        event("workflow_execution_completed", 9, workflow_task_completed_event_id=7),
    ) == {**AROUND, "messages": 6.0}


def test_who_is_terminated_while_waiting_waited_for_a_message() -> None:
    """No command of its own closed it."""
    assert spent(*first_task(), event("workflow_execution_terminated", 9)) == {**BEFORE, "messages": 7.0}


@pytest.mark.parametrize("close", ["completed", "failed", "canceled", "continued_as_new"])
def test_what_the_server_takes_to_write_commands_down_is_no_wait_for_a_message(close: str) -> None:
    """Neither before a timer nor before the close."""
    assert spent(
        *first_task(),
        command("marker_recorded", 2.25),
        command("timer_started", 2.5),
        event("timer_fired", 4, started_event_id=6),
        *task(8, 4, 4, 5),
        event(f"workflow_execution_{close}", 5.5, workflow_task_completed_event_id=10),
    ) == {**AROUND, "timers": 1.5, "server": 1.0}


def test_a_workflow_task_that_failed_is_tried_again() -> None:
    """Its execution, and the time until it is scheduled again; not the wait for a worker, which comes each time."""
    assert spent(
        event("workflow_execution_started", 0),
        event("workflow_task_scheduled", 0),
        event("workflow_task_started", 1, scheduled_event_id=2),
        event("workflow_task_failed", 3, scheduled_event_id=2),
        event("workflow_execution_signaled", 6),
        *task(6, 10, 14, 15),
        event("workflow_execution_completed", 15, workflow_task_completed_event_id=8),
    ) == {"worker": 5.0, "retries": 9.0, "workflow_tasks": 1.0}


def test_a_workflow_whose_task_fails_to_the_end_spends_it_on_retries() -> None:
    """Somebody terminated it."""
    assert spent(
        event("workflow_execution_started", 0),
        event("workflow_task_scheduled", 0),
        event("workflow_task_started", 1, scheduled_event_id=2),
        event("workflow_task_failed", 3, scheduled_event_id=2),
        event("workflow_execution_terminated", 9),
    ) == {"worker": 1.0, "retries": 8.0}


def test_a_workflow_that_was_reset_waited_for_whoever_did_it() -> None:
    """The new run's history begins with the old one's events, which may be long ago."""
    assert spent(
        event("workflow_execution_started", 0),
        event("workflow_task_scheduled", 0),
        event("workflow_task_started", 1, scheduled_event_id=2),
        event("workflow_task_failed", 100, scheduled_event_id=2, cause=RESET),
        *last_task(5, 101),
    ) == {"worker": 1.0, "messages": 99.0, "workflow_tasks": 1.0, "server": 1.0}


def test_a_workflow_task_that_its_sticky_worker_does_not_take_waits_for_a_worker() -> None:
    """It is scheduled again, for any."""
    assert spent(
        event("workflow_execution_started", 0),
        event("workflow_task_scheduled", 0),
        event("workflow_task_timed_out", 5, scheduled_event_id=2),
        *last_task(4, 6),
    ) == {"worker": 6.0, "workflow_tasks": 1.0}


def test_a_workflow_task_whose_worker_falls_silent_is_tried_again() -> None:
    """It was taken, and not answered."""
    assert spent(
        event("workflow_execution_started", 0),
        event("workflow_task_scheduled", 0),
        event("workflow_task_started", 1, scheduled_event_id=2),
        event("workflow_task_timed_out", 11, scheduled_event_id=2),
        *last_task(5, 12),
    ) == {"worker": 1.0, "retries": 11.0, "workflow_tasks": 1.0}


def test_a_workflow_task_that_is_open_at_the_close_is_what_it_was() -> None:
    """Waited for, or executed."""
    scheduled = event("workflow_execution_started", 0), event("workflow_task_scheduled", 1)
    started = event("workflow_task_started", 4, scheduled_event_id=2)
    terminated = event("workflow_execution_terminated", 9)
    assert spent(*scheduled, terminated) == {"server": 1.0, "worker": 8.0}
    assert spent(*scheduled, started, terminated) == {"server": 1.0, "worker": 3.0, "workflow_tasks": 5.0}


def test_local_activities_are_within_a_workflow_task() -> None:
    """However long: their marker is a command, and the task that is renewed meanwhile is still one."""
    assert spent(
        event("workflow_execution_started", 0),
        *task(2, 0, 0, 8),
        *task(5, 8, 8, 11),
        event("marker_recorded", 11, workflow_task_completed_event_id=7),
        event("workflow_execution_completed", 11, workflow_task_completed_event_id=7),
    ) == {"workflow_tasks": 11.0}


OTHERS = [
    ("start_child_workflow_execution_initiated", "start_child_workflow_execution_failed", "initiated_event_id"),
    *(
        ("start_child_workflow_execution_initiated", f"child_workflow_execution_{end}", "initiated_event_id")
        for end in ("completed", "failed", "canceled", "timed_out", "terminated")
    ),
    *(
        (f"{asked}_external_workflow_execution_initiated", answer, "initiated_event_id")
        for asked, answer in (
            ("signal", "external_workflow_execution_signaled"),
            ("signal", "signal_external_workflow_execution_failed"),
            ("request_cancel", "external_workflow_execution_cancel_requested"),
            ("request_cancel", "request_cancel_external_workflow_execution_failed"),
        )
    ),
    *(
        ("nexus_operation_scheduled", f"nexus_operation_{end}", "scheduled_event_id")
        for end in ("completed", "failed", "canceled", "timed_out")
    ),
]


@pytest.mark.parametrize(("asked", "answer", "reference"), OTHERS)
def test_others_are_waited_for_until_they_answer(asked: str, answer: str, reference: str) -> None:
    """Even beside a timer that limits the wait."""
    assert spent(
        *first_task(),
        command("timer_started", 2),
        command(asked, 2),
        event(answer, 7, **{reference: 6}),
        event("timer_fired", 8, started_event_id=5),
        *last_task(9, 8),
    ) == {**AROUND, "others": 5.0, "timers": 1.0}


def test_a_child_is_waited_for_beyond_its_start_and_an_abandoned_one_is_not() -> None:
    """What is abandoned on purpose goes on by itself."""

    def with_child(**attributes: Any) -> dict[str, float]:
        return spent(
            *first_task(),
            command("timer_started", 2),
            command("start_child_workflow_execution_initiated", 2, **attributes),
            event("child_workflow_execution_started", 3, initiated_event_id=6),
            event("timer_fired", 8, started_event_id=5),
            *last_task(9, 8),
        )

    assert with_child() == {**AROUND, "others": 6.0}
    assert with_child(parent_close_policy=ABANDON) == {**AROUND, "others": 1.0, "timers": 5.0}


INITIATORS = {
    "retries": ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY,
    "timers": ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE,
    "server": ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW,
}


@pytest.mark.parametrize(("part", "initiator"), [*INITIATORS.items(), ("timers", 0)])
def test_a_run_that_is_not_to_begin_yet_waits_for_what_holds_it_back(part: str, initiator: int) -> None:
    """Its own retry, its schedule or a start delay; after continue-as-new it is the server."""
    assert spent(
        event("workflow_execution_started", 0, initiator=initiator, first_workflow_task_backoff=3),
        *task(2, 3, 4, 5),
        event("workflow_execution_completed", 5, workflow_task_completed_event_id=4),
    ) == {part: 3.0, "worker": 1.0, "workflow_tasks": 1.0}


def test_a_run_that_may_begin_at_once_is_held_back_by_nothing() -> None:
    """A retry without a pause."""
    started = event("workflow_execution_started", 0, initiator=INITIATORS["retries"])
    assert spent(started, *last_task(2, 3)) == {"server": 3.0, "workflow_tasks": 1.0}


def test_a_run_that_never_began_waited_to_the_end() -> None:
    """Terminated before its start delay was over."""
    started = event("workflow_execution_started", 0, first_workflow_task_backoff=9)
    assert spent(started, event("workflow_execution_terminated", 4)) == {"timers": 4.0}


def test_no_events_have_no_parts() -> None:
    """Nor has one event, which takes no time."""
    assert spent() == {}
    assert spent(event("workflow_execution_started", 5)) == {}


def test_an_event_of_a_kind_that_is_not_known_is_passed_over() -> None:
    """A newer server may write some; their time is theirs all the same."""
    unknown = HistoryEvent()
    unknown.event_time.FromSeconds(5)
    assert spent(*first_task(), unknown, event("workflow_execution_terminated", 9)) == {**BEFORE, "messages": 7.0}


def test_it_can_be_asked_for_again() -> None:
    """Asking changes nothing."""
    anatomist = Anatomist()
    for number, each in enumerate(
        (*first_task(), command("activity_task_scheduled", 2), event("workflow_execution_terminated", 9)), start=1
    ):
        each.event_id = number
        anatomist.tell(each)
    assert anatomist.anatomy() == anatomist.anatomy()


def recorded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", sorted(HISTORIES.rglob("*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_parts_of_a_recorded_history_add_up_to_its_time(path: Path) -> None:
    """From its first event to its last, to the nanosecond."""
    events = recorded(path).events
    took = events[-1].event_time.ToNanoseconds() - events[0].event_time.ToNanoseconds()
    anatomy = read(*events)
    assert sum(round(seconds * 1e9) for seconds in anatomy.seconds.values()) == took
    assert anatomy.total == pytest.approx(took / 1e9)
    assert anatomy.seconds[Part.WORKFLOW_TASKS] > 0 or path.stem == "terminated-signal"


def test_a_recorded_history_is_taken_apart_as_by_hand() -> None:
    """One activity, which was executed at once; the times are those of the file, a stocktake of long ago."""
    anatomy = read(*recorded(HISTORIES.parent / "taken-apart.json").events)
    assert {part.value: round(seconds * 1e9) for part, seconds in anatomy.seconds.items()} == {
        "worker": 7_744_961,
        "workflow_tasks": 33_386_693,
        "activity_queue": 39_271,
        "activity_execution": 16_081_257,
        "server": 351_100,
    }


KINDS = [
    field.name.removesuffix("_event_attributes")
    for field in HistoryEvent.DESCRIPTOR.oneofs_by_name["attributes"].fields
]
REFERENCES = ("scheduled_event_id", "started_event_id", "initiated_event_id", "workflow_task_completed_event_id")


@st.composite
def any_event(draw: st.DrawFn) -> HistoryEvent:
    """Any event at any time, which refers to any other, or to one that there is not."""
    made = event(draw(st.sampled_from(KINDS)), draw(st.integers(0, 20)))
    attributes = getattr(made, made.WhichOneof("attributes") or "")
    for name in {field.name for field in attributes.DESCRIPTOR.fields} & {*REFERENCES, "attempt"}:
        setattr(attributes, name, draw(st.integers(0, 20)))
    return made


@given(st.lists(any_event(), min_size=1, max_size=20))
def test_the_parts_add_up_whatever_happened(events: list[HistoryEvent]) -> None:
    """In any order, with or without ends; a part is never negative."""
    began, closed = events[0].event_time.ToSeconds(), events[-1].event_time.ToSeconds()
    anatomy = read(*events)
    assert anatomy.total == max(0, closed - began)
    assert all(seconds > 0 for seconds in anatomy.seconds.values())
