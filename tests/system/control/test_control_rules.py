"""What is decided about actions: to which runs they apply, how fast, and what allows them."""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import ActivityFailureInfo, Failure
from temporalio.api.history.v1 import (
    ActivityTaskFailedEventAttributes,
    ActivityTaskScheduledEventAttributes,
    HistoryEvent,
    StartChildWorkflowExecutionInitiatedEventAttributes,
    WorkflowExecutionFailedEventAttributes,
)

from system.control import rules
from system.control.history import Points, reset_point
from system.control.models import (
    Action,
    BulkRequest,
    Cancel,
    Pause,
    Reset,
    Resume,
    Retry,
    Signal,
    Status,
    Terminate,
)

OF_RUNNING: tuple[Action, ...] = (Pause(), Resume(), Cancel(), Terminate(), Signal(name="x"))
RESET = Reset(to="first_task")
QUERY = "WorkflowType = 'x.Y'"
rates = st.floats(min_value=0.001, max_value=500)


def request(**options: object) -> BulkRequest:
    return BulkRequest.model_validate({"by": "ann", "reason": "a test", "action": {"kind": "pause"}, **options})


@pytest.mark.parametrize(("action", "status"), list(product(OF_RUNNING, get_args(Status))))
def test_what_has_ended_is_not_paused_nor_ended_again(action: Action, status: Status) -> None:
    """Five actions are for workflows that run; of any other it is said how it ended."""
    why = rules.why_skipped(action, status, is_latest=True)
    assert bool(why) is (status not in {"running", "unknown"})
    assert why == "" or why.startswith(("already", "continued"))


@pytest.mark.parametrize("status", get_args(Status))
def test_only_what_went_wrong_is_retried(status: Status) -> None:
    """Failed, timed out or terminated; a reset is for any."""
    assert (rules.why_skipped(Retry(), status, is_latest=True) == "") is (
        status in {"failed", "timed_out", "terminated"}
    )
    assert rules.why_skipped(RESET, status, is_latest=True) == ""


@pytest.mark.parametrize(
    ("action", "status", "latest", "why"),
    [
        (Cancel(), "canceled", True, "already cancelled"),
        (Cancel(), "continued_as_new", True, "continued as a new run that is gone"),
        (Retry(), "running", True, "still running"),
        (Retry(), "completed", True, "already completed"),
        (Retry(), "failed", False, "a newer run has the same workflow id"),
    ],
)
def test_why_a_target_was_skipped_is_told(action: Action, status: Status, latest: bool, why: str) -> None:
    """In the record of the operation, for whoever looks later."""
    assert rules.why_skipped(action, status, is_latest=latest) == why


@pytest.mark.parametrize("action", [Retry(), RESET], ids=["retry", "reset"])
def test_an_older_run_is_never_reset(action: Action) -> None:
    """The server would terminate the newer one."""
    assert "newer run" in rules.why_skipped(action, "failed", is_latest=False)


def test_everything_must_be_asked_for() -> None:
    """An empty query is refused, and both at once; everything leaves bulk operations out, itself among them."""
    for empty in ("", "  \n"):
        with pytest.raises(ValueError, match=r"^the query is empty, .*: narrow it, or ask for everything explicitly$"):
            rules.effective_query(empty, everything=False)
    with pytest.raises(ValueError, match=r"^everything is asked for, and a query as well: give one of them$"):
        rules.effective_query(QUERY, everything=True)
    assert rules.effective_query(f" {QUERY} ", everything=False) == QUERY
    assert rules.effective_query("", everything=True) == "WorkflowType != 'control.Bulk'"


