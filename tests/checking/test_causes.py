"""Why an effect is there that may not be: what the finding says of it."""

import pytest
from handwritten_records import GOOD, WORKFLOW, effect, fact, workflow
from msgspec.structs import replace

from harness.checking.invariants import Records, nothing_doubled
from harness.records.effects import Effect, EffectKind
from harness.records.workflows import Activity, WorkflowRun

MAY_NOT_BE = fact(expected=0)


def said(effects: list[Effect], *runs: WorkflowRun) -> str:
    """What the only finding says where no row may be."""
    records = Records(operations=[], workflows=runs, effects=effects, facts=[MAY_NOT_BE])
    (finding,) = nothing_doubled(records).findings
    assert (finding.problem, finding.workflow_id, finding.step) == ("uncompensated", WORKFLOW, "load")
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


def test_a_step_that_ended_well_was_not_compensated() -> None:
    """The activity of a step is the one whose type ends with its name."""
    run = workflow(activities=(activity("completed"), activity("failed", type_="pipeline.unload")))
    assert said([effect()], run) == (
        "100 rows are there, and none may be: it was written by attempt 1, its activity pipeline.load completed, "
        "and no compensation of it was run"
    )


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("failed", "failed"), ("timed_out", "timed out"), ("canceled", "was cancelled"), ("", "was left behind")],
)
def test_a_step_without_a_result_was_registered_too_late(outcome: str, told: str) -> None:
    """It has had its effect all the same."""
    message = said([effect()], workflow(activities=(activity(outcome),)))
    assert f"its activity pipeline.load {told}, and nothing took it back; a compensation must be registered" in message


def test_an_effect_after_the_end_was_not_fenced() -> None:
    """Whatever became of its activity: it was written when nobody was there to take it back."""
    late = replace(effect(), committed_at=4.5)
    message = said([late], workflow(activities=(activity("completed"),)))
    assert "written by attempt 1 2.5 s after its workflow had closed; nothing fences an attempt" in message


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
            ": attempts 1 and 2 each wrote it; a repeat must find what",
        ),
        ([effect(), effect()], ": attempt 1 wrote it each time"),
        ([effect(), replace(effect(), attempt=None)], "undone 0 times"),
        ([effect(), replace(effect(), run_id="another")], "undone 0 times"),
    ],
)
def test_who_doubled_an_effect_is_told_where_the_ledger_knows(effects: list[Effect], told: str) -> None:
    """Attempts of several runs are no repeats of one activity."""
    (finding,) = nothing_doubled(replace(GOOD, effects=effects)).findings
    assert finding.problem == "doubled"
    assert told in finding.message
    assert finding.message.endswith("times") == told.endswith("times")
