"""Sagas: what is taken back is taken back whole, once, and in reverse."""

import pytest
from handwritten_records import GOOD, WORKFLOW, effect, workflow
from msgspec.structs import replace

from harness.checking.compensation import Saga
from harness.checking.invariants import Records
from harness.records.effects import Effect, EffectKind
from harness.records.verdicts import Finding, Judgement, Verdict

ORDERS = Saga(name="in reverse", steps=frozenset({"reserve", "pay", "ship"}))


def done(step: str, item: str = "") -> Effect:
    return effect(item, step=step)


def undone(step: str, item: str = "") -> Effect:
    return effect(item, step=step, kind=EffectKind.COMPENSATION)


def ledger(*effects: Effect, status: str = "completed") -> Records:
    return replace(GOOD, effects=effects, workflows=[workflow(status=status)])


@pytest.mark.parametrize(
    "effects",
    [
        (done("reserve"), done("pay"), done("ship"), undone("ship"), undone("pay"), undone("reserve")),
        (done("reserve"), undone("pay"), undone("reserve")),
        (done("reserve"), undone("reserve"), done("reserve"), undone("reserve")),
        (done("reserve"), done("pay"), undone("pay"), done("pay"), undone("pay"), undone("reserve")),
        (done("open"), done("reserve"), undone("reserve"), done("close")),
        (done("pay", "a"), done("pay", "b"), undone("pay", "a"), undone("pay", "b")),
        (undone("reserve"),),
        (*(2 * (done("reserve"), done("pay"), undone("pay"), undone("reserve"))),),
    ],
    ids=[
        "whole",
        "one step had no effect yet",
        "again",
        "one step again",
        "beside other steps",
        "items of one step",
        "never done",
        "twice whole",
    ],
)
def test_a_saga_taken_back_in_reverse_is_well(effects: tuple[Effect, ...]) -> None:
    """However far it had come."""
    assert ORDERS(ledger(*effects)) == Judgement(invariant="in reverse", verdict=Verdict.VALID, checked=1)


NOT_TAKEN_BACK = "other steps were taken back, and this one was not"


@pytest.mark.parametrize(
    ("effects", "step", "problem", "message"),
    [
        ((done("reserve"), done("pay"), undone("pay")), "reserve", "uncompensated", NOT_TAKEN_BACK),
        ((undone("pay"), done("pay")), "pay", "uncompensated", NOT_TAKEN_BACK),
        (
            (done("pay"), undone("pay"), undone("pay")),
            "pay",
            "overcompensated",
            "it was taken back 2 times, and done 1 times",
        ),
        ((undone("pay"), undone("pay")), "pay", "overcompensated", "it was taken back 2 times, and done 0 times"),
        (
            (done("reserve"), done("pay"), undone("reserve"), undone("pay")),
            "reserve",
            "out_of_order",
            "it was taken back before pay, which was done after it: the last step is taken back first",
        ),
        (
            (done("reserve"), done("pay"), done("ship"), undone("ship"), undone("reserve"), undone("pay")),
            "reserve",
            "out_of_order",
            "it was taken back before pay, which was done after it: the last step is taken back first",
        ),
    ],
)
def test_a_saga_taken_back_otherwise_is_found(
    effects: tuple[Effect, ...], step: str, problem: str, message: str
) -> None:
    """The finding says which step it is about."""
    wrong = Finding(problem=problem, message=message, workflow_id=WORKFLOW, step=step, item="")
    assert ORDERS(ledger(*effects)) == Judgement(
        invariant="in reverse", verdict=Verdict.INVALID, checked=1, findings=(wrong,)
    )


def test_each_workflow_is_judged_by_itself() -> None:
    """What another one did is in nobody's way."""
    other = [replace(each, workflow_id="other") for each in (done("reserve"), done("pay"))]
    judgement = ORDERS(ledger(*other, done("reserve"), undone("reserve")))
    assert judgement == Judgement(invariant="in reverse", verdict=Verdict.VALID, checked=1)


@pytest.mark.parametrize(
    "records",
    [
        GOOD,
        replace(GOOD, effects=None),
        ledger(done("reserve")),
        ledger(done("load"), undone("load")),
        *(ledger(done("reserve"), done("pay"), undone("pay"), status=end) for end in ("running", "terminated")),
        ledger(done("reserve"), done("pay"), undone("pay"), status="timed_out"),
    ],
    ids=["no such step", "no ledger", "none taken back", "another's step", "running", "terminated", "timed out"],
)
def test_nothing_is_said_where_nothing_was_taken_back_to_the_end(records: Records) -> None:
    """Such a run is not judged at all, so that it is not unknown for that."""
    assert ORDERS(records) is None