@given(count=st.integers(0, 10**9 - 1), other=st.integers(0, 10**9 - 1))
def test_a_token_allows_what_was_seen_and_no_more(count: int, other: int) -> None:
    """It is good for this query and this action, and carries how many there were."""
    token = rules.token(QUERY, Pause(), count)
    assert rules.allowed(request(token=token), QUERY) == count
    for query, action in ((QUERY + " ", "pause"), (QUERY, "cancel")):
        with pytest.raises(ValueError, match="another query or action"):
            rules.allowed(request(token=token, action={"kind": action}), query)
    if other != count:
        with pytest.raises(ValueError, match="another query or action"):
            rules.allowed(request(token=token.replace(f"{count}-", f"{other}-", 1)), QUERY)


@pytest.mark.parametrize("token", ["x", "-", "3", "3-", "٣-0", "9" * 5])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    """Whatever is typed in its place."""
    with pytest.raises(ValueError, match="preview again"):
        rules.allowed(request(token=token), QUERY)


def test_something_must_say_how_many() -> None:
    """There is no other way than the preview's token: refused, with what to do."""
    with pytest.raises(ValueError, match=r"^there is no preview's token: preview first, and use its token$"):
        rules.allowed(request(), QUERY)


@given(found=st.integers(0, 200_000), most=st.integers(0, 200_000))
def test_more_than_allowed_is_refused(found: int, most: int) -> None:
    """As many as allowed are not too many; fewer neither."""
    assert (rules.why_refused(found, most) == "") is (found <= most and found <= rules.MOST_TARGETS)


@pytest.mark.parametrize(
    ("found", "most", "why"),
    [
        (100_000, 100_000, ""),
        (100_001, 200_000, "the query finds 100,001 workflows, an operation has at most 100,000: narrow it"),
        (
            1_001,
            1_000,
            (
                "the query finds 1,001 workflows, and 1,000 are allowed: nothing was done; "
                "preview again, and use the new token if that is what you want"
            ),
        ),
    ],
)
def test_a_refusal_says_what_to_do(found: int, most: int, why: str) -> None:
    """Narrow the query where it is beyond all bounds; else look again."""
    assert rules.why_refused(found, most) == why


@pytest.mark.parametrize(
    ("token", "count"),
    [("12-ab", 12), ("12-ab-cd", 12), ("0-", 0), ("x-12", None), ("", None), ("9" * 9, 10**9 - 1), ("1" * 10, None)],
)
def test_a_token_tells_how_many_were_previewed(token: str, count: int | None) -> None:
    """Also one that allows nothing; a count that would not fit the record is none."""
    assert rules.previewed(request(token=token)) == count


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Pause(), "pause"),
        (Signal(name="go_on"), "signal go_on"),
        (Reset(to="first_task"), "reset to first task"),
        (Reset(to=7), "reset to event 7"),
    ],
)
def test_an_action_is_described_in_words(action: Action, words: str) -> None:
    """As operators read it; a signal by its name, as it is."""
    assert rules.described(action) == words


def test_history_tells_who_acts_and_in_which_operation() -> None:
    """So that an attempt knows what an earlier one of the same operation did."""
    assert rules.identity("ann", "op-1") == "ann (op-1)"


@pytest.mark.parametrize(("rate", "size"), [(0.4, 1), (1, 1), (1.9, 1), (2, 2), (99.9, 99), (100, 100), (500, 100)])
def test_a_round_is_what_a_second_allows(rate: float, size: int) -> None:
    """At least one target; at most as many as end soon after a pause."""
    assert rules.round_size(rate) == size


