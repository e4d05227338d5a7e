"""The invariant of an experiment's end: when everything is healed, everything works again."""

from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.operations import Ack, Kind, Operation
from harness.records.verdicts import Finding, Judgement

NAME = "well after heal"


def well_after_heal(records: Records) -> Judgement:
    """The last operations, as many as the experiment says, were all sent after the last heal, and answered well.

    A workflow that ended as its scenario allows is a good answer, and so is a refusal of anything but a start:
    whoever cancels too late is told so.
    """
    assert records.experiment is not None
    wanted = records.experiment.recovery.last
    healed = max(window.healed for window in records.faults)
    after = sorted((op for op in records.operations if op.sent > healed), key=lambda op: op.sent)
    last = after[-wanted:] if wanted else []
    findings = [
        Finding(problem="unwell", message=f"{op.kind} {op.name}: {why}".strip(), workflow_id=op.workflow_id)
        for op in last
        if (why := _why_unwell(op, records))
    ]
    if not findings and len(last) < wanted:
        reason = (
            f"of the last {wanted} operations, {len(last)} were sent after the last heal: let the load go on longer"
        )
        return unknown(NAME, reason, checked=len(last))
    return as_judgement(NAME, len(last), findings)


def _why_unwell(op: Operation, records: Records) -> str:
    if op.acknowledged is None:
        return op.error or "no answer"
    if op.kind is Kind.START and op.ack is Ack.FAIL:
        return op.error or "refused"
    allowed = records.ends.get(op.scenario, frozenset({"completed"}))
    if op.kind is Kind.RESULT and op.status not in allowed:
        return f"ended {op.status}, long after everything was healed"
    return ""
