"""The scenarios of dead letters judge facts as they are, and hold on real servers."""

import msgspec
import pytest

from harness.checking.invariants import Records
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun
from harness.testbed import Testbed
from scenarios.controlled import ACT
from scenarios.dead_letters import LETTER, MISSING, TERMINATED, Kept, Missing, Redriven, Swept
from scenarios.invariants import WORKFLOW_FAILED, nothing_silently_lost
from scenarios.loaded import LOAD_CHUNK, RECONCILE

PREFIX = "run.dead_letters-x.0."


def ended(part: str, status: str) -> Operation:
    """A workflow's end, as its caller saw it."""
    return Operation(
        scenario="dead_letters-x",
        iteration=0,
        kind=Kind.RESULT,
        name="",
        workflow_id=PREFIX + part,
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=Ack.OK,
        status=status,
    )


def fact(part: str, says: str = MISSING, *, step: str = LETTER, **values: int) -> Fact:
    """What the tables hold of one workflow."""
    counts = {"attempts": 1, "ended": 1, "remedies": 1, "open": 1, "resolved": 0} if step == LETTER else {}
    return Fact(
        scenario="dead_letters-x",
        iteration=0,
        workflow_id=PREFIX + part,
        step=step,
        item=says,
        expected=1,
        found=1,
        values={**counts, **values},
    )


def test_a_failed_load_must_have_a_letter_that_is_right() -> None:
    """None is lost; one of another error, without a remedy, or without its attempts, is misjudged."""
    given, operations = Missing(("a",)), [ended("load0", "failed")]
    assert Kept().check(given, operations, [fact("load0", attempts=3)]) == []
    assert [one.problem for one in Kept().check(given, operations, [])] == ["lost"]
    for wrong in (
        fact("load0", TERMINATED),
        fact("load0", remedies=0),
        fact("load0", ended=0),
        fact("load0", attempts=0),
    ):
        assert [one.problem for one in Kept().check(given, operations, [wrong])] == ["misjudged"]
    assert [one.problem for one in Kept().check(given, [ended("load0", "completed")], [])] == ["impossible"]
    assert [one.problem for one in Redriven().check(20, [ended("main", "failed")], [])] == ["lost"]


def redriven_facts(**letter: int) -> list[Fact]:
    return [
        fact("main", MISSING, step=LETTER, **{"open": 0, "resolved": 1, **letter}),
        fact("main", "", step=RECONCILE, files=1),
        fact("main", "0", step=LOAD_CHUNK, read=20),
    ]


def test_a_redriven_load_must_have_done_the_work_once() -> None:
    """Its letter is resolved, it alone is reconciled, and every row of the file was read."""
    operations = [ended("main", "failed"), ended("main", "completed")]
    assert Redriven().check(20, operations, redriven_facts()) == []
    assert [one.problem for one in Redriven().check(21, operations, redriven_facts())] == ["lost"]
    assert [one.problem for one in Redriven().check(20, operations, redriven_facts(resolved=0))] == ["misjudged"]
    twice = [*redriven_facts(), fact("other", "", step=RECONCILE, files=1)]
    assert [one.problem for one in Redriven().check(20, operations, twice)] == ["doubled"]
    failed = [operations[0], ended("main", "failed")]
    assert "lost" in [one.problem for one in Redriven().check(20, failed, redriven_facts())]


def test_a_terminated_workflow_must_have_been_swept_up() -> None:
    """Once the digest is taken its letter is there; before that nobody can tell."""
    terminated, digest = ended("main", "terminated"), ended("digest", "completed")
    letter = fact("main", TERMINATED)
    assert Swept().check(None, [terminated, digest], [letter]) == []
    assert Swept().check(None, [terminated], []) == []
    assert [one.problem for one in Swept().check(None, [terminated, digest], [])] == ["lost"]
    assert [one.problem for one in Swept().check(None, [terminated, digest], [fact("main")])] == ["misjudged"]


def run(
    status: str, run_id: str = "r1", *, started: float = 0.0, closed: float | None = 1.0, workflow_id: str = "w"
) -> WorkflowRun:
    """A run that ended, or goes on."""
    return WorkflowRun(
        scenario="s",
        iteration=0,
        workflow_id=workflow_id,
        run_id=run_id,
        type="T",
        status=status,
        started=started,
        closed=closed,
        events=5,
    )


def ordered(run_id: str, kind: str, state: str) -> Fact:
    """What control has on record of a run."""
    return Fact(
        scenario="s",
        iteration=0,
        workflow_id="an operation",
        step=ACT,
        item=f"w/{run_id}",
        expected=1,
        found=1,
        values={kind: 1, state: 1},
    )


