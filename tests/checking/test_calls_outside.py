"""The invariants of calls to the outside world, on records written by hand."""

import pytest
from handwritten_records import GOOD, NOTHING, WORKFLOW, workflow
from msgspec.structs import replace

from harness.checking.invariants import Invariant, Records
from harness.checking.outside import one_call_an_attempt, one_key_an_effect
from harness.records.calls import Call
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import Activity

PAY = Activity(
    type="pay", activity_id="1", scheduled=1.1, started=1.2, closed=1.6, attempts=2, worker="w", last_failure="no"
)
MADE_OF = "a key is made of workflow id, step and item, and of nothing that a repeat changes"
NAMED = pytest.mark.parametrize(
    ("invariant", "name"), [(one_key_an_effect, "one key an effect"), (one_call_an_attempt, "one call an attempt")]
)


def call(key: str = "w/pay", *, activity: str = "pay", calls: int = 2) -> Call:
    return Call(workflow_id=WORKFLOW, activity=activity, key=key, calls=calls, effects=1)


def paying(*calls: Call, activities: tuple[Activity, ...] = (PAY,)) -> Records:
    """A workflow with one activity that paid in two attempts."""
    return replace(GOOD, workflows=[workflow(activities=activities)], calls=calls)


@NAMED
@pytest.mark.parametrize(
    ("calls", "reason"),
    [(None, "nobody counted the calls to the outside world"), ([], "there was nothing to look at")],
    ids=["not counted", "none made"],
)
def test_of_no_calls_nothing_is_known(invariant: Invariant, name: str, calls: list[Call] | None, reason: str) -> None:
    """Nobody counted them, or there were none."""
    judgement = Judgement(invariant=name, verdict=Verdict.UNKNOWN, checked=0, reason=reason)
    assert invariant(replace(NOTHING, calls=calls)) == judgement


@NAMED
def test_one_key_and_a_call_an_attempt_are_well(invariant: Invariant, name: str) -> None:
    """Two attempts, two calls, one key."""
    assert invariant(paying(call())) == Judgement(invariant=name, verdict=Verdict.VALID, checked=1)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            ["w/pay/2", "w/pay/1"],
            (
                "under 2 keys (effects: 2): w/pay/1, w/pay/2; "
                "they differ by a number, such as the attempt's, which must not be in a key"
            ),
        ),
        (["ab", "cd", "ef"], f"under 3 keys (effects: 3): ab, cd, ef; {MADE_OF}"),
        (["ab", "cd", "ef", "gh"], f"under 4 keys (effects: 4): ab, cd, ef, …; {MADE_OF}"),
        ([""], "without an idempotency key (effects: 1): a repeat has its effect again"),
    ],
    ids=["the attempt is in them", "each made anew", "more than are shown", "none at all"],
)
def test_another_key_makes_another_effect(keys: list[str], says: str) -> None:
    """The finding shows some of them, and says how they differ."""
    problem = "rekeyed" if len(keys) == 1 else "doubled"
    rekeyed = Finding(problem=problem, message=f"pay called the outside {says}", workflow_id=WORKFLOW)
    assert one_key_an_effect(paying(*map(call, keys))) == Judgement(
        invariant="one key an effect", verdict=Verdict.INVALID, checked=1, findings=(rekeyed,)
    )


@pytest.mark.parametrize(("attempts", "told"), [(1, "1 attempt"), (2, "2 attempts")])
def test_more_calls_than_attempts_are_a_retry_inside_the_retry(attempts: int, told: str) -> None:
    """Whatever their keys."""
    activities = (replace(PAY, attempts=attempts),)
    (finding,) = one_call_an_attempt(paying(call(calls=3), call("b", calls=1), activities=activities)).findings
    assert finding == Finding(
        problem="retried_inside",
        message=f"pay called the outside 4 times in {told}: it retries within Temporal's own retry; "
        "let the attempt fail, its retry policy tries again",
        workflow_id=WORKFLOW,
    )


@pytest.mark.parametrize(
    "activities",
    [(), (replace(PAY, started=None, attempts=0),), (replace(PAY, closed=None),), (PAY, replace(PAY, closed=None))],
)
def test_where_attempts_are_not_known_calls_are_not_judged(activities: tuple[Activity, ...]) -> None:
    """An activity that was left behind may have had any number; what others did is judged all the same."""
    others = (replace(PAY, type="notify"), replace(PAY, type="refund"))
    calls = (call(calls=9), call(activity="notify"), call(activity="refund"))
    judgement = one_call_an_attempt(paying(*calls, activities=activities + others))
    assert (judgement.verdict, judgement.checked) == (Verdict.VALID, 2)


def test_calls_of_a_workflow_without_a_history_are_not_judged() -> None:
    """The server does not know it: how often it tried is not known."""
    judgement = one_call_an_attempt(replace(GOOD, workflows=[], calls=[call(calls=9)]))
    assert (judgement.verdict, judgement.checked) == (Verdict.UNKNOWN, 0)


def test_attempts_count_over_all_runs_of_a_workflow() -> None:
    """Its key stays the same when it is run again."""
    again = workflow(activities=(PAY,))
    assert one_call_an_attempt(replace(paying(call(calls=4)), workflows=[again, again])).findings == ()
