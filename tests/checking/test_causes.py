"""Why an effect is there that may not be: what the finding says of it."""

import pytest
from handwritten_records import GOOD, WORKFLOW, effect, fact, workflow
from msgspec.structs import replace

from harness.checking.invariants import Records, nothing_doubled
from harness.records.effects import Effect, EffectKind
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
