"""A fault is felt by the attempts and calls that failed while it was in force, and by no others."""

import pytest
from handwritten_records import operation, window, workflow

from harness.checking.felt import NAMED, felt, felt_all
from harness.records.operations import Ack, Operation
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


@pytest.mark.parametrize(
    ("met", "times"),
    [
        (activity(9.0, 13.5), 1),
        (activity(11.0, 12.0), 1),
        (activity(9.0, 9.5), 0),
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
        (operation(ack=Ack.INFO, sent=11.0, acknowledged=None), 1),
        (operation(ack=Ack.INFO, sent=9.0, acknowledged=None), 1),
        (operation(ack=Ack.OK, sent=11.0, acknowledged=None), 1),  # its fate was found out after heal
        (operation(ack=Ack.INFO, sent=13.0, acknowledged=None), 0),
        (operation(ack=Ack.INFO, sent=8.0, acknowledged=9.0), 0),
        (operation(ack=Ack.OK, sent=11.0), 0),
    ],
)
def test_a_call_felt_it_if_it_was_unanswered_meanwhile(call: Operation, times: int) -> None:
    """A call made after heal, or given up before inject, met nothing."""
    assert felt(window(felt=0), [], [call]).felt == times


def test_all_who_felt_it_are_counted_and_some_are_named() -> None:
    """The count is exact where the names are cut short, and each name says what happened."""
    told = felt(window(felt=0), [workflow(activities=(activity(11.0, 12.0),) * 9)], [])
    assert (told.felt, len(told.felt_by)) == (9, NAMED)
    assert told.felt_by[0] == "run.slice.0.main: load_chunk, attempt 2: refused"


def test_every_window_is_told_anew() -> None:
    """Each by itself, whatever it said before."""
    assert [w.felt for w in felt_all([window(felt=4), window(felt=0)], [], [])] == [0, 0]
