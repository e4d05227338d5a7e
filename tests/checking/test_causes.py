"""Why an effect is there that may not be: what the finding says of it."""

import pytest
from handwritten_records import GOOD, WORKFLOW, effect, fact, workflow
from msgspec.structs import replace

from harness.checking.invariants import Records, effects_are_atomic, nothing_doubled
from harness.records.effects import Effect, EffectKind, Fact
from harness.records.workflows import Activity, WorkflowRun

MAY_NOT_BE = fact(expected=0)


def said(effects: list[Effect], *runs: WorkflowRun, problem: str = "uncompensated") -> str:
    """What the only finding says where no row may be."""
    records = Records(operations=[], workflows=runs, effects=effects, facts=[MAY_NOT_BE])
    (finding,) = nothing_doubled(records).findings
    assert (finding.problem, finding.workflow_id, finding.step) == (problem, WORKFLOW, "load")
    return finding.message


def activity(outcome: str, *, type_: str = "pipeline.load", closed: float | None = 1.6) -> Activity:
    return Activity(
        type=type_,
        activity_id="1",
        scheduled=1.1,
        started=1.2,
        closed=closed,
        attempts=1,
        worker="w",
        last_failure=None,
        outcome=outcome,
    )


@pytest.mark.parametrize("type_", ["load", "pipeline.load", "shop.pipeline.load"])
def test_a_step_that_ended_well_was_not_compensated(type_: str) -> None:
    """The activity of a step is the one whose type ends with its name."""
    run = workflow(activities=(activity("completed", type_=type_), activity("failed", type_="pipeline.unload")))
    assert said([effect()], run) == (
        f"100 rows are there, and none may be: it was written by attempt 1, its activity {type_} completed, "
        "and no compensation of it was run"
    )


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("failed", "failed"), ("timed_out", "timed out"), ("canceled", "was cancelled"), ("", "was left behind")],
)
def test_a_step_without_a_result_was_registered_too_late(outcome: str, told: str) -> None:
    """It has had its effect all the same."""
    assert said([effect()], workflow(activities=(activity(outcome),))) == (
        f"100 rows are there, and none may be: it was written by attempt 1, its activity pipeline.load {told}, and "
        "nothing took it back; a compensation must be registered before its step begins, not after it ended well"
    )


def test_an_effect_after_the_end_was_not_fenced() -> None:
    """Whatever became of its activity: it was written when nobody was there to take it back."""
    late = replace(effect(), committed_at=4.5)
    assert said([late], workflow(activities=(activity("completed"),)), problem="zombie") == (
        "100 rows are there, and none may be: it was written by attempt 1 2.5 s after its workflow had closed; nothing "
        "fences an attempt that wakes up late: a compensation must claim the key of its step, also where there is no "
        "effect yet"
    )


def test_an_effect_at_the_very_end_was_not_late() -> None:
    """Closed and committed at the same instant: nothing says that the workflow was gone."""
    at_the_end = replace(effect(), committed_at=2.0)
    assert said([at_the_end], workflow()).endswith("by attempt 1, and no compensation of it was run")


def test_an_effect_after_others_had_gone_on_was_not_fenced() -> None:
    """What took it back was there before it, and found nothing."""
    own, other = activity("completed", closed=1.9), replace(activity("completed", type_="unload"), scheduled=1.3)
    late = replace(effect(), committed_at=1.8)
    assert said([late], workflow(activities=(own, other)), problem="zombie") == (
        "100 rows are there, and none may be: it was written by attempt 1 0.2 s after its workflow had gone on without "
        "it, to unload; nothing fences an attempt that wakes up late: a compensation must claim the key of its step, "
        "also where there is no effect yet"
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(activity("completed", type_="unload"), scheduled=1.1),
        replace(activity("failed", type_="unload"), scheduled=1.3),
        replace(activity("completed", type_="unload", closed=1.9), scheduled=1.3),
        replace(activity("completed", type_="shop.load"), scheduled=1.3),
    ],
    ids=["begun beside it", "failed", "ended after it", "another of its kind"],
)
def test_what_runs_beside_an_effect_does_not_make_it_late(other: Activity) -> None:
    """Workflows do several things at a time."""
    own, written = activity("completed", closed=1.9), replace(effect(), committed_at=1.8)
    assert "gone on" not in said([written], workflow(activities=(own, other)))


