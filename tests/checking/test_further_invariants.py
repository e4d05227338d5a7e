"""The invariants of some runs only, on records written by hand: calls to the outside, cancellations, connections."""

from typing import Any

import pytest
from handwritten_records import GOOD, NOTHING, WORKFLOW, window, workflow
from msgspec.structs import replace

from harness.checking.applicable import applicable
from harness.checking.cancelling import cancelled_as_told
from harness.checking.invariants import INVARIANTS, Invariant, Records
from harness.checking.outside import one_call_an_attempt, one_key_an_effect
from harness.checking.sessions import connections_are_clean
from harness.records.calls import Call
from harness.records.sessions import Session
from harness.records.verdicts import Verdict
from harness.records.workflows import Activity, WorkflowRun

PAY = Activity(
    type="pay", activity_id="1", scheduled=1.1, started=1.2, closed=1.6, attempts=2, worker="w", last_failure="no"
)
IDLE = Session(pid=7, application="shop", state="idle", seconds=3.0, query="COMMIT")


def call(key: str = "w/pay", *, calls: int = 2, effects: int = 1) -> Call:
    return Call(workflow_id=WORKFLOW, activity="pay", key=key, calls=calls, effects=effects)


def paying(*calls: Call, activities: tuple[Activity, ...] = (PAY,)) -> Records:
    """A workflow with one activity that paid in two attempts."""
    return replace(GOOD, workflows=[workflow(activities=activities)], calls=calls)


def cancelled(status: str = "completed", **more: Any) -> Records:
    """A workflow that was told to cancel."""
    return replace(GOOD, workflows=[replace(workflow(status=status), **{"cancel_requested": 1.5, **more})])


def messages(invariant: Invariant, records: Records) -> list[str]:
    judgement = invariant(records)
    assert judgement.verdict is (Verdict.INVALID if judgement.findings else Verdict.VALID)
    return [finding.message for finding in judgement.findings]


def verdict(invariant: Invariant, records: Records) -> tuple[Verdict, int]:
    judgement = invariant(records)
    assert bool(judgement.reason) == (judgement.verdict is Verdict.UNKNOWN)
    return judgement.verdict, judgement.checked


@pytest.mark.parametrize(
    "invariant", [one_key_an_effect, one_call_an_attempt, connections_are_clean, cancelled_as_told]
)
def test_of_nothing_nothing_is_known(invariant: Invariant) -> None:
    """Nobody looked, or there was nothing to look at."""
    assert verdict(invariant, NOTHING) == (Verdict.UNKNOWN, 0)
    assert verdict(invariant, replace(NOTHING, calls=[], sessions=[])) == (Verdict.UNKNOWN, 0)


def test_a_run_is_judged_by_what_it_has() -> None:
    """What nobody counted is no part of it."""
    assert applicable(NOTHING) == INVARIANTS
    assert {one_key_an_effect, one_call_an_attempt} <= set(applicable(paying(call())))
    assert connections_are_clean in applicable(replace(GOOD, sessions=[IDLE]))
    assert connections_are_clean not in applicable(replace(GOOD, sessions=[IDLE], faults=[window()]))
    assert cancelled_as_told in applicable(cancelled())
    assert cancelled_as_told not in applicable(cancelled(begun_after_cancel=("refund",)))


def test_one_key_and_a_call_an_attempt_are_well() -> None:
    """Two attempts, two calls, one key."""
    assert messages(one_key_an_effect, paying(call())) == []
    assert messages(one_call_an_attempt, paying(call())) == []


def test_keys_that_differ_by_a_number_hold_the_attempt() -> None:
    """The finding shows them."""
    (message,) = messages(one_key_an_effect, paying(call("w/pay/1", calls=1), call("w/pay/2", calls=1)))
    assert message == (
        "pay called the outside under 2 keys (effects: 2): w/pay/1, w/pay/2; "
        "they differ by a number, such as the attempt's, which must not be in a key"
    )


