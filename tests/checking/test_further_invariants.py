"""The invariants of some runs only, on records written by hand: cancellations, connections; and when they apply."""

from typing import Any

import pytest
from handwritten_records import GOOD, NOTHING, WORKFLOW, effect, operation, window, workflow
from msgspec.structs import replace

from harness.checking.applicable import applicable
from harness.checking.cancelling import cancelled_as_told
from harness.checking.invariants import INVARIANTS, Records
from harness.checking.outside import one_call_an_attempt, one_key_an_effect
from harness.checking.phantoms import nothing_without_a_workflow
from harness.checking.replays import histories_replay
from harness.checking.sessions import connections_are_clean
from harness.records.calls import Call
from harness.records.operations import Ack, Kind
from harness.records.replays import Replay
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


def test_an_effect_of_a_workflow_nobody_knows_is_a_phantom() -> None:
    """The finding says whose it is to be."""
    strange = replace(effect("7"), workflow_id="nobody")
    phantom = Finding(
        problem="phantom",
        message="the ledger has an effect of a workflow that the server does not know",
        workflow_id="nobody",
        step="load",
        item="7",
    )
    records = replace(GOOD, effects=[effect(), strange])
    assert nothing_without_a_workflow(records) == Judgement(
        invariant="nothing without a workflow", verdict=Verdict.INVALID, checked=2, findings=(phantom,)
    )
    assert nothing_without_a_workflow(GOOD).verdict is Verdict.VALID
    unread = nothing_without_a_workflow(replace(GOOD, effects=None))
    assert (unread.invariant, unread.verdict) == ("nothing without a workflow", Verdict.UNKNOWN)
    assert unread.reason == "the target keeps no ledger"
    assert nothing_without_a_workflow in applicable(GOOD)
    assert nothing_without_a_workflow not in applicable(replace(GOOD, effects=[]))


def test_a_history_that_does_not_replay_is_found() -> None:
    """The finding has the differences, line by line; where none was replayed nothing is known."""
    same = Replay(workflow_id="same", run_id="r")
    other = Replay(workflow_id=WORKFLOW, run_id="r", differs=("Pipeline replays, and", "  event 5"))
    differs = Finding(problem="replays_differently", message="Pipeline replays, and\n  event 5", workflow_id=WORKFLOW)
    assert histories_replay(replace(GOOD, replays=[same, other])) == Judgement(
        invariant="histories replay", verdict=Verdict.INVALID, checked=2, findings=(differs,)
    )
    assert histories_replay(replace(GOOD, replays=[same])) == Judgement(
        invariant="histories replay", verdict=Verdict.VALID, checked=1
    )
    unknown = histories_replay(GOOD)
    assert (unknown.invariant, unknown.reason) == ("histories replay", "no history was replayed")
    assert histories_replay in applicable(replace(GOOD, replays=[same]))
    assert histories_replay not in applicable(replace(GOOD, replays=[]))


def test_a_run_in_which_every_operation_failed_is_never_valid() -> None:
    """Whatever else there is to look at: its verdict is the worst of all."""
    failed = [operation(ack=Ack.FAIL, acknowledged=None), operation(kind=Kind.RESULT, ack=Ack.INFO)]
    everything = replace(
        GOOD, operations=failed, calls=[CALL], sessions=[IDLE], replays=[Replay(workflow_id="w", run_id="r")]
    )
    for records in (everything, replace(everything, operations=failed[:1], workflows=[], effects=[], facts=[])):
        verdicts = [invariant(records).verdict for invariant in applicable(records)]
        assert Verdict.worst(verdicts) is Verdict.INVALID
