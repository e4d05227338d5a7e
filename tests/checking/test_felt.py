"""A fault is felt by the attempts and calls that failed while it was in force, and by no others."""

import pytest
from handwritten_records import WORKFLOW, operation, window, workflow
from msgspec.structs import replace

from harness.checking.felt import NAMED, felt, felt_all
from harness.records.operations import Ack, Kind, Operation
from harness.records.workflows import Activity


def activity(
    scheduled: float, started: float | None, *, attempts: int = 2, failure: str | None = "refused"
) -> Activity:
    return Activity(
        type="load_chunk",
        activity_id="1",
        scheduled=scheduled,
        started=started,
        closed=started,
        attempts=attempts,
        worker="w",
        last_failure=failure,
    )


def call(
    sent: float, *, acknowledged: float | None = None, given_up: float | None = None, kind: Kind = Kind.START
) -> Operation:
    ack = Ack.OK if acknowledged else Ack.INFO
    return replace(operation(kind=kind, ack=ack, sent=sent, acknowledged=acknowledged), given_up=given_up)


@pytest.mark.parametrize(
    ("met", "times"),
    [
        (activity(9.0, 13.5), 1),
        (activity(11.0, 12.0), 1),
        (activity(9.0, 9.5), 0),
        (activity(9.0, 10.0), 0),
        (activity(13.0, 14.0), 0),
        (activity(11.0, 12.0, attempts=1), 0),
        (activity(11.0, None), 0),
        (activity(11.0, 12.0, failure=None), 0),
    ],
)
def test_an_activity_felt_it_if_its_retried_attempts_span_the_window(met: Activity, times: int) -> None:
    """The window is from 10 to 13: retried before, after, or not at all, it met nothing."""
    assert felt(window(felt=0), [workflow(activities=(met,))], []).felt == times


@pytest.mark.parametrize(
    ("call", "times"),
    [
        (call(sent=11.0, given_up=41.0), 1),
        (call(sent=9.0, given_up=11.0), 1),
        (call(sent=9.0), 1),  # nobody knows when it was given up
        (call(sent=11.0, acknowledged=13.2), 1),  # delayed, though answered in the end
        (call(sent=11.0, acknowledged=13.0), 1),
        (call(sent=13.0, given_up=20.0), 0),
        (call(sent=1.0, given_up=9.5), 0),
        (call(sent=1.0, given_up=10.0), 0),
        (call(sent=11.0, acknowledged=11.1), 0),
        (call(sent=9.0, acknowledged=15.0, kind=Kind.RESULT), 0),  # a result is waited for anyway
    ],
)
def test_a_call_felt_it_if_it_had_to_wait_or_went_unanswered(call: Operation, times: int) -> None:
    """On the client's own link: a call made after heal, given up before inject, or answered meanwhile met nothing."""
    assert felt(window(felt=0, on="client.temporal"), [], [call]).felt == times


def test_a_fault_on_a_workers_link_is_felt_by_attempts_alone() -> None:
    """A call that the client gave up meanwhile says nothing of a worker's link."""
    assert felt(window(felt=0), [], [call(sent=11.0, given_up=12.0)]).felt == 0


def test_a_fault_on_the_clients_link_is_felt_by_calls_alone() -> None:
    """An attempt that failed meanwhile says nothing of the client's link."""
    run = workflow(activities=(activity(11.0, 12.0),))
    assert felt(window(felt=0, on="client.temporal"), [run], []).felt == 0


def test_a_link_that_nobody_used_was_felt_by_nobody() -> None:
    """Where no connection was open to be cut, an attempt that failed meanwhile failed for another reason."""
    before = replace(window(felt=3, cut=0), felt_by=("somebody",))
    now = felt(before, [workflow(activities=(activity(11.0, 12.0),))], [])
    assert (now.felt, now.felt_by) == (0, ())


def test_all_who_felt_it_are_counted_and_some_are_named() -> None:
    """The count is exact where the names are cut short, and each name says what happened."""
    told = felt(window(felt=0), [workflow(activities=(activity(11.0, 12.0),) * 9)], [])
    assert (told.felt, len(told.felt_by)) == (9, NAMED)
    assert told.felt_by[0] == "run.slice.0.main: load_chunk, attempt 2: refused"


def test_every_window_is_told_anew() -> None:
    """Each by itself, whatever it said before."""
    assert [w.felt for w in felt_all([window(felt=4), window(felt=0)], [], [])] == [0, 0]
    run, unanswered = workflow(activities=(activity(11.0, 12.0),) * 2), call(sent=11.0)
    both = felt_all([window(felt=0), window(felt=0, on="client.temporal")], [run], [unanswered])
    assert [w.felt for w in both] == [2, 1]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (call(sent=11.0, acknowledged=13.2), "answered 2.2 s after it was sent"),
        (replace(call(sent=11.0), error=None), "no answer"),
        (replace(call(sent=11.0), error="deadline exceeded"), "deadline exceeded"),
    ],
)
def test_a_call_that_felt_it_says_how(call: Operation, says: str) -> None:
    """With the workflow, the kind of call and its name."""
    assert felt(window(felt=0, on="client.temporal"), [], [call]).felt_by == (f"{WORKFLOW}: start Pipeline: {says}",)
