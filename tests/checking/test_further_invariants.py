"""The invariants of some runs only, on records written by hand: cancellations, connections; and when they apply."""

from typing import Any

import pytest
from handwritten_records import GOOD, NOTHING, WORKFLOW, window, workflow
from msgspec.structs import replace

from harness.checking.applicable import applicable
from harness.checking.cancelling import cancelled_as_told
from harness.checking.invariants import INVARIANTS, Records
from harness.checking.outside import one_call_an_attempt, one_key_an_effect
from harness.checking.sessions import connections_are_clean
from harness.records.calls import Call
from harness.records.sessions import Session
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import WorkflowRun

CALL = Call(workflow_id=WORKFLOW, activity="pay", key="w/pay", calls=1, effects=1)
IDLE = Session(pid=7, application="shop", state="idle", seconds=3.0, query="COMMIT")


def cancelled(status: str = "completed", **more: Any) -> Records:
    """A workflow that was told to cancel."""
    return replace(GOOD, workflows=[replace(workflow(status=status), **{"cancel_requested": 1.5, **more})])


def test_a_run_is_judged_by_what_it_has() -> None:
    """What nobody counted is no part of it."""
    assert applicable(NOTHING) == INVARIANTS
    assert {one_key_an_effect, one_call_an_attempt} <= set(applicable(replace(GOOD, calls=[CALL])))
    assert connections_are_clean in applicable(replace(GOOD, sessions=[IDLE]))
    assert connections_are_clean not in applicable(replace(GOOD, sessions=[IDLE], faults=[window()]))
    assert cancelled_as_told in applicable(cancelled())
    assert cancelled_as_told not in applicable(cancelled(begun_after_cancel=("refund",)))


def test_who_goes_on_and_completes_has_swallowed_its_cancellation() -> None:
    """The finding says with what."""
    went_on = ("load", "load", "check")
    swallowed = Finding(
        problem="cancellation_swallowed",
        message="Pipeline was told to cancel, and completed: it went on with load, check (3 more); "
        "somewhere a CancelledError is caught and not raised again",
        workflow_id=WORKFLOW,
    )
    assert cancelled_as_told(cancelled(begun_after_cancel=went_on, went_on_with=went_on)) == Judgement(
        invariant="cancelled as told", verdict=Verdict.INVALID, checked=1, findings=(swallowed,)
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
    assert cancelled_as_told(records) == Judgement(invariant="cancelled as told", verdict=Verdict.VALID, checked=1)


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [replace(workflow(), cancel_requested=1.5, begun_after_cancel=("refund",))],
        [replace(workflow(status="running"), cancel_requested=1.5, went_on_with=("load",))],
        [workflow()],
    ],
    ids=["there is none", "it took something back, or not", "it has not ended", "it was not told"],
)
def test_of_whom_nothing_is_known_nothing_is_said(runs: list[WorkflowRun]) -> None:
    """Not that it is well, either."""
    judgement = cancelled_as_told(replace(GOOD, workflows=runs))
    assert (judgement.verdict, judgement.checked) == (Verdict.UNKNOWN, 0)
    assert judgement.reason == "there was nothing to look at"


@pytest.mark.parametrize("state", ["idle in transaction", "idle in transaction (aborted)"])
@pytest.mark.parametrize(("application", "whose"), [("shop", "'shop'"), ("", "'nobody by name'")])
def test_a_connection_left_within_a_transaction_is_dirty(state: str, application: str, whose: str) -> None:
    """The finding says whose it is, and what it did last."""
    left = replace(IDLE, state=state, application=application)
    dirty = Finding(
        problem="dirty",
        message=f"a connection of {whose} went back to its pool within a transaction, open for 3.0 s after: COMMIT; "
        "end the transaction on every way out, and let the pool reset what it gets back",
    )
    assert connections_are_clean(replace(GOOD, sessions=[IDLE, left])) == Judgement(
        invariant="connections are clean", verdict=Verdict.INVALID, checked=2, findings=(dirty,)
    )


def test_connections_at_rest_or_at_work_are_clean() -> None:
    """One whose state we may not see is not judged."""
    sessions = [IDLE, replace(IDLE, state="active"), replace(IDLE, state="")]
    assert connections_are_clean(replace(GOOD, sessions=sessions)) == Judgement(
        invariant="connections are clean", verdict=Verdict.VALID, checked=2
    )


@pytest.mark.parametrize(
    ("sessions", "reason"),
    [
        (None, "PostgreSQL was not asked for its connections"),
        ([], "there was nothing to look at"),
        ([replace(IDLE, state="")], "there was nothing to look at"),
    ],
    ids=["not asked", "none", "not told"],
)
def test_of_no_connections_nothing_is_known(sessions: list[Session] | None, reason: str) -> None:
    """Nobody asked, there was none, or nothing was told of any."""
    assert connections_are_clean(replace(NOTHING, sessions=sessions)) == Judgement(
        invariant="connections are clean", verdict=Verdict.UNKNOWN, checked=0, reason=reason
    )
