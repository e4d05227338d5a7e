"""The invariant of effects behind which nothing stands."""

from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.verdicts import Finding, Judgement

NAME = "nothing without a workflow"


def nothing_without_a_workflow(records: Records) -> Judgement:
    """Every effect was made by a workflow that the server knows."""
    if records.effects is None:
        return unknown(NAME, "the target keeps no ledger")
    known = {run.workflow_id for run in records.workflows}
    findings = [
        Finding(
            problem="phantom",
            message="the ledger has an effect of a workflow that the server does not know",
            workflow_id=effect.workflow_id,
            step=effect.step,
            item=effect.item,
        )
        for effect in records.effects
        if effect.workflow_id not in known
    ]
    return as_judgement(NAME, len(records.effects), findings)