def test_keys_that_have_nothing_in_common_are_made_anew() -> None:
    """Of many, some are shown."""
    (message,) = messages(one_key_an_effect, paying(*(call(key, calls=1) for key in ("ab", "cd", "ef", "gh"))))
    assert "under 4 keys (effects: 4): ab, cd, ef, …; a key is made of workflow id, step and item" in message


def test_a_call_without_a_key_is_told() -> None:
    """Also where it has taken effect once."""
    (message,) = messages(one_key_an_effect, paying(call("")))
    assert "without an idempotency key (effects: 1)" in message


def test_more_calls_than_attempts_are_a_retry_inside_the_retry() -> None:
    """Whatever their keys."""
    (message,) = messages(one_call_an_attempt, paying(call(calls=3), call("b", calls=1)))
    assert "pay called the outside 4 times in 2 attempts: it retries within Temporal's own retry" in message


@pytest.mark.parametrize(
    "activities",
    [(), (replace(PAY, started=None, attempts=0),), (replace(PAY, closed=None),), (PAY, replace(PAY, closed=None))],
)
def test_where_attempts_are_not_known_calls_are_not_judged(activities: tuple[Activity, ...]) -> None:
    """An activity that was left behind may have had any number."""
    assert verdict(one_call_an_attempt, paying(call(calls=9), activities=activities)) == (Verdict.UNKNOWN, 0)


def test_attempts_count_over_all_runs_of_a_workflow() -> None:
    """Its key stays the same when it is run again."""
    again = workflow(activities=(PAY,))
    assert messages(one_call_an_attempt, replace(paying(call(calls=4)), workflows=[again, again])) == []


def test_who_goes_on_and_completes_has_swallowed_its_cancellation() -> None:
    """The finding says with what."""
    went_on = ("load", "load", "check")
    (message,) = messages(cancelled_as_told, cancelled(begun_after_cancel=went_on, went_on_with=went_on))
    assert message == (
        "Pipeline was told to cancel, and completed: it went on with load, check (3 more); "
        "somewhere a CancelledError is caught and not raised again"
    )


@pytest.mark.parametrize(
    "records",
    [
        cancelled("canceled", begun_after_cancel=("load",), went_on_with=("load",)),
        cancelled("failed", begun_after_cancel=("undo",)),
        cancelled(),
    ],
    ids=["it ended as cancelled", "it failed", "it was too late"],
)
def test_who_does_not_go_on_is_well(records: Records) -> None:
    """Whatever it has begun meanwhile."""
    assert verdict(cancelled_as_told, records) == (Verdict.VALID, 1)


@pytest.mark.parametrize(
    "run",
    [
        replace(workflow(), cancel_requested=1.5, begun_after_cancel=("refund",)),
        replace(workflow(status="running"), cancel_requested=1.5, went_on_with=("load",)),
        workflow(),
    ],
    ids=["it took something back, or not", "it has not ended", "it was not told"],
)
def test_of_whom_nothing_is_known_nothing_is_said(run: WorkflowRun) -> None:
    """Not that it is well, either."""
    assert verdict(cancelled_as_told, replace(GOOD, workflows=[run])) == (Verdict.UNKNOWN, 0)


@pytest.mark.parametrize("state", ["idle in transaction", "idle in transaction (aborted)"])
def test_a_connection_left_within_a_transaction_is_dirty(state: str) -> None:
    """The finding says whose it is, and what it did last."""
    (message,) = messages(connections_are_clean, replace(GOOD, sessions=[IDLE, replace(IDLE, state=state)]))
    assert message.startswith(
        "a connection of 'shop' went back to its pool within a transaction, open for 3.0 s after: COMMIT; end the"
    )


def test_connections_at_rest_or_at_work_are_clean() -> None:
    """One whose state we may not see is not judged."""
    sessions = [IDLE, replace(IDLE, state="active"), replace(IDLE, state="")]
    assert verdict(connections_are_clean, replace(GOOD, sessions=sessions)) == (Verdict.VALID, 2)
