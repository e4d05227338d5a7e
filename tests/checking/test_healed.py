"""After the last heal everything works again: the last operations say so."""

import pytest
from handwritten_records import GOOD, WORKFLOW, operation, window
from msgspec.structs import replace

from harness.checking.applicable import applicable
from harness.checking.healed import well_after_heal
from harness.checking.invariants import Records
from harness.records.experiment import ExperimentInfo, Recovery, Steady
from harness.records.operations import Ack, Kind, Operation
from harness.records.verdicts import Finding, Judgement, Verdict

NAME = "well after heal"


def records(*operations: Operation, last: int = 2) -> Records:
    """A link was cut until second 13."""
    experiment = ExperimentInfo(name="cut", title="", expect="", steady=Steady(), recovery=Recovery(last=last), toml="")
    return replace(GOOD, operations=operations, faults=[replace(window(), healed=3.0), window()], experiment=experiment)


def result(status: str | None, sent: float = 15.0) -> Operation:
    return replace(operation(kind=Kind.RESULT, sent=sent), name="", status=status)


AFTER = [operation(sent=14.0), operation(sent=15.0)]
UNANSWERED = operation(sent=16.0, ack=Ack.INFO, acknowledged=None)


@pytest.mark.parametrize(
    "operations",
    [
        AFTER,
        [UNANSWERED, *(replace(each, sent=each.sent + 3) for each in AFTER)],
        [replace(UNANSWERED, sent=12.9), *AFTER],
        [result("completed"), operation(sent=14.0, kind=Kind.UPDATE, ack=Ack.FAIL)],
    ],
    ids=["answered", "the last two were", "the others were sent before heal", "a refusal is an answer"],
)
def test_the_last_operations_were_answered(operations: list[Operation]) -> None:
    """In whatever order they were written down; of those before them nothing is said."""
    assert well_after_heal(records(*operations)) == Judgement(invariant=NAME, verdict=Verdict.VALID, checked=2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (UNANSWERED, "start Pipeline: no answer"),
        (replace(UNANSWERED, ack=Ack.OK, error=None), "start Pipeline: no answer"),
        (operation(sent=16.0, ack=Ack.FAIL), "start Pipeline: no answer"),
        (replace(operation(sent=16.0, ack=Ack.FAIL), error=None), "start Pipeline: refused"),
        (result("failed"), "result : ended failed, long after everything was healed"),
    ],
    ids=["unanswered", "found out later", "refused", "refused without a reason", "a bad end"],
)
def test_one_that_was_not_is_found(wrong: Operation, message: str) -> None:
    """The finding says which, and why."""
    finding = Finding(problem="unwell", message=message, workflow_id=WORKFLOW)
    assert well_after_heal(records(AFTER[0], wrong)) == Judgement(
        invariant=NAME, verdict=Verdict.INVALID, checked=2, findings=(finding,)
    )


def test_a_scenario_may_allow_other_ends() -> None:
    """Then they are well."""
    ends = {"slice": frozenset({"failed"})}
    assert well_after_heal(replace(records(AFTER[0], result("failed")), ends=ends)).verdict is Verdict.VALID


def test_too_few_operations_after_heal_prove_nothing() -> None:
    """Those that were sent as it healed do not count."""
    judgement = well_after_heal(records(operation(sent=13.0), operation(sent=14.0)))
    reason = "of the last 2 operations, 1 were sent after the last heal: let the load go on longer"
    assert judgement == Judgement(invariant=NAME, verdict=Verdict.UNKNOWN, checked=1, reason=reason)


def test_it_is_asked_of_experiments_with_faults() -> None:
    """And where some operations are to be looked at."""
    asked = records(*AFTER)
    assert well_after_heal in applicable(asked)
    assert well_after_heal(records(*AFTER, last=0)).checked == 0
    for other in (replace(asked, faults=()), replace(asked, experiment=None), records(*AFTER, last=0)):
        assert well_after_heal not in applicable(other)
