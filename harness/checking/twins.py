"""Why something was done twice, where two workflows did it: one that was asked for, and its twin."""

from msgspec.structs import replace

from harness.checking.invariants import Records
from harness.records.operations import Kind
from harness.records.verdicts import Finding


def with_twin(finding: Finding, records: Records) -> Finding:
    """The finding, with the twin of its workflow where it says that something is there twice, and there is one.

    A twin has the same type and input, another id, and was started by the target itself, with no parent: each of the
    two was completed.
    """
    if finding.problem != "doubled" or finding.step is not None:
        return finding
    mine = [run for run in records.workflows if run.workflow_id == finding.workflow_id and run.status == "completed"]
    asked_for = {op.workflow_id for op in records.operations if op.kind is Kind.START}
    twins = {
        other.workflow_id
        for run in mine
        for other in records.workflows
        if other.input_digest == run.input_digest != ""
        and (other.type, other.status) == (run.type, run.status)
        and other.workflow_id not in {run.workflow_id, *asked_for}
    }
    if not twins:
        return finding
    why = (
        f"{', '.join(sorted(twins))} did the same beside it, with the same input: a start that is not answered may "
        "have been heard: try it again under the same workflow id"
    )
    return replace(finding, message=f"{finding.message}; {why}")
