"""What the scenarios of schedules find, in facts written by hand."""

import msgspec
import pytest

from harness.records.effects import Fact
from harness.records.operations import Ack, Kind, Operation
from scenarios.scheduling import Applied, Backfilled, Change, Stretch, Version

PREFIX = "r.scheduling-backfilled.0."
START = 1_735_689_600
STRETCH = Stretch(start=START, minutes=30, times=2, overlap="buffer_all", as_cron=True)
FIRST, SECOND = "warm-2025-01-01T00:00:00Z", "warm-2025-01-01T00:30:00Z"
TRIGGERED = "warm-2026-11-22T08:00:00Z"
CHANGE = Change(before=(Version("s0", 1), Version("s1", 1)), after=(Version("s1", 2),))


def fact(part: str, **values: int) -> Fact:
    return Fact(
        scenario="scheduling-backfilled",
        iteration=0,
        workflow_id=PREFIX + part,
        step="record_run",
        item="",
        expected=1,
        found=1,
        values={"version": 0, "overlapping": 0, "misdated": 0} | values,
    )


def result(part: str) -> Operation:
    return Operation(
        scenario="scheduling-backfilled",
        iteration=0,
        kind=Kind.RESULT,
        name="",
        workflow_id=PREFIX + part,
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=Ack.OK,
        status="completed",
    )


RUNS = ("hand", FIRST, SECOND, TRIGGERED)


def test_a_backfill_as_it_should_be_has_no_finding() -> None:
    """By hand once, each time once, and the one that was triggered."""
    assert Backfilled().check(STRETCH, [result(part) for part in RUNS], [fact(part) for part in RUNS]) == []


@pytest.mark.parametrize(
    ("waited", "facts", "problem"),
    [
        (RUNS, [fact(part) for part in RUNS if part != SECOND], "lost"),
        (("hand", FIRST), [fact("hand"), fact(FIRST)], "lost"),
        (RUNS, [*map(fact, RUNS), fact("warm-2025-01-01T01:00:00Z")], "undue"),
        (RUNS, [*map(fact, RUNS), fact("warm-2026-11-22T08:00:01Z")], "doubled"),
        (RUNS, [fact("hand"), fact(FIRST, overlapping=1), fact(SECOND), fact(TRIGGERED)], "overlap"),
        (RUNS, [fact("hand"), fact(FIRST, misdated=1), fact(SECOND), fact(TRIGGERED)], "misdated"),
    ],
)
def test_a_backfill_that_went_wrong_is_found(waited: tuple[str, ...], facts: list[Fact], problem: str) -> None:
    """A time that was not run or not recorded, one that was not due, one too many, two at once, another's time."""
    (found,) = Backfilled().check(STRETCH, [result(part) for part in waited], facts)
    assert found.problem == problem


def test_what_may_be_skipped_or_go_on_at_once_is_no_finding() -> None:
    """With skip not every time is run; with allow_all runs go on at once; an iteration cut short proves nothing."""
    skipping = msgspec.structs.replace(STRETCH, overlap="skip")
    assert Backfilled().check(skipping, [result("hand"), result(FIRST)], [fact("hand"), fact(FIRST)]) == []
    beside = msgspec.structs.replace(STRETCH, overlap="allow_all")
    facts = [fact(part, overlapping=1) for part in RUNS]
    assert Backfilled().check(beside, [result(part) for part in RUNS], facts) == []
    assert Backfilled().check(STRETCH, [result("hand")], [fact("hand"), fact(FIRST)]) == []


def test_only_what_is_declared_runs_as_it_is_declared() -> None:
    """A schedule that was pruned, or that runs by the version before, is found."""
    good = [fact("hand"), fact("s1-2026-11-22T08:00:00Z", version=2)]
    assert Applied().check(CHANGE, [], good) == []
    (undeclared,) = Applied().check(CHANGE, [], [*good, fact("s0-2026-11-22T08:00:00Z", version=1)])
    assert undeclared.problem == "undeclared"
    (stale,) = Applied().check(CHANGE, [], [fact("s1-2026-11-22T08:00:00Z", version=1)])
    assert (stale.problem, stale.message) == ("stale", "version 1 ran, 2 is declared")
