"""What must hold for every run of `system`, beside what must hold for every run of every target."""

from math import inf

from harness.checking.compensation import Saga
from harness.checking.conserved import Conserved
from harness.checking.invariants import OwnInvariant, Records, as_judgement
from harness.checking.tally import Tally
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import WorkflowRun
from scenarios.batched import OF_ANOTHER
from scenarios.controlled import never_heard_of
from scenarios.ordered import CALLS, CONFIRM, ORDER, RESERVE, STOCK, UNBALANCED_CENTS

NAME = "nothing silently lost"
WORKFLOW_FAILED = "workflow_failed"
"""The step in the ledger by which a dead letter says that its workflow, the item's run, has failed."""


def nothing_silently_lost(records: Records) -> Judgement:
    """Every workflow that was started completed, was cancelled, or has a dead letter.

    A run that was terminated, or that timed out, and in whose place another one of the same id came, is not an end. One
    that control went to terminate, and was cut off before it heard what came of that, is not judged: that operation is
    still open.
    """
    if records.effects is None:
        return Judgement(invariant=NAME, verdict=Verdict.UNKNOWN, checked=0, reason="the ledger was not read")
    lettered = {effect.item for effect in records.effects if effect.step == WORKFLOW_FAILED}
    open_ends = {fact.item for fact in records.facts if never_heard_of(fact, "terminate")}
    newest = {run.workflow_id: run.run_id for run in sorted(records.workflows, key=_age)}
    findings = [
        _finding(run, "silent", "and no dead letter says so")
        for run in records.workflows
        if run.run_id not in lettered
        and _is_bad_end(run, newest[run.workflow_id])
        and not (run.status == "terminated" and f"{run.workflow_id}/{run.run_id}" in open_ends)
    ]
    findings += [
        _finding(run, "phantom", "and a dead letter says that it failed")
        for run in records.workflows
        if run.run_id in lettered and run.status in {"completed", "continued_as_new"}
    ]
    return as_judgement(NAME, len(records.workflows), findings)


def _age(run: WorkflowRun) -> tuple[float, float]:
    """When it was started and ended: the run that a reset makes tells the start of the one it replaces."""
    return run.started, run.closed if run.closed is not None else inf


def _is_bad_end(run: WorkflowRun, newest: str) -> bool:
    return run.status == "failed" or (run.status in {"terminated", "timed_out"} and run.run_id == newest)


def _finding(run: WorkflowRun, problem: str, what: str) -> Finding:
    return Finding(problem=problem, message=f"{run.type} ended {run.status}, {what}", workflow_id=run.workflow_id)


def served_what_was_asked(records: Records) -> Judgement | None:
    """Nobody was served what a cache holds for another input; None of a run in which no cache could be asked."""
    served = [fact for fact in records.facts if OF_ANOTHER in fact.values]
    findings = [
        Finding(
            problem="of_another",
            message="its output is that of another input: a cache keeps both under one key",
            workflow_id=fact.workflow_id,
            step=fact.step,
            item=fact.item,
        )
        for fact in served
        if fact.values[OF_ANOTHER]
    ]
    return as_judgement("nobody is served another's value", len(served), findings) if served else None


INVARIANTS: tuple[OwnInvariant, ...] = (
    nothing_silently_lost,
    served_what_was_asked,
    Conserved(name="ledger sums to zero", step=ORDER, parts=(UNBALANCED_CENTS,)),
    Conserved(name="stock is constant", step=STOCK, parts=("on_hand", "reserved", "shipped"), total="counted"),
    Tally(
        name="stock counts every order", entries=RESERVE, value="quantity", totals=STOCK, parts=("reserved", "shipped")
    ),
    Saga(name="orders are taken back in reverse", steps=frozenset({RESERVE, *CALLS, CONFIRM})),
)
