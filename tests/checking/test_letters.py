"""Dead letters: everything that failed for good has one, and nothing that went well."""

import pytest
from handwritten_records import GOOD, WORKFLOW, effect, workflow
from msgspec.structs import replace

from harness.checking.invariants import Records
from harness.checking.letters import Letters
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import Activity, WorkflowRun

LETTERS = Letters(name="letters", workflow="gave up", activity="failed", writers=frozenset({"write"}))
REFUSED = Activity(
    type="charge",
    activity_id="7",
    scheduled=1.0,
    started=1.0,
    closed=1.5,
    attempts=1,
    worker="w",
    last_failure=None,
    outcome="failed",
)


def ran(activity: Activity = REFUSED, *, status: str = "completed", told_to_cancel: bool = False) -> WorkflowRun:
    """A run with this one activity."""
    run = workflow(status=status, activities=(activity,))
    return replace(run, cancel_requested=1.2 if told_to_cancel else None)


def judged(*runs: WorkflowRun, letters: tuple[str, ...] = (), ends: tuple[str, ...] = ()) -> Judgement:
    """The judgement where these are the items of letters of activities, and of workflows."""
    written = [*(effect(item, step="failed") for item in letters), *(effect(item, step="gave up") for item in ends)]
    return LETTERS(replace(GOOD, workflows=runs, effects=written))


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
@pytest.mark.parametrize("status", ["completed", "continued_as_new", "failed"])
def test_an_activity_that_fails_for_good_has_a_letter(status: str, outcome: str) -> None:
    """Also where its workflow goes on without it; a letter of another activity does not count."""
    run, ends = ran(replace(REFUSED, outcome=outcome), status=status), ("r",) if status == "failed" else ()
    assert judged(run, letters=("r/7",), ends=ends) == Judgement(invariant="letters", verdict=Verdict.VALID, checked=1)
    message = f"charge (7) ended {outcome}, and no dead letter says so"
    silent = Finding(problem="silent", message=message, workflow_id=WORKFLOW, step="charge")
    for letters in ((), ("r/8",)):
        assert judged(run, letters=letters, ends=ends).findings == (silent,)


@pytest.mark.parametrize(
    "run",
    [
        ran(replace(REFUSED, outcome="completed")),
        ran(replace(REFUSED, outcome="canceled")),
        ran(replace(REFUSED, outcome="")),
        ran(replace(REFUSED, told_to_cancel=True)),
        ran(replace(REFUSED, type="write")),
        ran(told_to_cancel=True),
        ran(status="canceled"),
        ran(status="running"),
    ],
    ids=[
        "completed",
        "cancelled",
        "not ended",
        "given up",
        "it writes letters",
        "its workflow was told to cancel",
        "its workflow was cancelled",
        "its workflow runs",
    ],
)
def test_other_activities_need_none(run: WorkflowRun) -> None:
    """What did not fail, what nobody waited for any more, and what writes the letters itself."""
    assert judged(run).findings == ()


def test_what_completed_has_no_letter() -> None:
    """Whoever reads it would do the work again."""
    (phantom,) = judged(ran(replace(REFUSED, outcome="completed")), letters=("r/7",)).findings
    assert (phantom.problem, phantom.step) == ("phantom", "charge")


def test_a_run_that_a_reset_made_has_the_letters_of_the_one_before() -> None:
    """Its activities are those of the run that it replaced, which wrote them."""
    before, anew = replace(ran(), status="terminated"), replace(ran(), run_id="anew", closed=3.0)
    assert judged(before, anew, letters=("r/7",)).findings == ()


def test_a_workflow_that_fails_has_a_letter_of_its_own() -> None:
    """The letter of its activity says nothing of it."""
    (silent,) = judged(ran(status="failed"), letters=("r/7",)).findings
    assert (silent.message, silent.step) == ("Pipeline ended failed, and no dead letter says so", None)


@pytest.mark.parametrize(("cut_off", "problems"), [((f"{WORKFLOW}/r",), []), ((), ["silent"])])
def test_a_termination_of_which_nobody_can_say_is_not_judged(cut_off: tuple[str, ...], problems: list[str]) -> None:
    """The target names such runs."""

    def named(_: Records) -> tuple[str, ...]:
        return cut_off

    judgement = replace(LETTERS, cut_off=named)(replace(GOOD, workflows=[workflow(status="terminated")]))
    assert [each.problem for each in judgement.findings] == problems


def test_it_is_unknown_without_a_ledger() -> None:
    """Never valid."""
    judgement = LETTERS(replace(GOOD, effects=None))
    assert (judgement.verdict, judgement.reason) == (Verdict.UNKNOWN, "the ledger was not read")
