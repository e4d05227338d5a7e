"""What the invariants say of records written by hand: their names, findings and reasons, word for word."""

import pytest
from handwritten_records import GOOD, NOTHING, WORKFLOW, effect, fact, operation, window, workflow
from msgspec.structs import replace

from harness.checking.invariants import (
    Invariant,
    Records,
    effects_are_atomic,
    every_workflow_closed,
    faults_bit,
    no_task_failed,
    nothing_doubled,
    nothing_lost,
    operations_answered,
)
from harness.records.effects import EffectKind
from harness.records.operations import Ack, Kind
from harness.records.verdicts import Finding

UNDONE = EffectKind.COMPENSATION

BROKEN = Records(
    operations=[operation("other"), operation("refused", ack=Ack.FAIL)],
    workflows=[workflow(status="failed", failures=("NON_DETERMINISTIC_ERROR",))],
    effects=[effect(), effect("1")],
    facts=[fact(found=300, transactions=(701,)), fact("2")],
    faults=[window(felt=0)],
)
OPEN_END = replace(GOOD, operations=[operation(), operation(kind=Kind.RESULT, ack=Ack.INFO)])


@pytest.mark.parametrize(
    ("invariant", "name"),
    [
        (nothing_lost, "nothing lost"),
        (nothing_doubled, "nothing doubled"),
        (effects_are_atomic, "effects are atomic"),
        (every_workflow_closed, "every workflow closed"),
        (no_task_failed, "no workflow task failed"),
        (operations_answered, "operations answered"),
        (faults_bit, "faults bit"),
    ],
)
def test_every_judgement_names_its_invariant(invariant: Invariant, name: str) -> None:
    """Whatever the verdict: reports tell judgements apart by it."""
    for records in (GOOD, NOTHING, BROKEN, OPEN_END, replace(GOOD, faults=[window()])):
        assert invariant(records).invariant == name


@pytest.mark.parametrize(
    ("invariant", "records", "finding"),
    [
        (
            nothing_lost,
            replace(GOOD, workflows=[]),
            Finding(
                problem="lost",
                message=f"{WORKFLOW} was acknowledged, and the server does not know it",
                workflow_id=WORKFLOW,
            ),
        ),
        (
            nothing_lost,
            replace(GOOD, effects=[effect(), effect("1")]),
            Finding(
                problem="lost",
                message="the ledger has an effect of which no row is there",
                workflow_id=WORKFLOW,
                step="load",
                item="1",
            ),
        ),
        (
            nothing_doubled,
            replace(GOOD, facts=[fact(found=200)]),
            Finding(
                problem="doubled",
                message="200 rows are there, 100 expected",
                workflow_id=WORKFLOW,
                step="load",
                item="0",
            ),
        ),
        (
            nothing_doubled,
            replace(GOOD, effects=[effect(), effect(kind=UNDONE)]),
            Finding(
                problem="uncompensated",
                message="the ledger says it was undone, and 100 rows are there",
                workflow_id=WORKFLOW,
                step="load",
                item="0",
            ),
        ),
        (
            effects_are_atomic,
            replace(GOOD, effects=[effect("9")]),
            Finding(
                problem="phantom",
                message="rows are there, and the ledger knows nothing of them",
                workflow_id=WORKFLOW,
                step="load",
                item="0",
            ),
        ),
        (
            effects_are_atomic,
            replace(GOOD, facts=[fact(transactions=(702, 701))]),
            Finding(
                problem="torn",
                message="rows were written by transaction 701, 702, the ledger by 700: "
                "a crash between them loses or doubles the effect",
                workflow_id=WORKFLOW,
                step="load",
                item="0",
            ),
        ),
        (
            every_workflow_closed,
            replace(GOOD, workflows=[workflow(status="running")]),
            Finding(problem="open", message="Pipeline is still running", workflow_id=WORKFLOW),
        ),
        (
            every_workflow_closed,
            replace(GOOD, workflows=[workflow(status="failed")]),
            Finding(
                problem="bad_end",
                message="Pipeline ended failed; allowed: completed, continued_as_new",
                workflow_id=WORKFLOW,
            ),
        ),
        (
            no_task_failed,
            replace(GOOD, workflows=[workflow(failures=("NON_DETERMINISTIC_ERROR",))]),
            Finding(problem="task_failed", message="event 4: NON_DETERMINISTIC_ERROR: told", workflow_id=WORKFLOW),
        ),
        (
            operations_answered,
            replace(GOOD, operations=[operation(), operation("other", ack=Ack.FAIL)]),
            Finding(problem="refused", message="start of Pipeline: no answer", workflow_id="other"),
        ),
        (
            operations_answered,
            replace(GOOD, operations=[operation(ack=Ack.INFO)]),
            Finding(problem="nothing_worked", message="every operation failed: the run proves nothing"),
        ),
    ],
)
def test_a_finding_says_what_is_wrong_and_where(invariant: Invariant, records: Records, finding: Finding) -> None:
    """As the report shows it: the message, and the workflow, step and item to look at."""
    assert invariant(records).findings == (finding,)


@pytest.mark.parametrize(
    ("invariant", "records", "reason"),
    [
        (effects_are_atomic, NOTHING, "the target keeps no ledger"),
        (effects_are_atomic, replace(GOOD, facts=[]), "there was nothing to look at"),
        (nothing_lost, NOTHING, "there was nothing to look at"),
    ],
)
def test_an_unknown_verdict_says_why(invariant: Invariant, records: Records, reason: str) -> None:
    """What was missing for another one."""
    assert invariant(records).reason == reason