def test_where_the_ledger_does_not_say_which_attempt_none_is_told() -> None:
    """The rest is said all the same."""
    assert said([replace(effect(), attempt=None)], workflow()) == (
        "100 rows are there, and none may be: it was written, and no compensation of it was run"
    )


@pytest.mark.parametrize("runs", [(), (workflow(),), (workflow(activities=(activity("failed"), activity("failed"))),)])
def test_where_nothing_is_known_of_its_activity_nothing_is_said_of_it(runs: tuple[WorkflowRun, ...]) -> None:
    """No history, no such activity, or several."""
    assert said([effect()], *runs).endswith("it was written by attempt 1, and no compensation of it was run")


def test_the_effect_that_stands_is_the_one_that_is_explained() -> None:
    """Done, undone, and done again by a later attempt."""
    again = replace(effect(), attempt=2)
    assert "written by attempt 2" in said([effect(), effect(kind=EffectKind.COMPENSATION), again], workflow())


@pytest.mark.parametrize(
    ("effects", "told"),
    [
        (
            [effect(), replace(effect(), attempt=2)],
            (
                ": attempts 1 and 2 each wrote it; a repeat must find what the first one did, "
                "by a key that no attempt changes"
            ),
        ),
        ([effect(), effect()], ": attempt 1 wrote it each time"),
        ([effect(), replace(effect(), attempt=None)], ""),
        ([effect(), replace(effect(), run_id="another")], ""),
    ],
    ids=["two attempts", "one attempt", "not told", "two runs"],
)
def test_who_doubled_an_effect_is_told_where_the_ledger_knows(effects: list[Effect], told: str) -> None:
    """Attempts of several runs are no repeats of one activity."""
    (finding,) = nothing_doubled(replace(GOOD, effects=effects)).findings
    assert finding.problem == "doubled"
    assert finding.message == f"the ledger has it 2 times, undone 0 times{told}"


REPEATED = replace(activity("completed"), attempts=2)
THREE_TIMES = fact(found=141, transactions=(700, 701, 702))


@pytest.mark.parametrize(
    ("rows", "made_by", "why"),
    [
        (
            THREE_TIMES,
            REPEATED,
            (
                ": 3 transactions wrote them, and pipeline.load was attempted more than once; an attempt does again "
                "what the one before it had committed: go on from where its heartbeat details say, or commit all of it "
                "at once"
            ),
        ),
        (THREE_TIMES, activity("completed"), ""),
        (fact(found=141), REPEATED, ""),
    ],
    ids=["several attempts and transactions", "one attempt", "one transaction"],
)
def test_rows_of_several_attempts_are_a_repeat(rows: Fact, made_by: Activity, why: str) -> None:
    """Only where both are seen: several transactions, and an attempt after another."""
    run = workflow(activities=(made_by,))
    records = Records(operations=[], workflows=[run], effects=[effect()], facts=[rows])
    (finding,) = nothing_doubled(records).findings
    assert finding.message == f"141 rows are there, 100 expected{why}"


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (
            "completed",
            (
                ", though pipeline.load completed: the line is written apart from the rows, and was lost between; "
                "commit both in one transaction"
            ),
        ),
        ("failed", ""),
    ],
)
def test_rows_without_a_line_of_a_step_that_completed_lost_it(outcome: str, why: str) -> None:
    """Where no activity has made them and ended well, nobody knows whose they are."""
    run = workflow(activities=(activity(outcome),))
    records = Records(operations=[], workflows=[run], effects=[], facts=[fact()])
    (finding,) = effects_are_atomic(records).findings
    assert finding.message == f"rows are there, and the ledger knows nothing of them{why}"
