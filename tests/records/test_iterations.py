"""An iteration draws from its own substream, and its ids carry its prefix."""

from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.operations import Ack, Iteration, Kind, Operation, completed, substream
from harness.records.workflows import Activity, WorkflowRun


def iteration(index: int, *, seed: int = 7, scenario: str = "slice") -> Iteration:
    return Iteration(run="run-1", scenario=scenario, index=index, seed=seed, intended=0.0)


@given(st.permutations(range(8)))
def test_what_an_iteration_draws_does_not_depend_on_what_ran_before(order: list[int]) -> None:
    """In any order each draws what it draws alone."""
    drawn = {index: iteration(index).rng().random() for index in order}
    assert drawn == {index: iteration(index).rng().random() for index in range(8)}


def test_different_seeds_scenarios_and_indexes_draw_differently() -> None:
    """No two of them share a substream."""
    drawn = [
        iteration(index, seed=seed, scenario=scenario).rng().random()
        for index, seed, scenario in product(range(20), (1, 2), ("a", "b"))
    ]
    assert len(set(drawn)) == len(drawn)


def test_the_same_substream_is_drawn_in_every_process() -> None:
    """The values are fixed for ever: a run can be repeated on another machine."""
    assert [substream(4711, "slice", "3").randrange(1000) for _ in range(2)] == [462, 462]


def test_every_id_of_an_iteration_begins_with_its_prefix_and_with_no_other() -> None:
    """Iteration 1 is not taken for iteration 11."""
    assert iteration(11).id("main") == "run-1.slice.11.main"
    assert not iteration(11).id("main").startswith(iteration(1).prefix)


def operation(acknowledged: float | None) -> Operation:
    return Operation(
        scenario="s",
        iteration=0,
        kind=Kind.RESULT,
        name="",
        workflow_id="w",
        run_id=None,
        intended=10.0,
        sent=10.4,
        acknowledged=acknowledged,
        ack=Ack.OK if acknowledged else Ack.INFO,
    )


def test_response_counts_from_the_intended_time_and_service_from_sending() -> None:
    """What the caller was late is part of the one, and not of the other."""
    answered = operation(11.0)
    assert answered.response_time == pytest.approx(1.0)
    assert answered.service_time == pytest.approx(0.6)
    assert answered.lag == pytest.approx(0.4)


def test_a_call_nobody_answered_took_no_known_time() -> None:
    """Neither has a value, and the lag has."""
    unanswered = operation(None)
    assert (unanswered.response_time, unanswered.service_time) == (None, None)
    assert unanswered.lag == pytest.approx(0.4)


def spans(*times: tuple[float | None, float | None]) -> WorkflowRun:
    activities = tuple(
        Activity(
            type="a",
            activity_id=str(number),
            scheduled=0.0,
            started=started,
            closed=closed,
            attempts=1,
            worker="w",
            last_failure=None,
        )
        for number, (started, closed) in enumerate(times)
    )
    return WorkflowRun(
        scenario="s",
        iteration=0,
        workflow_id="w",
        run_id="r",
        type="t",
        status="completed",
        started=0.0,
        closed=10.0,
        events=5,
        activities=activities,
    )


@pytest.mark.parametrize(
    ("times", "total"),
    [
        ([], 0.0),
        ([(1.0, 2.0), (4.0, 6.0)], 3.0),
        ([(1.0, 5.0), (2.0, 3.0)], 4.0),
        ([(1.0, 3.0), (2.0, 5.0)], 4.0),
        ([(2.0, 3.0), (1.0, 2.5)], 2.0),
        ([(1.0, 5.0), (2.0, 3.0), (4.0, 6.0)], 5.0),
        ([(1.0, 2.0), (None, None), (3.0, None)], 1.0),
    ],
)
def test_activity_time_counts_each_moment_once(times: list[tuple[float | None, float | None]], total: float) -> None:
    """Activities that overlap share their time; those that never ran have none."""
    assert spans(*times).activity_time() == pytest.approx(total)


def test_a_workflow_has_completed_when_its_result_says_so() -> None:
    """Not when it ended otherwise, or nobody answered; and it counts once, however often it was asked."""
    results = [
        msgspec.structs.replace(operation(11.0 if status else None), workflow_id=name, status=status)
        for name, status in (("b", "completed"), ("f", "failed"), ("a", "completed"), ("b", "completed"), ("u", None))
    ]
    start = msgspec.structs.replace(results[0], kind=Kind.START, workflow_id="s", status=None)
    assert completed([start, *results]) == ["b", "a"]