@given(rate=rates, targets=st.integers(1, 2_000), took=st.floats(0, 5))
def test_the_rate_is_never_exceeded(rate: float, targets: int, took: float) -> None:
    """Whatever a round takes, within the time up to the next one no more are begun than the rate allows."""
    size = rules.round_size(rate)
    assert 1 <= size <= rules.LARGEST_ROUND
    rounds = -(-targets // size)
    lasts = (rounds - 1) * (took + rules.wait_after(size, rate, took))
    assert (rounds - 1) * size <= rate * lasts * (1 + 1e-9)


@given(rate=rates, took=st.floats(0, 100))
def test_no_time_is_wasted(rate: float, took: float) -> None:
    """A round that took long is followed by the next at once."""
    size = rules.round_size(rate)
    wait = rules.wait_after(size, rate, took)
    assert wait == pytest.approx(max(0.0, size / rate - took))


def test_a_repeated_request_has_the_same_id() -> None:
    """By operation and run, and by nothing else: so the server knows it again."""
    assert rules.request_id("a", "b", "c") == rules.request_id("a", "b", "c")
    assert len({rules.request_id(*key) for key in product("ab", repeat=3)}) == 8


def task(number: int) -> HistoryEvent:
    return HistoryEvent(event_id=number, event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)


def scheduled(number: int, by: int) -> HistoryEvent:
    return HistoryEvent(
        event_id=number,
        event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        activity_task_scheduled_event_attributes=ActivityTaskScheduledEventAttributes(
            workflow_task_completed_event_id=by
        ),
    )


def child(number: int, by: int) -> HistoryEvent:
    return HistoryEvent(
        event_id=number,
        event_type=EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
        start_child_workflow_execution_initiated_event_attributes=StartChildWorkflowExecutionInitiatedEventAttributes(
            workflow_task_completed_event_id=by, workflow_type=WorkflowType(name="x")
        ),
    )


def failed(number: int, of: int) -> HistoryEvent:
    return HistoryEvent(
        event_id=number,
        event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        activity_task_failed_event_attributes=ActivityTaskFailedEventAttributes(scheduled_event_id=of),
    )


def ended(number: int, cause: Failure) -> HistoryEvent:
    return HistoryEvent(
        event_id=number,
        event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        workflow_execution_failed_event_attributes=WorkflowExecutionFailedEventAttributes(failure=cause),
    )


def by_activity(scheduled_event: int) -> Failure:
    return Failure(activity_failure_info=ActivityFailureInfo(scheduled_event_id=scheduled_event))


def points(*events: HistoryEvent) -> Points:
    read = Points()
    for event in events:
        read.add(event)
    return read


# Task 4 orders activities 5 and 6; 5 fails and is caught; task 10 orders 11, by which the workflow fails in task 15.
HISTORY = (task(4), scheduled(5, 4), scheduled(6, 4), failed(7, 5), task(10), scheduled(11, 10), failed(13, 11))


@pytest.mark.parametrize(
    ("end", "action", "point"),
    [
        (by_activity(11), Retry(), 10),
        (by_activity(5), Retry(), 4),
        (Failure(message="wrapped", cause=Failure(cause=by_activity(5))), Retry(), 4),
        (Failure(message="its own"), Retry(), 15),
        (by_activity(11), Reset(to="first_failure"), 4),
        (by_activity(11), Reset(to="first_task"), 4),
        (by_activity(11), Reset(to="last_task"), 15),
        (by_activity(11), Reset(to=11), 10),
        (by_activity(11), Reset(to=10), 10),
        (by_activity(11), Reset(to=9), 4),
        (by_activity(11), Reset(to=3), None),
        (by_activity(11), Reset(to=999), 15),
    ],
)
def test_a_run_is_reset_to_the_task_before_its_point(end: Failure, action: Reset | Retry, point: int | None) -> None:
    """What a workflow failed by is told by its last event, and not by the order of failures."""
    assert reset_point(points(*HISTORY, task(15), ended(16, end)), action) == point


def test_a_run_that_failed_by_its_child_is_taken_up_before_the_child() -> None:
    """The child is started anew."""
    end = Failure()
    end.child_workflow_execution_failure_info.initiated_event_id = 5
    assert reset_point(points(task(4), child(5, 4), task(9), ended(10, end)), Retry()) == 4


def test_without_a_task_there_is_no_point() -> None:
    """It never began."""
    assert reset_point(points(), Retry()) is None
    assert reset_point(points(), RESET) is None
    assert reset_point(points(task(4)), Reset(to="first_failure")) is None