def records(*runs: WorkflowRun, letters: tuple[str, ...] = (), facts: tuple[Fact, ...] = ()) -> Records:
    effects = [
        Effect(
            workflow_id="w",
            step=WORKFLOW_FAILED,
            item=run_id,
            kind=EffectKind.FORWARD,
            run_id=run_id,
            attempt=1,
            transaction=1,
            committed_at=0,
            source=Source.LEDGER,
        )
        for run_id in letters
    ]
    return Records(operations=[], workflows=runs, effects=effects, facts=facts)


@pytest.mark.parametrize("status", ["failed", "terminated", "timed_out"])
def test_what_fails_without_a_letter_is_silently_lost(status: str) -> None:
    """A letter of another run does not count."""
    assert nothing_silently_lost(records(run(status), letters=("r1",))).verdict is Verdict.VALID
    for letters in ((), ("r2",)):
        judgement = nothing_silently_lost(records(run(status), letters=letters))
        assert [(one.problem, one.workflow_id) for one in judgement.findings] == [("silent", "w")]


def test_a_termination_that_was_cut_off_is_not_judged() -> None:
    """Control went to do it, and never knew what came of that; so it is with nothing else that a run may end by."""
    facts = (ordered("r1", "terminate", "attempted"),)
    assert nothing_silently_lost(records(run("terminated"), facts=facts)).verdict is Verdict.VALID
    assert nothing_silently_lost(records(run("timed_out"), facts=facts)).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "record",
    [
        ordered("r1", "terminate", "done"),
        ordered("r2", "terminate", "attempted"),
        ordered("r1", "cancel", "attempted"),
        ordered("r1", "terminate", "skipped"),
        ordered("r1", "terminate", "failed"),
        ordered("r1", "terminate", "cancelled"),
        ordered("r1", "terminate", "pending"),
    ],
    ids=["done", "another run", "another action", "already terminated", "refused", "never begun", "not yet begun"],
)
def test_what_was_terminated_is_lost_without_its_letter(record: Fact) -> None:
    """Control keeps it with the outcome; whoever terminates a workflow past control leaves it to the digest."""
    (finding,) = nothing_silently_lost(records(run("terminated"), facts=(record,))).findings
    assert (finding.problem, "no dead letter says so" in finding.message) == ("silent", True)


@pytest.mark.parametrize("status", ["completed", "canceled", "continued_as_new", "running"])
def test_what_does_not_fail_needs_no_letter(status: str) -> None:
    """What completed must not have one that says that it failed."""
    assert nothing_silently_lost(records(run(status))).verdict is Verdict.VALID
    found = [one.problem for one in nothing_silently_lost(records(run(status), letters=("r1",))).findings]
    assert found == (["phantom"] if status in {"completed", "continued_as_new"} else [])


def test_a_run_in_whose_place_another_came_is_no_end() -> None:
    """A reset terminates a run and starts another; a failure is one all the same."""
    later = run("completed", "r2", started=1.0)
    assert nothing_silently_lost(records(later, run("terminated"))).findings == ()
    assert len(nothing_silently_lost(records(later, run("failed"))).findings) == 1
    for closed in (2.0, None):  # its start is that of the run it stands for
        anew = run("completed" if closed else "running", "r2", closed=closed)
        assert nothing_silently_lost(records(anew, run("terminated"))).findings == ()
        assert nothing_silently_lost(records(run("terminated"), anew)).findings == ()


def test_without_a_ledger_nobody_knows() -> None:
    """Unknown, never valid."""
    nobody = msgspec.structs.replace(records(run("completed")), effects=None)
    assert nothing_silently_lost(nobody).verdict is Verdict.UNKNOWN


@pytest.mark.thorough
async def test_they_hold_on_real_servers(bed: Testbed) -> None:
    """Each is driven and observed: every judgement is valid, and the letters are counted."""
    for name in ("dead_letters-kept", "dead_letters-redriven", "dead_letters-swept"):
        await bed.prepare(bed.target.scenario(name))
        await bed.once(bed.target.scenario(name))
    judgements = await bed.conclude()
    assert [(one.invariant, one.findings) for one in judgements if one.verdict is not Verdict.VALID] == []
    assert "nothing silently lost" in {one.invariant for one in judgements}
    letters = [one for one in Recorded(bed.run.directory).read(Fact) if one.step == LETTER]
    assert {one.item for one in letters} == {MISSING, TERMINATED}
    assert sum(one.values["resolved"] for one in letters) == 1
