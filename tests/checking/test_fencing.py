"""Superseded attempts: what they may leave behind, and what they may not."""

import pytest
from handwritten_records import GOOD, WORKFLOW, effect, window, workflow
from msgspec.structs import replace

from harness.checking.applicable import applicable
from harness.checking.fencing import could_be_superseded, superseded_write_nothing
from harness.checking.invariants import Records
from harness.records.effects import Effect, EffectKind
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import Activity

NAME = "superseded attempts write nothing"
RETRIED = Activity(
    type="pipeline.load",
    activity_id="1",
    scheduled=1.0,
    started=3.0,
    closed=4.0,
    attempts=2,
    worker="w",
    last_failure="activity StartToClose timeout",
    outcome="completed",
    event_id=5,
)
OTHER = replace(RETRIED, activity_id="2", started=1.1, closed=9.0, attempts=1, event_id=6)


def by(attempt: int | None, committed_at: float, kind: EffectKind = EffectKind.FORWARD) -> Effect:
    return replace(effect(kind=kind), attempt=attempt, committed_at=committed_at)


def ledger(*effects: Effect, activities: tuple[Activity, ...] = (RETRIED,)) -> Records:
    """A step whose second attempt began at 3 and ended at 4."""
    return replace(GOOD, effects=effects, workflows=[workflow(activities=activities)])


@pytest.mark.parametrize(
    ("effects", "why"),
    [
        ((by(2, 3.5), by(1, 3.7)), "0.7 s after attempt 2 had begun, and a later attempt wrote it too"),
        ((by(1, 3.5), by(2, 3.7)), "0.5 s after attempt 2 had begun, and a later attempt wrote it too"),
        ((by(1, 4.5),), "0.5 s after attempt 2, the last one, had ended"),
    ],
    ids=["after the last one", "before the last one", "when all was over"],
)
def test_what_a_superseded_attempt_wrote_and_nobody_found_is_a_zombies(effects: tuple[Effect, ...], why: str) -> None:
    """The finding says which attempt it was, and how late."""
    zombie = Finding(
        problem="zombie",
        message=f"attempt 1 wrote it {why}; an attempt that wakes up late must find its step taken: claim the step's "
        "key in the transaction of the effect",
        workflow_id=WORKFLOW,
        step="load",
        item="0",
        attempt=1,
    )
    assert superseded_write_nothing(ledger(*effects)) == Judgement(
        invariant=NAME, verdict=Verdict.INVALID, checked=len(effects), findings=(zombie,)
    )


@pytest.mark.parametrize(
    "records",
    [
        ledger(by(1, 2.0)),
        ledger(by(1, 3.0)),
        ledger(by(1, 2.9), by(2, 3.5)),
        ledger(by(1, 3.0), by(2, 3.5)),
        ledger(by(1, 3.5)),
        ledger(by(1, 4.0)),
        ledger(by(2, 9.0)),
        ledger(by(1, 4.5), by(2, 5.0, EffectKind.COMPENSATION)),
        ledger(by(1, 4.5), activities=(replace(RETRIED, started=None),)),
        ledger(by(1, 9.5), activities=(replace(RETRIED, closed=None),)),
        ledger(by(1, 4.5), activities=(RETRIED, OTHER)),
    ],
    ids=[
        "before the last one began",
        "as it began",
        "twice, the first in time: that is no zombie's",
        "twice, the first as the last one began",
        "found by the last one",
        "found as it ended",
        "by the last one itself",
        "taken back afterwards",
        "when the last one began is not known",
        "the last one still runs",
        "another activity may have made it",
    ],
)
def test_other_effects_are_well(records: Records) -> None:
    """They were in time, were found, did no harm, or may have been."""
    judgement = superseded_write_nothing(records)
    assert (judgement.invariant, judgement.verdict, judgement.findings) == (NAME, Verdict.VALID, ())
    assert judgement.checked == sum(each.kind is EffectKind.FORWARD for each in records.effects or ())


def test_an_effect_is_judged_by_the_activities_of_its_own_run() -> None:
    """Another run of the workflow had a second attempt too, which ended later."""
    other_run = replace(workflow(activities=(replace(RETRIED, closed=9.0),)), run_id="other")
    records = ledger(by(1, 4.5))
    judgement = superseded_write_nothing(replace(records, workflows=[*records.workflows, other_run]))
    assert [finding.attempt for finding in judgement.findings] == [1]


def test_a_step_done_again_after_it_was_taken_back_is_not_excused() -> None:
    """A compensation makes good what was there before it."""
    judgement = superseded_write_nothing(ledger(by(2, 3.5), by(2, 3.6, EffectKind.COMPENSATION), by(1, 4.5)))
    assert [finding.attempt for finding in judgement.findings] == [1]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (replace(GOOD, effects=None), "the target keeps no ledger"),
        (ledger(by(1, 2.0), by(None, 2.0)), "which attempt had an effect is not told where effects are read from"),
        (ledger(by(1, 2.0), activities=()), "there was nothing to look at"),
        (ledger(by(1, 9.0, EffectKind.COMPENSATION)), "there was nothing to look at"),
    ],
)
def test_it_is_unknown_where_attempts_are(records: Records, reason: str) -> None:
    """And never valid."""
    assert superseded_write_nothing(records) == Judgement(
        invariant=NAME, verdict=Verdict.UNKNOWN, checked=0, reason=reason
    )


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (ledger(by(1, 2.0)), True),
        (replace(ledger(by(None, 2.0)), faults=[window()]), True),
        (ledger(by(None, 2.0)), False),
        (ledger(by(1, 2.0), activities=(OTHER,)), False),
        (replace(ledger(by(None, 2.0), activities=(OTHER,)), faults=[window()]), False),
        (ledger(by(1, 2.0), activities=(OTHER, replace(RETRIED, type="check"))), False),
        (ledger(), False),
        (replace(ledger(), effects=None), False),
        (replace(ledger(), effects=None, faults=[window()]), True),
        (replace(ledger(activities=(OTHER,)), effects=None, faults=[window()]), False),
    ],
    ids=[
        "retried",
        "not told, faults",
        "not told",
        "not retried",
        "none retried",
        "another was",
        "no effects",
        "no ledger",
        "no ledger, faults",
        "no ledger, faults, none retried",
    ],
)
def test_it_is_asked_where_an_attempt_was_superseded(records: Records, *, expected: bool) -> None:
    """No other run could break it, or show that it holds."""
    assert could_be_superseded(records) is expected
    assert (superseded_write_nothing in applicable(records)) is expected
